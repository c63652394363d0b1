//! `exeat gateway --kubernetes`: the way out for the sandboxes of a cluster, until it is stopped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use exeat_core::limits;
use exeat_journal::{Event, Journal};
use exeat_kubernetes::Cluster;
use exeat_policy::{Policies, Watcher};
use exeat_proxy::{Gateway, serve_asking};
use kube::Client;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::assemble::{Outside, begin, open_journal, policies_problem};
use crate::config::Config;
use crate::kubernetes::{self, Door};
use crate::output::{Output, print_json};
use crate::problem::Problem;
use crate::service::{Signals, Wanted, allow_many_connections, changed};
use crate::state::State;

/// How long a gateway that stops goes on, so that those who send it connections hear that it is not ready.
const NOTICE: Duration = Duration::from_secs(3);
/// How long it then waits for requests under way.
const DRAIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);
/// How often it is looked whether the journal can be written.
const CHECK: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Know sandboxes by their pods, and take policies and credentials out of objects. (On one machine, `exeat up` is the gateway.)
    #[arg(long, required = true)]
    kubernetes: bool,
    /// Where sandboxes connect.
    #[arg(long, default_value = ":3129", value_parser = kubernetes::address)]
    listen: SocketAddr,
    /// Where the journal is kept; without it, where exeat.toml says.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Where `/healthz`, `/readyz` and `/metrics` are; nowhere without it.
    #[arg(long, value_parser = kubernetes::address)]
    metrics_listen: Option<SocketAddr>,
    /// The gateway's own namespace, where its certificate authority is kept; without it the one that it runs in.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    namespace: Option<String>,
}

pub(crate) fn gateway(config: Option<&Path>, arguments: Arguments, output: Output) -> Result<ExitCode, Problem> {
    let mut config = Config::read(config)?;
    if arguments.state.is_some() {
        config.gateway.state.clone_from(&arguments.state);
    }
    refuse_what_is_for_one_machine(&config)?;
    let plan = Outside::check(&config)?;
    // What is wrong with the folder is said before the cluster is asked for anything.
    let base = plan.source(&config.policy.directory);
    let policies = base.read().and_then(|source| Policies::load(source.with([]))).map_err(policies_problem)?;
    let state = State::of(&config)?;
    allow_many_connections();
    let runtime = tokio::runtime::Runtime::new().map_err(Problem::failure)?;
    runtime.block_on(serve(Setting { plan, base, policies, state, arguments, output }))
}

/// What counts for every session, whatever its namespace, is no tenant's.
fn refuse_what_is_for_one_machine(config: &Config) -> Result<(), Problem> {
    let refused = |table: &str, instead: &str| {
        Err(Problem::input(format!("`{table}` in exeat.toml is not for a gateway of a cluster")).advise(instead))
    };
    match () {
        () if !config.credential.is_empty() => {
            refused("[[credential]]", "make `Credential` objects in the namespaces that may use them")
        }
        () if !config.session.is_empty() => refused("[[session]]", "sandboxes of a cluster are known by their pods"),
        () if config.api.is_some() => refused("[api]", "Kubernetes serves the API here"),
        () if !config.pool.is_empty() => refused("[[pool]]", "make `SandboxWarmPool` objects"),
        () => Ok(()),
    }
}

struct Setting {
    plan: Outside,
    base: exeat_policy::Source,
    policies: Policies,
    state: State,
    arguments: Arguments,
    output: Output,
}

async fn serve(setting: Setting) -> Result<ExitCode, Problem> {
    let Setting { plan, base, policies, state, arguments, output } = setting;
    let mut signals = Signals::new()?;
    state.create()?;
    let journal = open_journal(&state)?;
    let listener = kubernetes::listen(arguments.listen).await?;
    let (stop, standing) = (CancellationToken::new(), Arc::new(Standing::default()));
    let watched = watched(arguments.metrics_listen, &standing, &stop).await?;
    let client = kubernetes::client(-1.0, 1).await?;
    let namespace = arguments.namespace.unwrap_or_else(|| client.default_namespace().to_owned());
    let authority = exeat_kubernetes::shared_authority(&client, &namespace).await.map_err(Problem::failure)?;
    begin(&journal, &policies).await?;
    let gateway = Gateway::new(plan.parts(journal.clone(), authority, limits::CLUSTER_SESSIONS));
    let cluster = watch(client, &gateway, &journal, base)?;
    let _ = standing.running.set((Arc::clone(&gateway), Arc::clone(&cluster)));
    let checking = tokio::spawn(check(journal.clone(), Arc::clone(&standing)));

    let doors = stop.child_token();
    tokio::select! {
        () = cluster.synced() => {
            let listening = listener.local_addr().unwrap_or(arguments.listen);
            let door = tokio::spawn(serve_asking(Arc::clone(&gateway), listener, cluster.judge(), doors.clone()));
            announce(&state, listening, &cluster.base(), output)?;
            until_stopped(&cluster, &mut signals).await;
            checking.abort();
            standing.set(Err("it is being stopped".to_owned()));
            drain(&gateway).await;
            doors.cancel();
            let _ = door.await;
        }
        () = wanted_to_stop(&mut signals) => {}
    }
    checking.abort();
    cluster.close().await;
    stop.cancel();
    watched.await;
    journal.append(Event::GatewayStop {}).await.map_err(Problem::failure)?;
    journal.close().await.map_err(Problem::failure)?;
    Ok(ExitCode::SUCCESS)
}

