//! Requests over kept connections: direct, through the bare relay, through the gateway.
//!
//! Rounds are short and take turns, and each begins with another, so that a noisy moment of the machine hits all
//! alike. Medians over the rounds are compared.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use tempfile::TempDir;
use tokio::process::Command;

use crate::Result;
use crate::client::Way;
use crate::gateway::{AUTHORIZATION, Gateway, Setup, gateway};
use crate::load::Figures;
use crate::process::Running;
use crate::results::{Figure, append};

/// The origin's name; the gateway's policy names it too.
const NAME: &str = "bench.example";

/// What the benchmark is told.
#[derive(Args)]
pub(crate) struct Options {
    /// The `exeat` program; by default the one beside this program.
    #[arg(long)]
    exeat: Option<PathBuf>,
    /// Let the origin offer HTTP/1.1 only: the relay asks for no more, the gateway takes h2 where there is some.
    #[arg(long)]
    origin_http1: bool,
    /// Leave the gateway out.
    #[arg(long)]
    without_gateway: bool,
    /// Rounds of each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that are measured in a round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds before them that are not.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Connections at once.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Where the figures are added.
    #[arg(long, default_value = "target/bench/results.jsonl")]
    results: PathBuf,
}

/// One of those that are compared.
struct Contender {
    name: &'static str,
    way: Way,
    proxy_authorization: Option<String>,
    ca: PathBuf,
    /// `name:port` as this one has it.
    target: String,
    rounds: Vec<Figures>,
}

/// What is compared of each contender.
struct Summary {
    name: &'static str,
    rps: f64,
    p50: f64,
    p99: f64,
    /// In MiB. The direct way has no proxy whose memory could be measured.
    memory: Option<f64>,
}

/// Runs the benchmark, prints a table and adds to the results.
pub(crate) async fn run(options: Options) -> Result<()> {
    if options.rounds == 0 {
        return Err("give at least one round".into());
    }
    let folder = TempDir::with_prefix("xb-")?;
    let file = |name: &str| folder.path().join(name);
    let (origin_ca, relay_ca) = (file("origin-ca.pem"), file("relay-ca.pem"));
    let mut origin = vec!["origin", "--name", NAME, "--ca-out", text(&origin_ca)?, "--authorization", AUTHORIZATION];
    if options.origin_http1 {
        origin.push("--http1");
    }
    let (_origin, port) = Running::role(&origin).await?;
    let relay = ["relay", "--trust", text(&origin_ca)?, "--ca-out", text(&relay_ca)?];
    let (relay, relay_port) = Running::role(&relay).await?;
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // The relay looks no port up, so it is asked for the origin's own; the gateway's configuration says where 443 is.
    let target = format!("{NAME}:{port}");
    let mut contenders = vec![
        Contender::new("direct", Way::Direct(loopback(port)), &origin_ca, target.clone()),
        Contender::new("hudsucker", Way::Proxy(loopback(relay_port)), &relay_ca, target),
    ];
    let guarded = match options.without_gateway {
        true => None,
        false => Some(start_gateway(&options, folder.path(), loopback(port), &origin_ca).await?),
    };
    if let Some(guarded) = &guarded {
        let mut contender = Contender::new("gateway", guarded.way.clone(), &guarded.ca, format!("{NAME}:443"));
        contender.proxy_authorization = Some(guarded.proxy_authorization.clone());
        contenders.push(contender);
    }

    let all = contenders.len();
    for round in 0..options.rounds {
        for turn in 0..all {
            let contender = &mut contenders[(round + turn) % all];
            let figures = contender.measure(&options).await?;
            contender.rounds.push(figures);
        }
    }

    let mut summaries = Vec::with_capacity(all);
    for contender in &contenders {
        let process = match contender.name {
            "hudsucker" => Some(&relay),
            "gateway" => guarded.as_ref().map(|guarded| &guarded.process),
            _ => None,
        };
        let memory = process.map(Running::peak_memory_kib).transpose()?.map(|kib| kib as f64 / 1024.0);
        summaries.push(contender.summary(memory));
    }
    print_table(&summaries);
    append(&options.results, &figures(&summaries))
}

