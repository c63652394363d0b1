//! Claims on Kubernetes: from a claim's making to its Ready, under our controller and under Agent Sandbox's own, one after
//! the other on the same cluster, in each of these scenes.
//!
//! ```text
//!   quiet    one claim at a time, the pool full                  gVisor pods
//!   refill   twelve, one every 0.3 s, the pool filling up        gVisor pods
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
    /// How often bursts, and claims while the pool fills up, are repeated.
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

impl Options {
    fn wants(&self, what: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == what)
    }
}

/// How many gVisor sandboxes wait in their pool.
const POOL: usize = 12;

/// What one controller showed.
#[derive(Default)]
struct Shown {
    /// Milliseconds to Ready, by what was measured.
    claims: Vec<(&'static str, Vec<f64>)>,
    /// Figures that are one number, by what was measured and its unit.
    single: Vec<(&'static str, &'static str, f64)>,
}

/// What both controllers go through, one right after the other: the cluster is as tired for the one as for the other.
#[derive(Clone, Copy, Debug)]
enum Scene {
    Gvisor,
    Burst(&'static str, usize),
    Memory,
}

const SCENES: [Scene; 4] = [Scene::Gvisor, Scene::Burst("burst45", 45), Scene::Burst("burst300", 300), Scene::Memory];

pub(crate) async fn run(options: Options) -> Result<()> {
    for scene in SCENES.into_iter().filter(|scene| scene.is_wanted(&options)) {
        let peer = measure(Contender::Peer, scene, &options).await?;
        let ours = measure(Contender::Ours, scene, &options).await?;
        let figures = beside(ours, peer);
        for figure in &figures {
            let peer = if figure.ratio == 0.0 { 0.0 } else { figure.value / figure.ratio };
            println!(
                "{:28} {:9.1} {:4} beside {peer:9.1}: {:.2}",
                figure.name, figure.value, figure.unit, figure.ratio
            );
        }
        results::append(&options.results, &figures)?;
    }
    Ok(())
}

fn beside(ours: Shown, peer: Shown) -> Vec<Figure> {
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
    figures
}

async fn measure(contender: Contender, scene: Scene, options: &Options) -> Result<Shown> {
    eprintln!("bench: {scene:?} of {}", contender.name());
    let running = contender.start(options).await?;
    let measured = scene.play(contender, options, &running).await;
    running.stop(options).await?;
    measured
}

impl Scene {
    fn is_wanted(self, options: &Options) -> bool {
        match self {
            Scene::Gvisor => ["quiet", "refill", "burst12"].iter().any(|what| options.wants(what)),
            Scene::Burst(what, _) => options.wants(what),
            Scene::Memory => options.wants("memory"),
        }
    }

    async fn play(self, contender: Contender, options: &Options, running: &Running) -> Result<Shown> {
        let mut shown = Shown::default();
        let (pods, size) = match self {
            Scene::Gvisor => (Pods::Gvisor, POOL),
            Scene::Burst(_, size) => (Pods::Kwok, size),
            Scene::Memory => (Pods::Kwok, options.sandboxes),
        };
        let stage = Stage::open(contender.name(), pods, size).await?;
        match self {
            Scene::Gvisor => gvisor(&stage, options, &mut shown).await?,
            Scene::Burst(what, size) => shown.claims.push((what, stage.bursts(size, options.bursts.min(3)).await?)),
            Scene::Memory => shown.single.push(("controller.memory", "MiB", running.memory_mib()?)),
        }
        stage.close().await?;
        Ok(shown)
    }
}

async fn gvisor(stage: &Stage, options: &Options, shown: &mut Shown) -> Result<()> {
    if options.wants("quiet") {
        shown.claims.push(("claim.quiet", stage.one_by_one(options.times, Duration::from_secs(5)).await?));
    }
    if options.wants("refill") {
        stage.filled().await?;
        let before = requests::count(&stage.client).await?;
        let mut took = Vec::new();
        for _ in 0..options.bursts {
            // No more than wait at first: how soon a dry pool has another one is the machine's affair, not the controller's.
            took.extend(stage.one_by_one(POOL, Duration::from_millis(300)).await?);
            stage.filled().await?;
        }
        let spent = requests::count(&stage.client).await? - before;
        // The claim's own making is the client's request.
        shown.single.push(("claim.requests", "req", spent / took.len() as f64 - 1.0));
        shown.claims.push(("claim.refill", took));
    }
    if options.wants("burst12") {
        shown.claims.push(("burst12", stage.bursts(POOL, options.bursts).await?));
    }
    Ok(())
}

/// The value below which this share of them are.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (share * (sorted.len().max(1) - 1) as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(0.0)
}
