//! Bare runsc, in namespaces of its own: what a sandbox costs without us.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::process::Command;

use crate::Result;
use crate::sandbox::{Bare, HOLDER, milliseconds};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    times: usize,
    #[arg(long)]
    long_times: usize,
}

/// Runs this program again where an ordinary user may run runsc, and reads what it prints.
pub(crate) async fn measure(times: usize, long_times: usize) -> Result<Bare> {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--mount-proc"]);
    command.arg(std::env::current_exe()?).arg("bare").args(["--times", &times.to_string()]);
    command.args(["--long-times", &long_times.to_string()]);
    let output = command.stderr(Stdio::inherit()).output().await?;
    Ok(serde_json::from_slice(&output.stdout).map_err(|error| format!("bare runsc: {error}"))?)
}

/// The other side: measures, and prints [`Bare`].
pub(crate) async fn run(options: Options) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("xr-").tempdir_in("/tmp")?;
    let runsc = exeat_local::find_runsc(None)?;
    let runsc = Runsc { program: runsc, folder: folder.path().to_owned() };
    for place in ["root", "usr", "tmp", "proc", "dev", "etc", "workspace"] {
        fs::create_dir_all(runsc.folder.join("rootfs").join(place))?;
    }
    for link in ["bin", "lib", "lib64", "sbin"] {
        std::os::unix::fs::symlink(format!("usr/{link}"), runsc.folder.join("rootfs").join(link))?;
    }
    let bare = runsc.all(&options).await?;
    println!("{}", serde_json::to_string(&bare)?);
    Ok(())
}

struct Runsc {
    program: std::path::PathBuf,
    folder: std::path::PathBuf,
}

impl Runsc {
    async fn all(&self, options: &Options) -> Result<Bare> {
        let mut bare = Bare { run: Vec::new(), exec: Vec::new(), checkpoint: Vec::new(), restore: Vec::new() };
        let once = self.bundle("once", &["true"])?;
        for number in 0..=options.times {
            bare.run.push(self.timed(&["run", "--bundle", &once, &format!("run-{number}")]).await?);
        }
        let held = self.bundle("held", &["python3", "-c", HOLDER])?;
        self.timed(&["run", "--detach", "--bundle", &held, "held"]).await?;
        while self.timed(&["exec", "held", "test", "-e", "/tmp/ready"]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for _ in 0..=options.times {
            bare.exec.push(self.timed(&["exec", "held", "true"]).await?);
        }
        let mut image = String::new();
        for number in 0..=options.long_times {
            image = self.folder.join(format!("image-{number}")).display().to_string();
            fs::create_dir(&image)?;
            bare.checkpoint.push(self.timed(&["checkpoint", "--leave-running", "--image-path", &image, "held"]).await?);
        }
        for number in 0..=options.long_times {
            let id = format!("restored-{number}");
            let arguments = ["restore", "--detach", "--background", "--bundle", &held, "--image-path", &image, &id];
            bare.restore.push(self.timed(&arguments).await?);
            self.timed(&["kill", &id, "KILL"]).await?;
        }
        self.timed(&["kill", "held", "KILL"]).await?;
        for times in [&mut bare.run, &mut bare.exec, &mut bare.checkpoint, &mut bare.restore] {
            // The first one finds cold caches.
            times.remove(0);
        }
        Ok(bare)
    }

    async fn timed(&self, arguments: &[&str]) -> Result<f64> {
        let root = format!("--root={}", self.folder.join("state").display());
        let mut command = Command::new(&self.program);
        command.args([root.as_str(), "--network=none", "--platform=systrap", "--overlay2=none", "--ignore-cgroups"]);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let status = command.status().await?;
        let took = milliseconds(began);
        if status.success() { Ok(took) } else { Err(format!("`runsc {}` ended with {status}", arguments[0]).into()) }
    }

    fn bundle(&self, name: &str, arguments: &[&str]) -> Result<String> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        let namespaces = ["pid", "network", "ipc", "uts", "mount"].map(|kind| json!({ "type": kind }));
        let own = |kind: &str, at: &str| json!({ "destination": at, "type": kind, "source": kind });
        let config = json!({
            "ociVersion": "1.0.2",
            "process": { "user": { "uid": 0, "gid": 0 }, "args": arguments, "cwd": "/", "env": ["PATH=/usr/bin:/bin"] },
            "root": { "path": self.folder.join("rootfs") },
            "hostname": "sandbox",
            "mounts": [
                own("proc", "/proc"), own("tmpfs", "/dev"), own("tmpfs", "/tmp"),
                { "destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"] },
            ],
            "linux": { "namespaces": namespaces },
        });
        fs::write(Path::new(&folder).join("config.json"), config.to_string())?;
        Ok(folder.display().to_string())
    }
}