fn watch(
    client: Client, gateway: &Arc<Gateway>, journal: &Journal, base: exeat_policy::Source,
) -> Result<Arc<Cluster>, Problem> {
    let cluster = Cluster::watch(client, Arc::clone(gateway), journal.clone(), base).map_err(policies_problem)?;
    Ok(Arc::new(cluster))
}

/// Returns when somebody stops the gateway. Until then a changed folder of policies is loaded.
async fn until_stopped(cluster: &Cluster, signals: &mut Signals) {
    let directory = cluster.directory();
    let mut watcher = Watcher::new(&directory).map_err(|error| tracing::warn!(%error)).ok();
    loop {
        tokio::select! {
            wanted = signals.next() => match wanted {
                Wanted::Stop => return,
                Wanted::Reload => cluster.reload_base().await,
            },
            () = changed(&mut watcher) => cluster.reload_base().await,
        }
    }
}

async fn wanted_to_stop(signals: &mut Signals) {
    while !matches!(signals.next().await, Wanted::Stop) {}
}

/// Goes on while connections may still be sent here, and then while requests are under way.
async fn drain(gateway: &Gateway) {
    tokio::time::sleep(NOTICE).await;
    let deadline = Instant::now() + DRAIN;
    while gateway.figures().in_flight() > 0 && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
}

fn announce(state: &State, listening: SocketAddr, policies: &Policies, output: Output) -> Result<(), Problem> {
    let (count, version) = (policies.count(), policies.version());
    if output == Output::Json {
        return print_json(&json!({
            "ready": true, "state": state.path(), "listen": listening,
            "policies": count, "policy_version": version.as_str(),
        }));
    }
    eprintln!("exeat: the gateway is up at {listening}, with {count} policies for every namespace (version {version})");
    eprintln!("exeat: journal in {}", state.path().display());
    Ok(())
}

/// Where those who watch the gateway ask.
async fn watched(
    address: Option<SocketAddr>, standing: &Arc<Standing>, stop: &CancellationToken,
) -> Result<impl Future<Output = ()> + use<>, Problem> {
    let door = match address {
        Some(address) => {
            let (ready, counted) = (Arc::clone(standing), Arc::clone(standing));
            let door = Door::new(kubernetes::listen(address).await?, "/readyz", move || ready.ready());
            Some(door.and("/metrics", move || Ok(counted.metrics())))
        }
        None => None,
    };
    let serving = door.map(|door| kubernetes::serve([door], stop.clone()));
    Ok(async move {
        if let Some(serving) = serving {
            serving.await;
        }
    })
}

/// Looks again and again whether the journal can be written, without writing to it.
async fn check(journal: Journal, standing: Arc<Standing>) {
    loop {
        standing.set(journal.check().await.map_err(|error| error.to_string()));
        tokio::time::sleep(CHECK).await;
    }
}

/// What those who watch the gateway are told.
#[derive(Default)]
struct Standing {
    running: OnceLock<(Arc<Gateway>, Arc<Cluster>)>,
    /// Why it should get no work; none before it was looked at.
    trouble: Mutex<Option<Result<(), String>>>,
}

impl Standing {
    fn set(&self, trouble: Result<(), String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
    }

    fn ready(&self) -> Result<String, String> {
        let (_, cluster) = self.running.get().ok_or("it is being started")?;
        cluster.ready()?;
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.unwrap_or_else(|| Err("it is being started".to_owned())).map(|()| "ok".to_owned())
    }

    fn metrics(&self) -> String {
        let Some((gateway, _)) = self.running.get() else { return String::new() };
        let sessions = gateway.sessions();
        format!(
            "{}# HELP exeat_gateway_sessions Sessions that are open.\n# TYPE exeat_gateway_sessions gauge\n\
             exeat_gateway_sessions {sessions}\n",
            gateway.figures().exposition()
        )
    }
}
