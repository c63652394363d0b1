//! `exeat sandbox diff`

use std::process::ExitCode;

use exeat_lifecycle::Name;
use exeat_service::shapes::{Compare, Difference, Sandbox, Snapshots};

use super::api::{Api, encoded, sandbox_path};
use super::{Namespace, progress};
use crate::output::{Output, print_json, print_line};
use crate::problem::Problem;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A snapshot, or a sandbox, whose present state is meant.
    before: String,
    /// The later state; without it, a sandbox is compared with what it was forked from or its first snapshot, and a
    /// snapshot with its sandbox's present state.
    after: Option<String>,
    #[command(flatten)]
    namespace: Namespace,
    /// List every path, also caches and packages' own files.
    #[arg(long)]
    all: bool,
}

pub(super) async fn diff(api: &Api, arguments: Arguments, output: Output) -> Result<ExitCode, Problem> {
    let namespace = Name::parse(&arguments.namespace.namespace).map_err(Problem::input)?;
    let (before, after) = match arguments.after {
        Some(after) => (arguments.before, after),
        None => other_side(api, namespace.as_str(), arguments.before).await?,
    };
    let compare = Compare { before, after, namespace, all: arguments.all };
    let difference: Difference = progress::during("comparing", api.post("/v1/diff", &compare)).await?;
    match output {
        Output::Json => print_json(&difference.changes)?,
        Output::Table => print_line(difference.text.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What one state is compared with where nothing is said.
async fn other_side(api: &Api, namespace: &str, said: String) -> Result<(String, String), Problem> {
    if said.starts_with("snap-") {
        let snapshot: exeat_service::shapes::Snapshot = api.get(&format!("/v1/snapshots/{}", encoded(&said))).await?;
        return Ok((said, snapshot.sandbox.to_string()));
    }
    let sandbox: Sandbox = api.get(&sandbox_path(namespace, &said, "")).await?;
    let query = format!("/v1/snapshots?sandbox={}", sandbox.id);
    let first = match sandbox.origin {
        Some(origin) => Some(origin),
        None => api.get::<Snapshots>(&query).await?.snapshots.into_iter().next().map(|snapshot| snapshot.id),
    };
    let first = first.ok_or_else(|| {
        Problem::input(format!("`{said}` has no snapshot to be compared with"))
            .advise("`exeat sandbox snapshot` takes one; name two states to compare any")
    })?;
    Ok((first.to_string(), sandbox.id.to_string()))
}
