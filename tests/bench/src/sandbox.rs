//! Sandboxes that stay, beside bare runsc doing the same.
//!
//! ```text
//!   exeat run -- true        runsc run true
//!   exec by sandboxd         runsc exec true
//!   live snapshot            runsc checkpoint --leave-running        of 100 MB of memory in use
//!   rollback                 runsc restore
//!   claim from a pool, fork of ten, memory: beside nothing
//! ```

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use exeat_control::Client;
use exeat_inside::client::{Command as Inner, Inside};
use http::{HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::process::Command;

use crate::process::Running;
use crate::results::{self, Figure};
use crate::{Result, bare};

/// Python that holds 100 MB which no compression and no zero page makes smaller.
pub(crate) const HOLDER: &str =
    "import os,time\nx=bytearray(os.urandom(1<<20))*100\nopen('/tmp/ready','w').close()\ntime.sleep(1e6)";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The `exeat` program.
    #[arg(long, default_value = "target/x86_64-unknown-linux-gnu/release/exeat")]
    exeat: PathBuf,
    /// How often short things are done.
    #[arg(long, default_value_t = 30)]
    times: usize,
    /// How often long things are done.
    #[arg(long, default_value_t = 8)]
    long_times: usize,
    /// Where the figures go.
    #[arg(long, default_value = "target/bench/results.jsonl")]
    results: PathBuf,
}

/// What bare runsc took, in milliseconds; what `exeat-bench bare` prints.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bare {
    pub(crate) run: Vec<f64>,
    pub(crate) exec: Vec<f64>,
    pub(crate) checkpoint: Vec<f64>,
    pub(crate) restore: Vec<f64>,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let program = std::path::absolute(&options.exeat)?;
    let folder = tempfile::Builder::new().prefix("xb-").tempdir_in("/tmp")?;
    let bare = bare::measure(options.times, options.long_times).await?;
    let supervisor = Supervisor::start(&program, folder.path()).await?;

    let cold = repeated(options.times, async || supervisor.run_true().await).await?;
    let claim = supervisor.claims(options.times).await?;
    let exec = supervisor.execs(options.times * 10).await?;
    let idle = supervisor.memory_idle().await?;
    let (snapshot, rollback, fork) = supervisor.states(options.long_times).await?;
    let paused = supervisor.memory_paused().await?;

    let ms = "ms";
    let beside = |name: &str, value: &[f64], peer: &[f64]| {
        Figure::beside(name.to_owned(), ms, median(value), "runsc", median(peer))
    };
    let alone = |name: &str, unit, value| Figure::beside(name.to_owned(), unit, value, "nothing", 0.0);
    let figures = [
        beside("sandbox.cold", &cold, &bare.run),
        beside("sandbox.exec", &exec, &bare.exec),
        alone("sandbox.claim", ms, median(&claim)),
        beside("sandbox.snapshot", &snapshot, &bare.checkpoint),
        beside("sandbox.rollback", &rollback, &bare.restore),
        alone("sandbox.fork10", ms, fork),
        alone("sandbox.idle.memory", "MiB", idle),
        alone("sandbox.paused.memory", "MiB", paused),
        alone("sandbox.fit.8gib", "sandboxes", (8192.0 / idle).floor()),
    ];
    for figure in &figures {
        let peer = if figure.ratio > 0.0 {
            format!("   {:.2} × bare {}", figure.ratio, figure.beside)
        } else {
            String::new()
        };
        println!("{:<24}{:>10.1} {}{peer}", figure.name, figure.value, figure.unit);
    }
    supervisor.process.stop().await?;
    results::append(&options.results, &figures)
}

pub(crate) fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

pub(crate) fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

async fn repeated(times: usize, mut act: impl AsyncFnMut() -> Result<f64>) -> Result<Vec<f64>> {
    // The first one finds cold caches.
    act().await?;
    let mut all = Vec::with_capacity(times);
    for _ in 0..times {
        all.push(act().await?);
    }
    Ok(all)
}

/// `exeat up` with a pool.
struct Supervisor {
    program: PathBuf,
    folder: PathBuf,
    client: Client,
    process: Running,
}

