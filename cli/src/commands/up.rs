//! `exeat up`: the gateway, until it is stopped.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use exeat_control::{Connections, Control, Others, Sessions};
use exeat_journal::{Event, Journal};
use exeat_lifecycle::Phase;
use exeat_policy::{Policies, Watcher};
use exeat_proxy::serve_tcp;
use exeat_service::Service;
use exeat_supervisor::Supervisor;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::{Api, Doors};
use crate::assemble::{Plan, admit};
use crate::config::Config;
use crate::output::{Output, print_json};
use crate::problem::Problem;
use crate::service::{Signals, Wanted, allow_many_connections, changed};
use crate::state::State;

/// How long a gateway that was started by another command stays when nobody needs it.
const IDLE: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Stop when nobody has needed it for a few seconds; `exeat run` and `exeat sandbox` start a gateway so.
    #[arg(long, hide = true)]
    until_idle: bool,
}

pub(crate) fn up(config: Option<&Path>, arguments: &Arguments, output: Output) -> Result<ExitCode, Problem> {
    let config = Config::read(config)?;
    let plan = Plan::check(&config)?;
    let state = State::of(&config)?;
    allow_many_connections();
    let runtime = tokio::runtime::Runtime::new().map_err(Problem::failure)?;
    runtime.block_on(serve(config, plan, state, arguments.until_idle, output))
}

async fn serve(
    mut config: Config, plan: Plan, state: State, until_idle: bool, output: Output,
) -> Result<ExitCode, Problem> {
    plan.check_credentials().await?;
    let tcp = listen(config.gateway.listen).await?;
    let doors = Doors::bind(config.api.as_ref()).await?;
    let (policies, ports) = (Arc::clone(&plan.policies), plan.ports());
    let started = plan.start(&state).await?;
    let (gateway, journal) = (Arc::clone(&started.gateway), started.journal.clone());
    let control = Control::bind(state.path()).map_err(|error| {
        Problem::failure(format!("the control socket in `{}` cannot be made: {error}", state.path().display()))
    })?;
    let sessions = Sessions::new(Arc::clone(&gateway), Arc::clone(&started.terms), state.path(), ports);
    let sessions = sessions.map_err(Problem::failure)?;
    let usual = config.sandbox.spec();
    let supervisor = supervise(&mut config, &state, &sessions, &journal, gateway.certificate_pem()).await?;
    let tokens = admit(&started, config.session).await?;
    let stop = CancellationToken::new();
    let listening = tcp.as_ref().and_then(|listener| listener.local_addr().ok());
    let tcp = tcp.map(|listener| tokio::spawn(serve_tcp(gateway, listener, tokens, stop.clone())));
    let api = doors.map(|doors| doors.open(supervisor.as_ref(), &state, stop.clone())).transpose()?;
    let quiet =
        Quiet { sessions: Arc::clone(&sessions), connections: control.connections(), supervisor: supervisor.clone() };
    let service = |supervisor| Service::new(supervisor, state.journal(), usual) as Arc<dyn Others>;
    let others = supervisor.clone().map(service);
    let control = tokio::spawn(control.serve(Arc::clone(&sessions), Arc::clone(&policies), others));
    // Before anybody is told that it is up: who stops it right then stops it in order.
    let signals = Signals::new()?;
    announce(&state, listening, api.as_ref(), &policies, output)?;

    until_stopped(signals, &policies, &journal, until_idle.then_some(quiet)).await?;
    control.abort();
    let _ = control.await;
    if let Some(supervisor) = supervisor {
        supervisor.close().await;
    }
    stop.cancel();
    sessions.close().await;
    if let Some(tcp) = tcp {
        let _ = tcp.await;
    }
    if let Some(api) = api {
        api.ended().await;
    }
    journal.append(Event::GatewayStop {}).await.map_err(Problem::failure)?;
    journal.close().await.map_err(Problem::failure)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns when somebody stops the gateway, or nobody has needed it for a while. Until then changed policies are loaded.
async fn until_stopped(
    mut signals: Signals, policies: &Policies, journal: &Journal, quiet: Option<Quiet>,
) -> Result<(), Problem> {
    let mut watcher = Watcher::new(policies.source().directory()).map_err(|error| tracing::warn!(%error)).ok();
    let idle = async {
        match &quiet {
            Some(quiet) => quiet.lasting().await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(idle);
    loop {
        tokio::select! {
            wanted = signals.next() => match wanted {
                Wanted::Stop => return Ok(()),
                Wanted::Reload => reload(policies, journal).await,
            },
            () = &mut idle => return Ok(()),
            () = changed(&mut watcher) => reload(policies, journal).await,
        }
    }
}

/// The port for clients with a token, where one is configured.
async fn listen(address: Option<std::net::SocketAddr>) -> Result<Option<TcpListener>, Problem> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Problem::failure(format!("`{address}` cannot be listened at: {error}"))
            .advise("end what uses the port, or set another `listen` under `[gateway]`")
    })?;
    Ok(Some(listener))
}

