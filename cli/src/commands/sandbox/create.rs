//! `exeat sandbox create`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use exeat_lifecycle::{ExpiryPolicy, Name, Resources, Root, Schedule, Shutdown, SnapshotId, Spec};
use exeat_service::shapes::{Claim, Create, Sandbox, Snapshot};
use jiff::Timestamp;

use super::api::{Api, encoded};
use super::human::{read_cpus, read_size, read_span};
use super::{Namespace, progress};
use crate::commands::run::read_variable;
use crate::output::{Output, print_json, print_line};
use crate::problem::Problem;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Its name; without it, one is made up.
    name: Option<String>,
    #[command(flatten)]
    namespace: Namespace,
    /// An OCI image; without it, this machine's own tools.
    #[arg(long, value_name = "REF", conflicts_with = "from")]
    image: Option<String>,
    /// What kind of agent it is; without it `profile` under `[sandbox]`.
    #[arg(long)]
    profile: Option<String>,
    /// A team that its user is in; without it `teams` under `[sandbox]`.
    #[arg(long)]
    team: Vec<String>,
    /// A variable for what runs inside; `NAME` alone passes it on from here.
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// A folder of this machine at /workspace; without it, /workspace is on the sandbox's own disk and in its snapshots.
    #[arg(long, value_name = "DIR", conflicts_with = "from")]
    workspace: Option<PathBuf>,
    /// How much memory it may use: `2G`.
    #[arg(long, value_parser = read_size, conflicts_with = "from")]
    memory: Option<u64>,
    /// How many processors it may use: `1.5`.
    #[arg(long, value_parser = read_cpus, conflicts_with = "from")]
    cpus: Option<u64>,
    /// How many processes and threads it may have.
    #[arg(long, conflicts_with = "from")]
    processes: Option<u64>,
    /// Pause it after so long without use: `10m`.
    #[arg(long, value_name = "SPAN", value_parser = read_span)]
    idle: Option<u64>,
    /// Its time is over after so long: `8h`. Then it is paused for good.
    #[arg(long, value_name = "SPAN", value_parser = read_span)]
    ttl: Option<u64>,
    /// Delete it when its time is over.
    #[arg(long, requires = "ttl")]
    delete_after: bool,
    /// Take a snapshot every so often: `1h`.
    #[arg(long, value_name = "SPAN", value_parser = read_span)]
    snapshot_every: Option<u64>,
    /// Take a snapshot of its disk before a request of this group of actions leaves: `destroy`, `publish`, ….
    #[arg(long, value_name = "GROUP")]
    snapshot_before: Vec<String>,
    /// Start from this snapshot, where it was.
    #[arg(long, value_name = "SNAPSHOT")]
    from: Option<String>,
    /// Take one that is ready out of this pool; what it is, the pool says. It keeps the name that it has.
    #[arg(long, conflicts_with_all = ["name", "image", "profile", "team", "workspace", "memory", "cpus", "processes", "idle",
        "snapshot_every", "snapshot_before", "from"])]
    pool: Option<String>,
}

pub(super) async fn create(api: &Api, arguments: Arguments, output: Output) -> Result<ExitCode, Problem> {
    let name = arguments.name.as_deref().map(Name::parse).transpose().map_err(Problem::input)?;
    let namespace = Name::parse(&arguments.namespace.namespace).map_err(Problem::input)?;
    let from = match &arguments.from {
        Some(text) => Some(snapshot(api, text).await?),
        None => None,
    };
    if let Some(pool) = &arguments.pool {
        return print(&claim(api, pool, namespace, &arguments).await?, output);
    }
    let spec = spec(api, &arguments)?;
    let create = Create { namespace, name, spec: Some(spec), from };
    let what = if arguments.image.is_some() { "getting the image and starting" } else { "starting the sandbox" };
    let sandbox: Sandbox = progress::during(what, api.post("/v1/sandboxes", &create)).await?;
    print(&sandbox, output)
}

async fn claim(api: &Api, pool: &str, namespace: Name, arguments: &Arguments) -> Result<Sandbox, Problem> {
    let environment = variables(arguments)?;
    let shutdown = arguments.ttl.map(|seconds| shutdown(seconds, arguments.delete_after)).transpose()?;
    let claim = Claim { namespace, environment, shutdown };
    progress::during("taking a sandbox", api.post(&format!("/v1/pools/{}/claim", encoded(pool)), &claim)).await
}

fn print(sandbox: &Sandbox, output: Output) -> Result<ExitCode, Problem> {
    match output {
        Output::Json => print_json(sandbox)?,
        Output::Table => print_line(&sandbox.name)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn variables(arguments: &Arguments) -> Result<BTreeMap<String, String>, Problem> {
    arguments.env.iter().map(|text| read_variable(text)).collect()
}

/// The snapshot with this id, which must be there.
async fn snapshot(api: &Api, text: &str) -> Result<SnapshotId, Problem> {
    let snapshot: Snapshot = api.get(&format!("/v1/snapshots/{}", encoded(text))).await?;
    Ok(snapshot.id)
}

fn spec(api: &Api, arguments: &Arguments) -> Result<Spec, Problem> {
    let usual = api.config.sandbox.spec();
    Ok(Spec {
        root: arguments.image.clone().map_or(Root::Host, Root::Image),
        profile: arguments.profile.clone().unwrap_or(usual.profile),
        user: usual.user,
        teams: if arguments.team.is_empty() { usual.teams } else { arguments.team.clone() },
        environment: variables(arguments)?,
        workspace: arguments.workspace.as_deref().map(workspace).transpose()?,
        resources: Resources {
            memory_bytes: arguments.memory,
            cpu_millis: arguments.cpus,
            processes: arguments.processes,
        },
        idle_seconds: arguments.idle,
        shutdown: arguments.ttl.map(|seconds| shutdown(seconds, arguments.delete_after)).transpose()?,
        snapshots: Schedule {
            every_seconds: arguments.snapshot_every,
            before: arguments.snapshot_before.clone(),
            ..usual.snapshots
        },
    })
}

/// When time is over that begins now.
pub(super) fn shutdown(seconds: u64, delete: bool) -> Result<Shutdown, Problem> {
    let at = Timestamp::now() + std::time::Duration::from_secs(seconds);
    let policy = if delete { ExpiryPolicy::Delete } else { ExpiryPolicy::Retain };
    Ok(Shutdown { at, policy })
}

fn workspace(folder: &std::path::Path) -> Result<PathBuf, Problem> {
    if !folder.is_dir() {
        return Err(Problem::input(format!("the workspace `{}` is not a folder", folder.display())));
    }
    folder.canonicalize().map_err(Problem::failure)
}
