//! `exeat sandbox fork`

use std::process::ExitCode;

use exeat_lifecycle::{Name, SnapshotId};
use exeat_service::shapes::{Fork, Forked};

use super::api::{Api, encoded, sandbox_path};
use super::{Namespace, progress};
use crate::output::{Output, print_json, print_line};
use crate::problem::Problem;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A sandbox, of which a snapshot is taken, or a snapshot.
    from: String,
    #[command(flatten)]
    namespace: Namespace,
    /// How many.
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// Their names are this, `-` and a number; without it, the sandbox's own name.
    #[arg(long, value_name = "PREFIX")]
    name: Option<String>,
}

pub(super) async fn fork(api: &Api, arguments: &Arguments, output: Output) -> Result<ExitCode, Problem> {
    let prefix = arguments.name.as_deref().map(Name::parse).transpose().map_err(Problem::input)?;
    let path = match SnapshotId::try_from(arguments.from.clone()) {
        Ok(id) => format!("/v1/snapshots/{}/fork", encoded(id.as_str())),
        Err(_) => sandbox_path(&arguments.namespace.namespace, &arguments.from, "/fork"),
    };
    let question = Fork { count: arguments.count, prefix };
    let forked: Forked = progress::during("forking", api.post(&path, &question)).await?;
    for sandbox in &forked.sandboxes {
        match output {
            Output::Json => print_json(sandbox)?,
            Output::Table => print_line(format_args!("{} starts where {} was", sandbox.name, forked.snapshot))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}