/// Finds the sandboxes again that stay, and looks after them. A gateway for others does without, and needs no runsc.
async fn supervise(
    config: &mut Config, state: &State, sessions: &Arc<Sessions>, journal: &Journal, certificate: &str,
) -> Result<Option<Supervisor>, Problem> {
    let pools = config.pools();
    let runsc = match exeat_local::find_runsc(config.sandbox.runsc.as_deref()) {
        Ok(runsc) => runsc,
        Err(error) if pools.is_empty() => {
            tracing::info!(%error, "there will be no sandboxes");
            return Ok(None);
        }
        Err(error) => return Err(Problem::failure(error)),
    };
    let settings = exeat_supervisor::Config {
        state: state.path().to_owned(),
        runsc,
        sandboxd: exeat_local::find_sandboxd().map_err(Problem::failure)?,
        ports: sessions.ports().to_vec(),
        ca_certificate: certificate.to_owned(),
        images: config.image_sources()?,
        pools,
    };
    let parts = exeat_supervisor::Parts { sessions: Arc::clone(sessions), journal: journal.clone() };
    Supervisor::open(settings, parts).await.map(Some).map_err(Problem::failure)
}

fn announce(
    state: &State, listening: Option<std::net::SocketAddr>, api: Option<&Api>, policies: &Policies, output: Output,
) -> Result<(), Problem> {
    let (count, version) = (policies.count(), policies.version());
    if output == Output::Json {
        let certificate = state.certificates().join("ca.pem");
        return print_json(&json!({
            "ready": true, "state": state.path(), "listen": listening, "ca": certificate,
            "policies": count, "policy_version": version.as_str(),
            "api": api.map(|api| json!({ "listen": api.server, "router": api.router, "folder": state.api() })),
        }));
    }
    eprintln!("exeat: the gateway is up, with {count} policies (version {version})");
    eprintln!("exeat: journal and certificate authority in {}", state.path().display());
    if let Some(listening) = listening {
        eprintln!("exeat: clients with a token connect to {listening}");
    }
    if let Some(api) = api {
        eprintln!("exeat: Agent Sandbox's API is at {}, its router at {}", api.server, api.router);
        eprintln!("exeat: its clients take KUBECONFIG={}", state.api().join("kubeconfig").display());
    }
    eprintln!("exeat: `exeat run -- COMMAND` starts a sandbox; Ctrl-C stops the gateway");
    Ok(())
}

/// Puts changed policies in force, or keeps those that are; either way the journal says so.
async fn reload(policies: &Policies, journal: &Journal) {
    let before = policies.version();
    let event = match policies.reload() {
        Ok(version) if version == before => return,
        Ok(version) => {
            eprintln!("exeat: policies reloaded: {} in force (version {version})", policies.count());
            Event::PolicyLoad { policy_version: version.to_string(), policies: policies.count() as u64, scope: None }
        }
        Err(error) => {
            eprintln!("exeat: the changed policies are refused, version {before} stays in force: {error}");
            Event::PolicyRejected { message: error.to_string(), scope: None }
        }
    };
    // A full disk must not end the gateway: it refuses requests until there is room again.
    if let Err(error) = journal.append(event).await {
        tracing::error!(%error, "a policy change could not be recorded");
    }
}

/// Who would miss the gateway.
struct Quiet {
    sessions: Arc<Sessions>,
    connections: Connections,
    supervisor: Option<Supervisor>,
}

impl Quiet {
    /// Waits until nobody has needed the gateway for a while: no session, no client, no sandbox but those that rest.
    async fn lasting(&self) {
        loop {
            let quiet = tokio::time::timeout(IDLE, self.sessions.changed()).await.is_err();
            if quiet && self.sessions.count() == 0 && self.connections.count() == 0 && !self.is_any_awake() {
                return;
            }
        }
    }

    fn is_any_awake(&self) -> bool {
        let all = self.supervisor.iter().flat_map(Supervisor::list);
        all.into_iter().any(|sandbox| !matches!(sandbox.life.phase, Phase::Resting { .. }))
    }
}
