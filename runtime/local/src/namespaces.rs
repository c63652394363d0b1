//! Namespaces: entering them, giving them identities, and mounting within them.

use std::fs;
use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Pid, Uid};

use crate::error::{Doing, Failure};
use crate::order::Bind;

/// Leaves everything of the host but its files: own identities, processes, network (without even a loopback),
/// System V objects and host name. The pid namespace begins with the next child.
///
/// # Errors
/// What the kernel says where this user may have no namespaces.
pub(crate) fn enter() -> nix::Result<()> {
    unshare(
        CloneFlags::CLONE_NEWUSER
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS,
    )
}

/// Gives the process `pid`, which has just entered, its identities. An ordinary user is root inside and nobody else
/// exists; root keeps every identity it has, so that files keep their owners. Done from outside, because the right
/// to map more than oneself stays behind on entering.
pub(crate) fn map_identities(pid: Pid) -> Result<(), Failure> {
    let (uid, gid) = (Uid::effective(), Gid::effective());
    let process = Path::new("/proc").join(pid.to_string());
    let (users, groups) = if uid.is_root() {
        (identity("/proc/self/uid_map"), identity("/proc/self/gid_map"))
    } else {
        // The kernel lets an ordinary user map a group only where nobody can drop groups afterwards.
        write(&process.join("setgroups"), "deny")?;
        (format!("0 {uid} 1\n"), format!("0 {gid} 1\n"))
    };
    write(&process.join("uid_map"), &users)?;
    write(&process.join("gid_map"), &groups)
}

/// Our own map, from inside to inside: on a host the full range, in a container the container's.
fn identity(map: &str) -> String {
    let ours = fs::read_to_string(map).unwrap_or_default();
    let range = |line: &str| {
        let mut fields = line.split_whitespace();
        Some((fields.next()?.to_owned(), fields.nth(1)?.to_owned()))
    };
    ours.lines().filter_map(range).map(|(first, count)| format!("{first} {first} {count}\n")).collect()
}

fn write(path: &Path, content: &str) -> Result<(), Failure> {
    fs::write(path, content).doing_to("write", path)
}

/// Takes a mount namespace that tells the host nothing and hears nothing from it.
///
/// # Errors
/// What the kernel says where this user may not mount. Some hosts permit every namespace and then nothing in it.
pub(crate) fn enter_mounts() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    bare_mount(None, Path::new("/"), MsFlags::MS_REC | MsFlags::MS_PRIVATE)
}

/// Binds the host's files and folders into the root filesystem. Always with what is mounted below: the kernel
/// refuses less, since it could uncover what a mount covers.
pub(crate) fn bind(binds: &[Bind]) -> Result<(), Failure> {
    for Bind { from, to } in binds {
        bare_mount(Some(from), to, MsFlags::MS_BIND | MsFlags::MS_REC).doing_to("bind", from)?;
    }
    Ok(())
}

/// Mounts a `/proc` that shows the sandbox's own processes: runsc writes to `/proc/<pid>/…`, and by the numbers of
/// its pid namespace it would write to strangers in the host's.
pub(crate) fn mount_proc() -> Result<(), Failure> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let mounted = mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>);
    mounted.map_err(|errno| {
        let why = io::Error::from(errno);
        Failure::Helper(format!(
            "cannot mount a `/proc` of the sandbox's own: {why}; where this machine is itself a container, its `/proc` \
             must not be masked (docker: `--security-opt systempaths=unconfined`)"
        ))
    })
}

/// Mounts an overlay at `at`. Opaque folders and whiteouts are marked as an ordinary user can (`userxattr`), for root too:
/// what one wrote, the other can read.
pub(crate) fn mount_overlay(options: &str, at: &Path) -> nix::Result<()> {
    mount(Some("overlay"), at, Some("overlay"), MsFlags::MS_NODEV, Some(options))
}

fn bare_mount(from: Option<&Path>, to: &Path, flags: MsFlags) -> nix::Result<()> {
    mount(from, to, None::<&str>, flags, None::<&str>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_map_keeps_the_ranges_that_there_are() {
        let map = tempfile::NamedTempFile::new().unwrap();
        fs::write(map.path(), "         0     100000      65536\n     70000 5 1\n").unwrap();
        assert_eq!(identity(map.path().to_str().unwrap()), "0 0 65536\n70000 70000 1\n");
    }
}
