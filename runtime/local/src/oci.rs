//! The bundle's `config.json`: as much of the OCI runtime specification as is needed, and no more.

use serde::Serialize;

use crate::limits;
use crate::rootfs::{GATEWAY, SANDBOXD, WORKSPACE};

/// What root inside may do, as in container engines, less what makes no sense without a network or devices
/// (NET_RAW, NET_ADMIN, MKNOD, AUDIT_WRITE) and the widest ones (SYS_ADMIN, SYS_MODULE). All of it is about gVisor's
/// own kernel; the host sees none. PTRACE is there for debuggers: everybody inside is the same agent.
const CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
];

/// What container engines hide of /proc and /sys. gVisor has little of it; a newer one may have more.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
];
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// `config.json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config<'a> {
    oci_version: &'static str,
    process: Process<'a>,
    root: Root,
    hostname: &'static str,
    mounts: Vec<Mount>,
    linux: Linux,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Process<'a> {
    terminal: bool,
    user: User,
    args: Vec<&'a str>,
    env: &'a [String],
    cwd: &'static str,
    capabilities: Capabilities,
    rlimits: [Rlimit; 1],
    no_new_privileges: bool,
}

#[derive(Serialize)]
struct User {
    uid: u32,
    gid: u32,
}

#[derive(Serialize)]
struct Capabilities {
    bounding: &'static [&'static str],
    effective: &'static [&'static str],
    permitted: &'static [&'static str],
}

#[derive(Serialize)]
struct Rlimit {
    #[serde(rename = "type")]
    kind: &'static str,
    soft: u64,
    hard: u64,
}

#[derive(Serialize)]
struct Root {
    path: &'static str,
    readonly: bool,
}

#[derive(Serialize)]
struct Mount {
    destination: String,
    #[serde(rename = "type")]
    kind: &'static str,
    source: String,
    options: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: [Namespace; 5],
    masked_paths: &'static [&'static str],
    readonly_paths: &'static [&'static str],
}

#[derive(Serialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: &'static str,
}

/// What of a sandbox its configuration depends on.
pub(crate) struct Guest<'a> {
    /// sandboxd's arguments.
    pub(crate) arguments: &'a [&'a str],
    /// `NAME=value`.
    pub(crate) environment: &'a [String],
    /// Folders of the host that are mounted read-only at their own path, without their leading `/`.
    pub(crate) system: &'a [String],
    /// A folder of the host at `/workspace`; without it, `/workspace` is the root filesystem's own.
    pub(crate) workspace: Option<&'a str>,
    /// The folder with the gateway's socket.
    pub(crate) gateway: &'a str,
    /// Whether standard input, output and error are a terminal.
    pub(crate) terminal: bool,
}

/// `config.json` for a guest.
pub(crate) fn config<'a>(guest: &'a Guest<'a>) -> Config<'a> {
    Config {
        oci_version: "1.0.2",
        process: Process {
            terminal: guest.terminal,
            user: User { uid: 0, gid: 0 },
            args: std::iter::once(SANDBOXD).chain(guest.arguments.iter().copied()).collect(),
            env: guest.environment,
            cwd: WORKSPACE,
            capabilities: Capabilities { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
            rlimits: [Rlimit { kind: "RLIMIT_NOFILE", soft: limits::OPEN_FILES, hard: limits::OPEN_FILES }],
            // Everything runs as root already, so no setuid program is needed to become it.
            no_new_privileges: true,
        },
        root: Root { path: "rootfs", readonly: false },
        hostname: "sandbox",
        mounts: mounts(guest),
        linux: Linux {
            namespaces: ["pid", "network", "ipc", "uts", "mount"].map(|kind| Namespace { kind }),
            masked_paths: MASKED,
            readonly_paths: READ_ONLY,
        },
    }
}

fn mounts(guest: &Guest<'_>) -> Vec<Mount> {
    let own = |destination: &str, kind, options: &[&'static str]| Mount {
        destination: destination.to_owned(),
        kind,
        source: kind.to_owned(),
        options: options.to_vec(),
    };
    let bind = |destination: &str, source: &str, options: &[&'static str]| Mount {
        destination: destination.to_owned(),
        kind: "bind",
        source: source.to_owned(),
        options: options.to_vec(),
    };
    let mut mounts = vec![
        own("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        own("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        own("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755"]),
        own("/dev/shm", "tmpfs", &["nosuid", "nodev", "mode=1777"]),
        own("/tmp", "tmpfs", &["nosuid", "nodev", "mode=1777"]),
    ];
    for folder in guest.system {
        let path = format!("/{folder}");
        mounts.push(bind(&path, &path, &["rbind", "ro", "nodev"]));
    }
    mounts.extend(guest.workspace.map(|folder| bind(WORKSPACE, folder, &["rbind", "rw", "nosuid", "nodev"])));
    mounts.push(bind(GATEWAY, guest.gateway, &["rbind", "ro", "nosuid", "nodev", "noexec"]));
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_becomes_a_configuration() {
        let guest = Guest {
            arguments: &["--ports", "80,443", "--", "sh", "-c"],
            environment: &["A=b".to_owned()],
            system: &["usr".to_owned()],
            workspace: Some("/work"),
            gateway: "/gateway",
            terminal: false,
        };
        let json = serde_json::to_value(config(&guest)).unwrap();

        let args = serde_json::json!(["/.exeat/sandboxd", "--ports", "80,443", "--", "sh", "-c"]);
        assert_eq!(json["process"]["args"], args);
        assert_eq!(json["process"]["noNewPrivileges"], true);
        let capabilities = json["process"]["capabilities"].to_string();
        for absent in ["NET_RAW", "NET_ADMIN", "SYS_ADMIN", "MKNOD"] {
            assert!(!capabilities.contains(absent), "{absent}");
        }
        let mount = |destination: &str| {
            let mounts = json["mounts"].as_array().unwrap().iter();
            mounts
                .filter(|mount| mount["destination"] == destination)
                .map(|mount| mount.to_string())
                .collect::<String>()
        };
        assert!(mount("/usr").contains(r#""ro""#) && mount("/run/exeat").contains(r#""ro""#));
        assert!(mount("/workspace").contains(r#""rw""#) && mount("/workspace").contains(r#""/work""#));
    }
}
