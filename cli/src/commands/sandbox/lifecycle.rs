//! `exeat sandbox pause`, `resume` and `delete`

use std::process::ExitCode;

use exeat_service::shapes::{Change, Resume, Sandbox};
use serde_json::json;

use super::api::{Api, sandbox_path};
use super::create::shutdown;
use super::human::read_span;
use super::{Namespace, progress};
use crate::output::{Output, print_json, print_line};
use crate::problem::Problem;

#[derive(clap::Args)]
pub(crate) struct PauseArguments {
    /// Their names or ids.
    #[arg(required = true)]
    name: Vec<String>,
    #[command(flatten)]
    namespace: Namespace,
}

#[derive(clap::Args)]
pub(crate) struct ResumeArguments {
    /// Their names or ids.
    #[arg(required = true)]
    name: Vec<String>,
    #[command(flatten)]
    namespace: Namespace,
    /// Boot from the disk alone, without the memory.
    #[arg(long)]
    disk: bool,
    /// Its time is over so long from now: `8h`.
    #[arg(long, value_name = "SPAN", value_parser = read_span)]
    ttl: Option<u64>,
}

#[derive(clap::Args)]
pub(crate) struct DeleteArguments {
    /// Their names or ids.
    #[arg(required = true)]
    name: Vec<String>,
    #[command(flatten)]
    namespace: Namespace,
    /// Delete their snapshots too.
    #[arg(long)]
    snapshots: bool,
}

pub(super) async fn pause(api: &Api, arguments: &PauseArguments, output: Output) -> Result<ExitCode, Problem> {
    for name in &arguments.name {
        let path = sandbox_path(&arguments.namespace.namespace, name, "/pause");
        tell(&progress::during("saving the sandbox", api.post(&path, &json!({}))).await?, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn resume(api: &Api, arguments: &ResumeArguments, output: Output) -> Result<ExitCode, Problem> {
    for name in &arguments.name {
        let path = |rest| sandbox_path(&arguments.namespace.namespace, name, rest);
        if let Some(seconds) = arguments.ttl {
            let policy = api.get::<Sandbox>(&path("")).await?.spec.shutdown.map(|shutdown| shutdown.policy);
            let mut shutdown = shutdown(seconds, false)?;
            shutdown.policy = policy.unwrap_or_default();
            api.patch::<Sandbox>(&path(""), &Change { shutdown: Some(shutdown) }).await?;
        }
        let resume = Resume { memory: !arguments.disk };
        tell(&progress::during("starting the sandbox", api.post(&path("/resume"), &resume)).await?, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn delete(api: &Api, arguments: &DeleteArguments, output: Output) -> Result<ExitCode, Problem> {
    for name in &arguments.name {
        let mut path = sandbox_path(&arguments.namespace.namespace, name, "");
        if arguments.snapshots {
            path += "&snapshots=true";
        }
        progress::during("deleting the sandbox", api.delete(&path)).await?;
        match output {
            Output::Json => print_json(&json!({ "deleted": name }))?,
            Output::Table => print_line(format_args!("{name} is deleted"))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what a sandbox is now.
pub(super) fn tell(sandbox: &Sandbox, output: Output) -> Result<(), Problem> {
    match output {
        Output::Json => print_json(sandbox),
        Output::Table => print_line(format_args!("{} is {}", sandbox.name, sandbox.state.as_str())),
    }
}
