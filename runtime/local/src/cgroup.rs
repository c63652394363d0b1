//! Limits on memory, processor time and processes, by control groups (cgroups(7), either version). A sandbox's helper is
//! put into its group before it forks, so everything that the sandbox is made of is in there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use exeat_lifecycle::Resources;

use crate::error::{Doing, Failure};

const ROOT: &str = "/sys/fs/cgroup";
/// The folder that holds the groups of all sandboxes.
const PARENT: &str = "exeat";
/// The length of the period in which processor time is counted, in microseconds: the kernel's default.
const PERIOD: u64 = 100_000;

/// A sandbox's control group: one folder, or one for each controller in version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cgroup {
    folders: Vec<PathBuf>,
}

/// What a limit is called in each version.
struct Setting {
    controller: &'static str,
    v1: &'static str,
    v2: &'static str,
}

const MEMORY: Setting = Setting { controller: "memory", v1: "memory.limit_in_bytes", v2: "memory.max" };
const PROCESSES: Setting = Setting { controller: "pids", v1: "pids.max", v2: "pids.max" };
const CPU: Setting = Setting { controller: "cpu", v1: "cpu.cfs_quota_us", v2: "cpu.max" };

impl Cgroup {
    /// The group with this name, whether it is there or not.
    pub(crate) fn of(name: &str) -> Self {
        let folder = |controller: &str| Path::new(ROOT).join(controller).join(PARENT).join(name);
        let folders = if is_v2() {
            vec![folder("")]
        } else {
            [MEMORY, PROCESSES, CPU].iter().map(|setting| folder(setting.controller)).collect()
        };
        Cgroup { folders }
    }

    /// Makes the group and sets its limits. One that cannot be set is a failure: a limit that does not hold is worse than
    /// none. Where nothing is to be limited and no group can be made, there is none.
    pub(crate) fn create(name: &str, resources: &Resources) -> Result<Option<Self>, Failure> {
        let group = Cgroup::of(name);
        let wanted = wanted(resources);
        match group.make() {
            Err(_) if wanted.is_empty() => return Ok(None),
            Err(error) => {
                return Err(Failure::Helper(format!(
                    "cannot limit memory, processor time or processes: {error}; this needs root, or a machine that lets \
                     this user make control groups"
                )));
            }
            Ok(()) => {}
        }
        for (setting, value) in wanted {
            group.set(&setting, &value).doing(&format!("limit `{}`", setting.controller))?;
        }
        Ok(Some(group))
    }

    /// Puts a process into the group; all that it starts will be there too.
    pub(crate) fn add(&self, pid: i32) -> Result<(), Failure> {
        for folder in &self.folders {
            let file = folder.join("cgroup.procs");
            fs::write(&file, pid.to_string()).doing_to("write", &file)?;
        }
        Ok(())
    }

    /// How many processes the kernel has ended because the group's memory ran out.
    pub(crate) fn out_of_memory(&self) -> u64 {
        let of = |folder: &PathBuf, file: &str| {
            let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
            let mut lines = text.lines().filter_map(|line| line.strip_prefix("oom_kill "));
            lines.next().and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        self.folders.iter().map(|folder| of(folder, "memory.events") + of(folder, "memory.oom_control")).sum()
    }

    /// Removes the group, whose processes have ended. One that is not there is fine.
    pub(crate) fn remove(&self) {
        for folder in &self.folders {
            // What cannot be removed still holds a dying process; the next sweep finds it.
            let _ = fs::remove_dir(folder);
        }
    }

    fn make(&self) -> io::Result<()> {
        if is_v2() {
            let parent = Path::new(ROOT).join(PARENT);
            fs::create_dir_all(&parent)?;
            for folder in [Path::new(ROOT), &parent] {
                fs::write(folder.join("cgroup.subtree_control"), "+memory +pids +cpu")?;
            }
        }
        self.folders.iter().try_for_each(fs::create_dir_all)
    }

    fn set(&self, setting: &Setting, value: &str) -> io::Result<()> {
        let file = if is_v2() { setting.v2 } else { setting.v1 };
        let folder = self.folders.iter().find(|folder| folder.join(file).exists());
        let folder = folder.ok_or_else(|| io::Error::other("this machine has no such controller"))?;
        fs::write(folder.join(file), value)
    }
}

fn is_v2() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

fn wanted(resources: &Resources) -> Vec<(Setting, String)> {
    let cpu = |millis: u64| {
        let quota = millis.saturating_mul(PERIOD) / 1000;
        if is_v2() { format!("{quota} {PERIOD}") } else { quota.to_string() }
    };
    let memory = resources.memory_bytes.map(|bytes| (MEMORY, bytes.to_string()));
    let processes = resources.processes.map(|count| (PROCESSES, count.to_string()));
    let cpu = resources.cpu_millis.map(|millis| (CPU, cpu(millis)));
    [memory, processes, cpu].into_iter().flatten().collect()
}