impl Supervisor {
    async fn start(program: &Path, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder.join("policies"))?;
        std::fs::write(
            folder.join("policies/bench.cedar"),
            "@id(\"nothing\")\nforbid (principal, action, resource);\n",
        )?;
        let configuration = "[gateway]\nstate = \"state\"\n\n[[pool]]\nname = \"warm\"\nreplicas = 4\n";
        std::fs::write(folder.join("exeat.toml"), configuration)?;
        let mut command = Command::new(program);
        command.args(["--output", "json", "--config"]).arg(folder.join("exeat.toml")).arg("up").current_dir(folder);
        let (process, _): (_, Value) = Running::start(&mut command).await?;
        let client = Client::new(&folder.join("state"));
        Ok(Supervisor { program: program.to_owned(), folder: folder.to_owned(), client, process })
    }

    async fn run_true(&self) -> Result<f64> {
        let began = Instant::now();
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(self.folder.join("exeat.toml"))
            .args(["run", "--", "true"])
            .current_dir(self.folder.join("policies"));
        let status = command.stdin(std::process::Stdio::null()).status().await?;
        if status.success() { Ok(milliseconds(began)) } else { Err(format!("`exeat run` ended with {status}").into()) }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        Ok(self.client.ask(method, path, body.as_ref()).await?)
    }

    /// From the request to a sandbox that runs with an identity, one at a time, the pool full each time.
    async fn claims(&self, times: usize) -> Result<Vec<f64>> {
        repeated(times, async || {
            self.wait_for_pool().await?;
            let began = Instant::now();
            let claimed = self.ask(Method::POST, "/v1/pools/warm/claim", Some(json!({}))).await?;
            let took = milliseconds(began);
            self.delete(claimed["name"].as_str().unwrap_or_default()).await?;
            Ok(took)
        })
        .await
    }

    async fn wait_for_pool(&self) -> Result<()> {
        loop {
            let pools = self.ask(Method::GET, "/v1/pools", None).await?;
            let pool = &pools["pools"][0];
            if pool["ready"] == pool["replicas"] {
                // What a start leaves to do should not be measured with the next claim.
                tokio::time::sleep(Duration::from_millis(300)).await;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn create(&self, name: &str) -> Result<()> {
        self.ask(Method::POST, "/v1/sandboxes", Some(json!({ "name": name }))).await.map(drop)
    }

    async fn delete(&self, name: &str) -> Result<()> {
        self.ask(Method::DELETE, &format!("/v1/sandboxes/{name}"), None).await.map(drop)
    }

    async fn enter(&self, name: &str) -> Result<Inside> {
        let inside = Inside::over(UnixStream::connect(self.client.socket()).await?).await?;
        Ok(inside.marked(HeaderName::from_static("x-exeat-sandbox"), HeaderValue::from_str(name)?))
    }

    async fn execs(&self, times: usize) -> Result<Vec<f64>> {
        self.create("exec").await?;
        let inside = self.enter("exec").await?;
        let took = repeated(times, async || {
            let began = Instant::now();
            let output = inside.execute(&Inner::new(["/bin/true"])).await?;
            if output.exit_code == 0 { Ok(milliseconds(began)) } else { Err("`true` failed".into()) }
        })
        .await?;
        self.delete("exec").await?;
        Ok(took)
    }

    /// Live snapshots of 100 MB in use, rollbacks to them, and ten forks of one.
    async fn states(&self, times: usize) -> Result<(Vec<f64>, Vec<f64>, f64)> {
        self.create("held").await?;
        self.hold_memory("held").await?;
        let mut last = String::new();
        let snapshots = repeated(times, async || {
            let began = Instant::now();
            let snapshot =
                self.ask(Method::POST, "/v1/sandboxes/held/snapshots", Some(json!({ "kind": "live" }))).await?;
            last = snapshot["id"].as_str().unwrap_or_default().to_owned();
            Ok(milliseconds(began))
        })
        .await?;
        let target = json!({ "snapshot": last });
        let rollbacks = repeated(times, async || {
            let began = Instant::now();
            self.ask(Method::POST, "/v1/sandboxes/held/rollback", Some(target.clone())).await?;
            Ok(milliseconds(began))
        })
        .await?;
        let began = Instant::now();
        self.ask(Method::POST, &format!("/v1/snapshots/{last}/fork"), Some(json!({ "count": 10, "prefix": "fork" })))
            .await?;
        let fork = milliseconds(began);
        for sandbox in self.ask(Method::GET, "/v1/sandboxes", None).await?["sandboxes"].as_array().into_iter().flatten()
        {
            if sandbox["origin"].is_string() {
                self.delete(sandbox["name"].as_str().unwrap_or_default()).await?;
            }
        }
        self.delete("held").await?;
        Ok((snapshots, rollbacks, fork))
    }

    async fn hold_memory(&self, name: &str) -> Result<()> {
        let inside = self.enter(name).await?;
        let script =
            "setsid python3 -c \"$0\" </dev/null >/dev/null 2>&1 & until [ -e /tmp/ready ]; do sleep 0.1; done";
        let output = inside.execute(&Inner::new(["sh", "-c", script, HOLDER])).await?;
        if output.exit_code == 0 { Ok(()) } else { Err("the memory's holder does not start".into()) }
    }

    /// What one idle sandbox takes of the machine, in MiB: what its processes alone have, and their share of the rest.
    async fn memory_idle(&self) -> Result<f64> {
        let before = self.memory_of_sandboxes()?;
        for number in 0..10 {
            self.create(&format!("idle-{number}")).await?;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let all = self.memory_of_sandboxes()?;
        for number in 0..10 {
            self.delete(&format!("idle-{number}")).await?;
        }
        Ok((all - before) / 10.0)
    }

    /// What the supervisor takes more with ten paused sandboxes than without, by each, in MiB. Nothing else is left of them.
    async fn memory_paused(&self) -> Result<f64> {
        let (own, before) = (self.process.pss_kib()?, self.memory_of_sandboxes()?);
        for number in 0..10 {
            self.create(&format!("paused-{number}")).await?;
            self.ask(Method::POST, &format!("/v1/sandboxes/paused-{number}/pause"), None).await?;
        }
        self.wait_for_pool().await?;
        let grown = self.process.pss_kib()?.saturating_sub(own) as f64 / 1024.0;
        let left = (self.memory_of_sandboxes()? - before).max(0.0);
        Ok((grown + left) / 10.0)
    }

    fn memory_of_sandboxes(&self) -> Result<f64> {
        let state = self.folder.join("state").to_string_lossy().into_owned();
        let mut kib = 0;
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let file = |name: &str| entry.path().join(name);
            let words = std::fs::read(file("cmdline")).unwrap_or_default();
            let within =
                std::fs::read_link(file("cwd")).is_ok_and(|cwd| cwd.starts_with(&state) && cwd != Path::new(&state));
            if String::from_utf8_lossy(&words).contains(&state) || within {
                kib += crate::process::pss_kib(&entry.path()).unwrap_or(0);
            }
        }
        Ok(kib as f64 / 1024.0)
    }
}
