//! `exeat sandbox snapshot`, `snapshots` and `rollback`

use std::process::ExitCode;

use exeat_lifecycle::{Cause, Kind, SnapshotId};
use exeat_service::shapes::{Outside, OutsideSince, Rollback, RolledBack, Snapshot, Snapshots, Take};
use jiff::Timestamp;
use serde_json::json;

use super::api::{Api, encoded, sandbox_path};
use super::{Namespace, human, progress};
use crate::output::{Output, print_json, print_line, table};
use crate::problem::Problem;

#[derive(clap::Args)]
pub(crate) struct TakeArguments {
    /// The sandbox's name or id.
    name: String,
    #[command(flatten)]
    namespace: Namespace,
    /// What you call it.
    #[arg(long)]
    label: Option<String>,
    /// Of the disk alone: it is faster, and connections to the outside stay. Going back to it boots.
    #[arg(long)]
    disk: bool,
}

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only those of this sandbox.
    name: Option<String>,
    #[command(flatten)]
    namespace: Namespace,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Delete snapshots.
    Delete {
        /// Their ids.
        #[arg(required = true)]
        id: Vec<String>,
    },
}

#[derive(clap::Args)]
pub(crate) struct RollbackArguments {
    /// The sandbox's name or id.
    name: String,
    /// The snapshot's id.
    snapshot: String,
    #[command(flatten)]
    namespace: Namespace,
    /// Take its disk alone, and boot.
    #[arg(long)]
    disk: bool,
}

pub(super) async fn take(api: &Api, arguments: TakeArguments, output: Output) -> Result<ExitCode, Problem> {
    let path = sandbox_path(&arguments.namespace.namespace, &arguments.name, "/snapshots");
    let kind = if arguments.disk { Kind::Disk } else { Kind::Live };
    let take = Take { label: arguments.label, kind };
    let snapshot: Snapshot = progress::during("taking a snapshot", api.post(&path, &take)).await?;
    match output {
        Output::Json => print_json(&snapshot)?,
        Output::Table => print_line(&snapshot.id)?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn snapshots(api: &Api, arguments: Arguments, output: Output) -> Result<ExitCode, Problem> {
    if let Some(Command::Delete { id }) = arguments.command {
        return delete(api, &id, output).await;
    }
    let mut path = format!("/v1/snapshots?namespace={}", encoded(&arguments.namespace.namespace));
    if let Some(name) = &arguments.name {
        path += &format!("&sandbox={}", encoded(name));
    }
    let found: Snapshots = api.get(&path).await?;
    match output {
        Output::Json => found.snapshots.iter().try_for_each(print_json)?,
        Output::Table => print_line(rows(&found.snapshots))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(snapshots: &[Snapshot]) -> impl std::fmt::Display {
    let mut table = table(&["ID", "SANDBOX", "AGE", "KIND", "SIZE", "WHY", "LABEL"]);
    let now = Timestamp::now();
    for snapshot in snapshots {
        let why = match &snapshot.cause {
            Cause::Asked => "asked".to_owned(),
            Cause::Scheduled => "on time".to_owned(),
            Cause::Before(action) => format!("before {action}"),
        };
        let kind = if snapshot.kind == Kind::Live { "live" } else { "disk" };
        table.add_row([
            snapshot.id.to_string(),
            snapshot.sandbox_name.clone(),
            human::age(snapshot.created, now),
            kind.to_owned(),
            human::size(snapshot.bytes),
            why,
            snapshot.label.clone().unwrap_or_default(),
        ]);
    }
    table
}

async fn delete(api: &Api, ids: &[String], output: Output) -> Result<ExitCode, Problem> {
    for id in ids {
        progress::during("deleting the snapshot", api.delete(&format!("/v1/snapshots/{}", encoded(id)))).await?;
        match output {
            Output::Json => print_json(&json!({ "deleted": id }))?,
            Output::Table => print_line(format_args!("{id} is deleted"))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn rollback(api: &Api, arguments: &RollbackArguments, output: Output) -> Result<ExitCode, Problem> {
    let namespace = &arguments.namespace.namespace;
    let snapshot = SnapshotId::try_from(arguments.snapshot.clone()).map_err(|_| {
        Problem::input(format!("`{}` is no snapshot's id", arguments.snapshot.escape_debug()))
            .advise("`exeat sandbox snapshots` lists them")
    })?;
    let query = format!("?sandbox={}&namespace={}", encoded(&arguments.name), encoded(namespace));
    let since: OutsideSince = api.get(&format!("/v1/snapshots/{}/outside{query}", snapshot.as_str())).await?;
    if output == Output::Table {
        warn(&since.outside);
    }
    let path = sandbox_path(namespace, &arguments.name, "/rollback");
    let question = Rollback { snapshot, memory: !arguments.disk };
    let back: RolledBack = progress::during("going back", api.post(&path, &question)).await?;
    match output {
        Output::Json => print_json(&back)?,
        Output::Table => {
            let (name, state) = (&back.sandbox.name, back.sandbox.state.as_str());
            print_line(format_args!("{name} is at {} and {state}", question.snapshot))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what stays done, before anything is done.
fn warn(outside: &[Outside]) {
    if outside.is_empty() {
        return;
    }
    eprintln!("Going back does not undo what was done outside since then:");
    for Outside { action, count, resources, .. } in outside {
        let shown: Vec<&str> = resources.iter().take(5).map(String::as_str).collect();
        let more = if resources.len() > shown.len() { ", …" } else { "" };
        eprintln!("  {count} {action}  {}{more}", shown.join(", ").escape_debug());
    }
}
