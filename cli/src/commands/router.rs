//! `exeat router`: the way in to sandboxes on Kubernetes.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use exeat_cluster::{Cluster, Reviews};
use exeat_router::Router;
use tokio_util::sync::CancellationToken;

use crate::kubernetes;
use crate::output::{Output, print_json};
use crate::problem::Problem;

/// How long commands that run and WebSockets may take to end when the router is stopped: somewhat less than the minute that its
/// pod has.
const REST: Duration = Duration::from_secs(50);

#[derive(Args)]
pub(crate) struct Arguments {
    /// Where it listens: `:8080`. Probes find `/healthz` and `/readyz` there, and Prometheus `/metrics`.
    #[arg(long, default_value = ":8080", value_parser = kubernetes::address)]
    listen: SocketAddr,
    /// Who those are who come from loopback without a token, as by `kubectl port-forward` and the SDKs' default connection.
    /// Without it they are nobody.
    #[arg(long, value_name = "USER")]
    port_forward_user: Option<String>,
}

pub(crate) fn router(arguments: &Arguments, output: Output) -> Result<ExitCode, Problem> {
    let runtime = tokio::runtime::Runtime::new().map_err(Problem::failure)?;
    runtime.block_on(serve(arguments, output))
}

async fn serve(arguments: &Arguments, output: Output) -> Result<ExitCode, Problem> {
    let client = kubernetes::client(-1.0, 1).await?;
    let listener = kubernetes::listen(arguments.listen).await?;
    let listening = listener.local_addr().map_err(Problem::failure)?;
    let user = arguments.port_forward_user.clone().filter(|user| !user.is_empty());
    let cluster = Cluster::new(client.clone());
    let router = Router::new(cluster.clone(), Arc::new(Reviews::new(client, user)));
    let stop = CancellationToken::new();
    let serving = tokio::spawn(router.serve(listener, stop.clone(), REST));
    let until_told = async {
        tokio::select! {
            () = cluster.follow() => {}
            told = announce(&cluster, listening, output) => told?,
        }
        Ok(ExitCode::SUCCESS)
    };
    let ended = tokio::select! {
        ended = until_told => ended,
        () = kubernetes::told_to_stop() => Ok(ExitCode::SUCCESS),
    };
    stop.cancel();
    let _ = serving.await;
    ended
}

/// Says that it is up once it knows the sandboxes. It returns where that cannot be said.
async fn announce(cluster: &Cluster, listening: SocketAddr, output: Output) -> Result<(), Problem> {
    cluster.known().await;
    if output == Output::Json {
        print_json(&serde_json::json!({ "ready": true, "listen": listening }))?;
    } else {
        eprintln!("exeat: the router is up at {listening}");
    }
    std::future::pending().await
}