async fn start_gateway(options: &Options, folder: &Path, origin: SocketAddr, origin_ca: &Path) -> Result<Gateway> {
    let beside = std::env::current_exe()?.with_file_name("exeat");
    let program = options.exeat.as_deref().unwrap_or(&beside);
    gateway(Setup { program, folder: &folder.join("g"), name: NAME, origin, origin_ca }).await
}

impl Contender {
    fn new(name: &'static str, way: Way, ca: &Path, target: String) -> Self {
        Contender { name, way, proxy_authorization: None, ca: ca.to_owned(), target, rounds: Vec::new() }
    }

    /// One round, in a process of its own, so that each starts alike.
    async fn measure(&self, options: &Options) -> Result<Figures> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["load", "--target", &self.target, "--ca"]).arg(&self.ca);
        match &self.way {
            Way::Direct(address) => command.arg("--direct").arg(address.to_string()),
            Way::Proxy(address) => command.arg("--proxy").arg(address.to_string()),
            Way::Socket(path) => command.arg("--socket").arg(path),
        };
        // The gateway's client has no credential for the origin; the others bring it themselves.
        match &self.proxy_authorization {
            Some(value) => command.arg("--proxy-authorization").arg(value),
            None => command.args(["--authorization", AUTHORIZATION]),
        };
        command.arg("--connections").arg(options.connections.to_string());
        command.arg("--seconds").arg(options.seconds.to_string());
        command.arg("--warm-up").arg(options.warm_up.to_string());
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output().await?;
        if !output.status.success() {
            return Err(format!("the load on `{}` failed; what it said is above", self.name).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn summary(&self, memory: Option<f64>) -> Summary {
        let of = |figure: fn(&Figures) -> f64| median(self.rounds.iter().map(figure).collect());
        Summary {
            name: self.name,
            rps: of(|figures| figures.rps),
            p50: of(|figures| figures.p50_us as f64),
            p99: of(|figures| figures.p99_us as f64),
            memory,
        }
    }
}

/// Each proxy beside those that stand before it in the table, which has the cheaper ones first.
fn figures(summaries: &[Summary]) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (place, one) in summaries.iter().enumerate() {
        for peer in summaries[..place].iter().rev() {
            let mut add = |what: &str, unit, value, peers| {
                figures.push(Figure::beside(format!("{}.keepalive.{what}", one.name), unit, value, peer.name, peers));
            };
            add("rps", "req/s", one.rps, peer.rps);
            add("p50", "us", one.p50, peer.p50);
            add("p99", "us", one.p99, peer.p99);
            if let (Some(memory), Some(peers)) = (one.memory, peer.memory) {
                add("memory", "MiB", memory, peers);
            }
        }
    }
    figures
}

fn print_table(summaries: &[Summary]) {
    let name = "keep-alive";
    println!(
        "{name:<12} {:>9} {:>9} {:>9} {:>11}   ratios (rps, p50, p99, memory)",
        "req/s", "p50 us", "p99 us", "memory MiB"
    );
    for (place, one) in summaries.iter().enumerate() {
        let memory = one.memory.map_or("-".to_owned(), |memory| format!("{memory:.1}"));
        print!("{:<12} {:>9.0} {:>9.0} {:>9.0} {memory:>11}", one.name, one.rps, one.p50, one.p99);
        for peer in summaries[..place].iter().rev() {
            let ratios =
                [one.rps / peer.rps, one.p50 / peer.p50, one.p99 / peer.p99].map(|ratio| format!("{ratio:.2}"));
            let memory = one.memory.zip(peer.memory).map_or("-".to_owned(), |(one, peer)| format!("{:.2}", one / peer));
            print!("   to {}: {} {memory}", peer.name, ratios.join(" "));
        }
        println!();
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| "the temporary folder's path is not UTF-8; set `TMPDIR` to another".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn memory_has_no_peer_where_there_is_no_proxy() {
        let summary = |name, memory| Summary { name, rps: 10.0, p50: 2.0, p99: 4.0, memory };
        let figures =
            figures(&[summary("direct", None), summary("hudsucker", Some(8.0)), summary("gateway", Some(16.0))]);
        let names: Vec<_> = figures.iter().map(|figure| format!("{} {}", figure.name, figure.beside)).collect();
        assert_eq!(
            names.iter().filter(|name| name.contains("memory")).collect::<Vec<_>>(),
            ["gateway.keepalive.memory hudsucker"]
        );
        assert_eq!(names.len(), 3 + 4 + 3);
    }
}
