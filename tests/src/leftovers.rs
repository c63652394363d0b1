//! What sandboxes have left on the machine.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Scenario, of_type};

/// Everything that there is of the sandboxes in a state folder whose supervisor has ended, and whose sandboxes have all
/// been deleted: processes, mounts, namespaces by them, sockets, control groups, folders. It should be nothing. A layer
/// that all sandboxes share may stay until the next supervisor sweeps.
pub fn left_over(scenario: &Scenario) -> Vec<String> {
    let state = scenario.state().to_str().unwrap();
    let mut left = Vec::new();
    for process in numbers("/proc") {
        let of = |file: &str| format!("/proc/{process}/{file}");
        let words = fs::read(of("cmdline")).unwrap_or_default();
        let folder = fs::read_link(of("cwd")).unwrap_or_default();
        let mounts = fs::read_to_string(of("mountinfo")).unwrap_or_default();
        if String::from_utf8_lossy(&words).contains(state) || folder.starts_with(state) {
            left.push(format!("process {process}: {}", String::from_utf8_lossy(&words).replace('\0', " ")));
        } else if mounts.contains(state) {
            left.push(format!("mounts seen by process {process}"));
        }
    }
    let sockets = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    left.extend(sockets.lines().filter(|line| line.contains(state)).map(|line| format!("socket {line}")));
    for folder in ["sb", "memory", "snapshots", "images/layers", "images/work", "layers", "s"] {
        let is_shared = |name: &str| folder == "layers" && (name.starts_with("host-") || name.starts_with("image-"));
        let names = names(&format!("{state}/{folder}")).into_iter().filter(|name| !is_shared(name));
        left.extend(names.map(|name| format!("{folder}/{name}")));
    }
    let records = of_type(&scenario.records(), "sandbox");
    let ours: HashSet<&str> = records.iter().filter_map(|record| record["sandbox"].as_str()).collect();
    let is_ours = |group: &PathBuf| {
        let name = group.file_name().unwrap_or_default().to_string_lossy();
        name.split_once('.').is_some_and(|(sandbox, _)| ours.contains(sandbox))
    };
    left.extend(control_groups().into_iter().filter(is_ours).map(|group| format!("control group {}", group.display())));
    left
}

/// The control groups of all sandboxes on this machine.
pub(crate) fn control_groups() -> Vec<PathBuf> {
    let parents = ["", "memory/", "pids/", "cpu/"].map(|controller| format!("/sys/fs/cgroup/{controller}exeat"));
    let groups = |parent: &String| {
        let own = names(parent).into_iter().filter(|name| name.starts_with("sb-"));
        own.map(|name| Path::new(parent).join(name)).collect::<Vec<_>>()
    };
    parents.iter().flat_map(groups).collect()
}

fn numbers(folder: &str) -> Vec<u32> {
    names(folder).iter().filter_map(|name| name.parse().ok()).collect()
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
