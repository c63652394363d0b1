//! `exeat-bench`: what the gateway costs, beside a bare relay and beside no proxy at all; what sandboxes cost, beside bare
//! runsc; and what claims on Kubernetes cost, beside Agent Sandbox's own controller.
//!
//! ```text
//!   load ──▶ (nothing | relay | gateway) ──▶ origin        one process each, on loopback
//! ```
//!
//! `keepalive` starts the others and compares; each can be started by hand too. Figures go to a file of one JSON
//! line each ([`results`]), to which every benchmark adds.

mod bare;
mod client;
mod cluster;
mod gateway;
mod keepalive;
mod load;
mod origin;
mod process;
mod relay;
mod results;
mod sandbox;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What went wrong, for the person who measures.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

/// Measures the gateway beside a bare relay and beside no proxy.
#[derive(Parser)]
#[command(name = "exeat-bench")]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// A TLS server with a small answer. Prints its port.
    Origin(origin::Options),
    /// A bare hudsucker relay: TLS on both sides and no policy. Prints its port.
    Relay(relay::Options),
    /// Keep-alive connections in a closed loop. Prints one line of JSON.
    Load(load::Options),
    /// Compares direct, relay and gateway over kept connections.
    Keepalive(keepalive::Options),
    /// Compares sandboxes with bare runsc.
    Sandbox(sandbox::Options),
    /// Compares claims on Kubernetes with Agent Sandbox's own controller, on the cluster that KUBECONFIG names.
    Cluster(cluster::Options),
    /// Measures bare runsc, in namespaces that `sandbox` has made.
    #[command(hide = true)]
    Bare(bare::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().role {
        Role::Origin(options) => origin::run(options).await,
        Role::Relay(options) => relay::run(options).await,
        Role::Load(options) => load::run(options).await,
        Role::Keepalive(options) => keepalive::run(options).await,
        Role::Sandbox(options) => sandbox::run(options).await,
        Role::Cluster(options) => cluster::run(options).await,
        Role::Bare(options) => bare::run(options).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("exeat-bench: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}
