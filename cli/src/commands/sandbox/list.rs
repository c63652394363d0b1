//! `exeat sandbox list` and `show`

use std::process::ExitCode;

use exeat_lifecycle::{ExpiryPolicy, Root};
use exeat_service::shapes::{Sandbox, Sandboxes};
use jiff::Timestamp;

use super::api::{Api, encoded, sandbox_path};
use super::{Namespace, human};
use crate::output::{Output, print_json, print_line, table};
use crate::problem::Problem;

#[derive(clap::Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    namespace: Namespace,
    /// Sandboxes of all namespaces, also those that wait in pools.
    #[arg(long, short)]
    all: bool,
}

#[derive(clap::Args)]
pub(crate) struct ShowArguments {
    /// Its name or id.
    name: String,
    #[command(flatten)]
    namespace: Namespace,
}

pub(super) async fn list(api: &Api, arguments: &ListArguments, output: Output) -> Result<ExitCode, Problem> {
    let query = match arguments.all {
        true => String::new(),
        false => format!("?namespace={}", encoded(&arguments.namespace.namespace)),
    };
    let mut found: Sandboxes = api.get(&format!("/v1/sandboxes{query}")).await?;
    found.sandboxes.retain(|sandbox| arguments.all || sandbox.pool.is_none());
    match output {
        Output::Json => found.sandboxes.iter().try_for_each(print_json)?,
        Output::Table => print_line(rows(&found.sandboxes, arguments.all))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(sandboxes: &[Sandbox], all: bool) -> impl std::fmt::Display {
    let mut table = table(&["NAME", "STATE", "AGE", "FROM", "PROFILE", "ENDS IN", "ID"]);
    let now = Timestamp::now();
    for sandbox in sandboxes {
        let name = if all { format!("{}/{}", sandbox.namespace, sandbox.name) } else { sandbox.name.to_string() };
        let ends = sandbox.spec.shutdown.as_ref().map_or_else(|| "-".to_owned(), |end| human::age(now, end.at));
        let (age, state) = (human::age(sandbox.created, now), sandbox.state.as_str().to_owned());
        table.add_row([name, state, age, root(sandbox), sandbox.spec.profile.clone(), ends, sandbox.id.to_string()]);
    }
    table
}

fn root(sandbox: &Sandbox) -> String {
    match (&sandbox.origin, &sandbox.spec.root) {
        (Some(snapshot), _) => snapshot.to_string(),
        (None, Root::Image(reference)) => reference.clone(),
        (None, Root::Host) => "this machine".to_owned(),
    }
}

pub(super) async fn show(api: &Api, arguments: &ShowArguments, output: Output) -> Result<ExitCode, Problem> {
    let path = sandbox_path(&arguments.namespace.namespace, &arguments.name, "");
    let sandbox: Sandbox = api.get(&path).await?;
    match output {
        Output::Json => print_json(&sandbox)?,
        Output::Table => print_line(facts(&sandbox))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn facts(sandbox: &Sandbox) -> impl std::fmt::Display {
    let (mut table, now, spec) = (table(&[]), Timestamp::now(), &sandbox.spec);
    let mut say = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            table.add_row([name.to_owned(), value]);
        }
    };
    let span = |seconds: u64| human::span(std::time::Duration::from_secs(seconds));
    say("name", Some(format!("{}/{}", sandbox.namespace, sandbox.name)));
    say("id", Some(sandbox.id.to_string()));
    say("state", Some(sandbox.state.as_str().to_owned()));
    say("created", Some(format!("{} ({} ago)", sandbox.created, human::age(sandbox.created, now))));
    say("from", Some(root(sandbox)));
    say("works for", Some(format!("{} as {} {}", spec.user, spec.profile, spec.teams.join(" "))));
    say("workspace", spec.workspace.as_ref().map(|folder| folder.display().to_string()));
    say(
        "variables",
        Some(spec.environment.keys().cloned().collect::<Vec<_>>().join(" ")).filter(|all| !all.is_empty()),
    );
    say("memory", spec.resources.memory_bytes.map(human::size));
    say("processors", spec.resources.cpu_millis.map(|millis| format!("{}", millis as f64 / 1000.0)));
    say("processes", spec.resources.processes.map(|count| count.to_string()));
    say("pauses after", spec.idle_seconds.map(span));
    say("snapshot every", spec.snapshots.every_seconds.map(span));
    let then = |policy| if policy == ExpiryPolicy::Delete { "deleted" } else { "paused for good" };
    say("ends", spec.shutdown.as_ref().map(|end| format!("{} ({})", end.at, then(end.policy))));
    table
}
