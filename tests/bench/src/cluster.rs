//! Claims on Kubernetes: from a claim's making to its Ready, under our controller and under Agent Sandbox's own, one after
//! the other on the same cluster.
//!
//! ```text
//!   quiet    one claim at a time, the pool full                  gVisor pods
//!   refill   one claim every 0.3 s, the pool filling up          gVisor pods
//!   burst12  twelve at once out of a pool of twelve              gVisor pods
//!   burst45, burst300                                            kwok: pods that only look so
//!   memory   the controller with 5,000 sandboxes                 kwok
//! ```

mod contender;
mod requests;
mod stage;

use std::path::PathBuf;
use std::time::Duration;

use crate::Result;
use crate::results::{self, Figure};

use contender::{Contender, Running};
use stage::{Pods, Stage};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The `exeat` program.
    #[arg(long, default_value = "target/x86_64-unknown-linux-gnu/release/exeat")]
    exeat: PathBuf,
    /// What starts the cluster's parts, and the peer.
    #[arg(long, default_value = "deploy/dev/cluster/run")]
    cluster: PathBuf,
    /// Claims that are measured one by one.
    #[arg(long, default_value_t = 20)]
    times: usize,
    /// How often bursts are repeated.
    #[arg(long, default_value_t = 5)]
    bursts: usize,
    /// Sandboxes with which memory is measured.
    #[arg(long, default_value_t = 5000)]
    sandboxes: usize,
    /// Only these, by their names above; all without it.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where the figures go.
    #[arg(long, default_value = "target/bench/results.jsonl")]
    results: PathBuf,
}

/// What one controller showed.
#[derive(Default)]
struct Shown {
    /// Milliseconds to Ready, by what was measured.
    claims: Vec<(&'static str, Vec<f64>)>,
    /// Figures that are one number, by what was measured and its unit.
    single: Vec<(&'static str, &'static str, f64)>,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let peer = measure(Contender::Peer, &options).await?;
    let ours = measure(Contender::Ours, &options).await?;
    let mut figures = Vec::new();
    for ((what, ours), (_, peer)) in ours.claims.into_iter().zip(peer.claims) {
        for (suffix, share) in [("", 0.5), (".p90", 0.9), (".p99", 0.99)] {
            let (ours, peer) = (quantile(&ours, share), quantile(&peer, share));
            figures.push(Figure::beside(format!("cluster.{what}{suffix}"), "ms", ours, "agent-sandbox", peer));
        }
    }
    for ((what, unit, ours), (_, _, peer)) in ours.single.into_iter().zip(peer.single) {
        figures.push(Figure::beside(format!("cluster.{what}"), unit, ours, "agent-sandbox", peer));
    }
    for figure in &figures {
        let peer = if figure.ratio == 0.0 { 0.0 } else { figure.value / figure.ratio };
        println!("{:28} {:9.1} {:4} beside {peer:9.1}: {:.2}", figure.name, figure.value, figure.unit, figure.ratio);
    }
    results::append(&options.results, &figures)
}

async fn measure(contender: Contender, options: &Options) -> Result<Shown> {
    let running = contender.start(options).await?;
    let measured = scenes(contender, options, &running).await;
    running.stop(options).await?;
    measured
}

async fn scenes(contender: Contender, options: &Options, running: &Running) -> Result<Shown> {
    let wants = |what: &str| options.only.is_empty() || options.only.iter().any(|only| only == what);
    let mut shown = Shown::default();
    if wants("quiet") || wants("refill") || wants("burst12") {
        let stage = Stage::open(contender.name(), Pods::Gvisor, 12).await?;
        if wants("quiet") {
            shown.claims.push(("claim.quiet", stage.one_by_one(options.times, Duration::from_secs(5)).await?));
        }
        if wants("refill") {
            stage.filled().await?;
            let before = requests::count(&stage.client).await?;
            shown.claims.push(("claim.refill", stage.one_by_one(options.times, Duration::from_millis(300)).await?));
            stage.filled().await?;
            let spent = requests::count(&stage.client).await? - before;
            // The claim's own making is the client's request.
            shown.single.push(("claim.requests", "req", spent / options.times as f64 - 1.0));
        }
        if wants("burst12") {
            shown.claims.push(("burst12", stage.bursts(12, options.bursts).await?));
        }
        stage.close().await?;
    }
    for (what, size) in [("burst45", 45), ("burst300", 300)] {
        if wants(what) {
            let stage = Stage::open(contender.name(), Pods::Kwok, size).await?;
            shown.claims.push((what, stage.bursts(size, options.bursts.min(3)).await?));
            stage.close().await?;
        }
    }
    if wants("memory") {
        let stage = Stage::open(contender.name(), Pods::Kwok, options.sandboxes).await?;
        shown.single.push(("controller.memory", "MiB", running.memory_mib()?));
        stage.close().await?;
    }
    Ok(shown)
}

/// The value below which this share of them are.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (share * (sorted.len().max(1) - 1) as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(0.0)
}
