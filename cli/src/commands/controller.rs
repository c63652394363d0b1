//! `exeat controller`: sandboxes as Kubernetes state.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use exeat_controller::{Config, Controller, Leadership, Mode};
use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::kubernetes::{self, Door};
use crate::output::{Output, print_json};
use crate::problem::Problem;
use crate::{snapshot_store, webhooks};

/// The lease that the acting controller holds, unless it is told another.
const LEASE: &str = "exeat-controller";

/// The flags of Agent Sandbox's own controller are here by the same names; the rest is ours.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Whether we run Agent Sandbox's four kinds, or its own controller does and we see to the way out.
    #[arg(long, value_enum, default_value_t = ModeArgument::Instead)]
    mode: ModeArgument,
    /// Look after claims, templates and pools too.
    #[arg(long, default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set)]
    extensions: bool,
    /// Act only while holding the lease, so that several controllers can run.
    #[arg(long, default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set)]
    leader_elect: bool,
    /// The lease's name.
    #[arg(long, default_value = LEASE)]
    leader_election_id: String,
    /// Our own namespace: where the lease and the gateway are.
    #[arg(long, env = "POD_NAMESPACE", default_value = "exeat-system")]
    namespace: String,
    /// The router's namespace, which is let in to sandboxes.
    #[arg(long, default_value = "agent-sandbox-system", value_name = "NAME")]
    router_namespace: String,
    /// The cluster's domain, for the names of Services.
    #[arg(long, default_value = "cluster.local")]
    cluster_domain: String,
    /// Calls of the API server a second; no limit below 0.
    #[arg(long, default_value_t = -1.0, allow_negative_numbers = true)]
    kube_api_qps: f32,
    /// Calls that may come at once, where there is a limit.
    #[arg(long, default_value_t = 10)]
    kube_api_burst: u32,
    /// Sandboxes that are worked on at once.
    #[arg(long, default_value_t = 100)]
    sandbox_concurrent_workers: usize,
    /// Claims that are worked on at once.
    #[arg(long, default_value_t = 50)]
    sandbox_claim_concurrent_workers: usize,
    /// Pools that are worked on at once.
    #[arg(long, default_value_t = 1)]
    sandbox_warm_pool_concurrent_workers: usize,
    /// Templates that are worked on at once.
    #[arg(long, default_value_t = 1)]
    sandbox_template_concurrent_workers: usize,
    /// The most sandboxes that are made or deleted for a pool in one go.
    #[arg(long, default_value_t = 300)]
    sandbox_warm_pool_max_batch_size: usize,
    /// The most sandboxes that are made for a pool in a second; no limit at 0.
    #[arg(long, default_value_t = 0)]
    sandbox_warm_pool_max_refill_rate: u32,
    /// How long a sandbox in a pool may take to be ready: `90s`, `5m`.
    #[arg(long, default_value = "5m", value_parser = kubernetes::duration)]
    sandbox_warm_pool_readiness_grace_period: Duration,
    /// Domains of labels that claims may give their pods.
    #[arg(long, value_delimiter = ',', default_value = "sandbox.users.io")]
    allowed_label_domains: Vec<String>,
    /// Where metrics are served: `:8080`.
    #[arg(long, default_value = ":8080", value_parser = kubernetes::address)]
    metrics_bind_address: SocketAddr,
    /// Where `/healthz` and `/readyz` are served: `:8081`.
    #[arg(long, default_value = ":8081", value_parser = kubernetes::address)]
    health_probe_bind_address: SocketAddr,
    #[command(flatten)]
    snapshots: snapshot_store::Arguments,
    #[command(flatten)]
    webhooks: webhooks::Arguments,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeArgument {
    Instead,
    Beside,
}

pub(crate) fn controller(arguments: &Arguments, output: Output) -> Result<ExitCode, Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Problem::failure)?;
    runtime.block_on(serve(arguments, output))
}

async fn serve(arguments: &Arguments, output: Output) -> Result<ExitCode, Problem> {
    let client = kubernetes::client(arguments.kube_api_qps, arguments.kube_api_burst).await?;
    let metrics = kubernetes::listen(arguments.metrics_bind_address).await?;
    let health = kubernetes::listen(arguments.health_probe_bind_address).await?;
    let (me, stop) = (kubernetes::instance(), CancellationToken::new());
    let config = arguments.config();
    let mode = config.mode;
    let controller = Controller::new(config);
    let doors = [
        Door::new(metrics, "/metrics", {
            let known = controller.clone();
            move || Ok(known.metrics())
        }),
        Door::new(health, "/readyz", {
            let known = controller.clone();
            move || ready(&known)
        }),
    ];
    let doors = kubernetes::serve(doors, stop.clone());
    webhooks::serve(&arguments.webhooks, mode, &client, &arguments.namespace, stop.clone()).await?;
    if output == Output::Json {
        print_json(&serde_json::json!({ "ready": true, "instance": me }))?;
    } else {
        eprintln!("exeat: the controller is up as `{me}`");
    }
    let lease = leadership(arguments, &client, &me);
    let acting = exeat_controller::run(controller, client, &me, async {
        if let Some(lease) = &lease {
            lease.acquire().await;
            tracing::info!(lease = arguments.leader_election_id, "this controller leads");
        }
    });
    let lost = async {
        match &lease {
            Some(lease) => lease.keep().await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        () = acting => Ok(ExitCode::SUCCESS),
        () = lost => Err(Problem::failure("the lease was lost: another controller may act now, so this one ends")),
        () = kubernetes::told_to_stop() => Ok(ExitCode::SUCCESS),
    };
    if let Some(lease) = &lease {
        lease.release().await;
    }
    stop.cancel();
    doors.await;
    ended
}

fn leadership(arguments: &Arguments, client: &Client, me: &str) -> Option<Leadership> {
    let lease = || Leadership::new(client.clone(), &arguments.namespace, &arguments.leader_election_id, me);
    arguments.leader_elect.then(lease)
}

fn ready(controller: &Controller) -> Result<String, String> {
    if controller.is_synced() { Ok("ok".to_owned()) } else { Err("the cluster is not known yet".to_owned()) }
}

impl Arguments {
    fn config(&self) -> Config {
        Config {
            mode: match self.mode {
                ModeArgument::Instead => Mode::Instead,
                ModeArgument::Beside => Mode::Beside,
            },
            extensions: self.extensions,
            namespace: self.namespace.clone(),
            router_namespace: self.router_namespace.clone(),
            cluster_domain: self.cluster_domain.clone(),
            sandbox_workers: self.sandbox_concurrent_workers,
            claim_workers: self.sandbox_claim_concurrent_workers,
            pool_workers: self.sandbox_warm_pool_concurrent_workers,
            template_workers: self.sandbox_template_concurrent_workers,
            pool_batch: self.sandbox_warm_pool_max_batch_size,
            pool_refill_rate: NonZeroU32::new(self.sandbox_warm_pool_max_refill_rate),
            pool_grace: self.sandbox_warm_pool_readiness_grace_period,
            label_domains: self.allowed_label_domains.clone(),
            snapshots: self.snapshots.config(),
            pod_snapshots: self.snapshots.pod_snapshots,
        }
    }
}
