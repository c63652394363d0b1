//! The root filesystem: a small folder of the sandbox's own, with the host's tools bound in.
//!
//! What stands here as a file or a link lies in the folder itself, which gVisor overlays with memory: everything in
//! it can be written inside, and nothing of that ever lands on a disk. The host's own folders come in two ways:
//! large ones as read-only mounts of gVisor ([`Rootfs::system`]), small ones of `/etc` as binds under the overlay
//! ([`Rootfs::binds`]).

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use exeat_inside::trust::BUNDLE;

use crate::error::{Doing, Failure};
use crate::order::Bind;
use crate::{etc, trust};

/// The home folder inside.
pub(crate) const HOME: &str = "/root";
/// Where sandboxd is found inside: outside every folder that a mount covers.
pub(crate) const SANDBOXD: &str = "/.exeat/sandboxd";
/// Where the workspace is inside.
pub(crate) const WORKSPACE: &str = "/workspace";
/// Where the gateway's folder is inside.
pub(crate) const GATEWAY: &str = "/run/exeat";

/// Folders with the host's programs and libraries. On most hosts all but the first are links into it.
const SYSTEM: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// Empty folders: mount points, and places where programs write.
const EMPTY: &[&str] = &[
    ".exeat",
    "dev",
    "etc",
    "etc/ssl",
    "etc/ssl/certs",
    "home",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "run/exeat",
    "run/lock",
    "srv",
    "sys",
    "tmp",
    "var",
    "var/cache",
    "var/lib",
    "var/log",
    "var/tmp",
    "workspace",
];
/// Those that everybody inside may write to.
const SHARED: &[&str] = &["tmp", "var/tmp", "run/lock"];

/// What has to be mounted for the folder to be a root filesystem.
pub(crate) struct Rootfs {
    /// Files and folders of the host, bound into the folder by init.
    pub(crate) binds: Vec<Bind>,
    /// Folders of the host that gVisor mounts read-only at their own path.
    pub(crate) system: Vec<String>,
}

/// What a root filesystem holds that no host gives it.
pub(crate) struct Own<'a> {
    /// The gateway's CA, in PEM.
    pub(crate) ca_certificate: &'a str,
    /// Files for the home folder, by their path within it.
    pub(crate) home_files: &'a [(PathBuf, String)],
}

/// Fills `root`, which must be empty, from `host` (the machine's own root). sandboxd has a place in it, and is put there
/// by [`sandboxd`] or as a copy.
pub(crate) fn build(root: &Path, host: &Path, own: &Own<'_>) -> Result<Rootfs, Failure> {
    for folder in EMPTY {
        let path = root.join(folder);
        fs::create_dir_all(&path).doing_to("make", &path)?;
        let mode = if SHARED.contains(folder) { 0o1777 } else { 0o755 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).doing_to("make", &path)?;
    }
    symlink("/run", root.join("var/run")).doing("make `/var/run`")?;
    let mut rootfs = Rootfs { binds: Vec::new(), system: Vec::new() };
    for &folder in SYSTEM {
        if take_system(root, host, folder).doing_to("take from the host", Path::new(folder))? {
            rootfs.system.push(folder.to_owned());
        }
    }
    fill_etc(root, host, own, &mut rootfs.binds)?;
    fs::write(root.join(SANDBOXD.trim_start_matches('/')), "").doing("make sandboxd's place")?;
    for (path, content) in own.home_files {
        write_home_file(&root.join("root").join(path), content)?;
    }
    Ok(rootfs)
}

/// The bind that brings sandboxd from the host.
pub(crate) fn sandboxd(root: &Path, program: &Path) -> Bind {
    Bind { from: program.to_owned(), to: root.join(SANDBOXD.trim_start_matches('/')) }
}

/// Those of the host's folders with programs that are folders of their own, and no links.
pub(crate) fn system(host: &Path) -> Vec<String> {
    let is_folder = |folder: &&&str| fs::symlink_metadata(host.join(folder)).is_ok_and(|about| about.is_dir());
    SYSTEM.iter().filter(is_folder).map(|folder| (*folder).to_owned()).collect()
}

/// Copies a link, or makes the place for a folder and says that it must be mounted.
fn take_system(root: &Path, host: &Path, folder: &str) -> io::Result<bool> {
    let (from, to) = (host.join(folder), root.join(folder));
    match fs::symlink_metadata(&from) {
        Ok(about) if about.is_symlink() => symlink(fs::read_link(from)?, to).map(|()| false),
        Ok(about) if about.is_dir() => fs::create_dir(to).map(|()| true),
        _ => Ok(false),
    }
}

fn fill_etc(root: &Path, host: &Path, own: &Own<'_>, binds: &mut Vec<Bind>) -> Result<(), Failure> {
    for (path, _) in etc::FROM_HOST {
        take_etc(&host.join("etc").join(path), &root.join("etc").join(path), binds)
            .doing_to("take from the host", &Path::new("/etc").join(path))?;
    }
    for (path, content) in etc::OWN {
        fs::write(root.join("etc").join(path), content).doing_to("write", Path::new(path))?;
    }
    trust(root, host, own.ca_certificate)
}

/// Writes the trusted CAs, the gateway's in front, to every place where programs look.
pub(crate) fn trust(root: &Path, host: &Path, ca_certificate: &str) -> Result<(), Failure> {
    let bundle = root.join(BUNDLE.trim_start_matches('/'));
    make_parent(&bundle).doing_to("make", &bundle)?;
    fs::write(&bundle, trust::bundle(ca_certificate, host)).doing_to("write", &bundle)?;
    for place in trust::links() {
        let link = root.join(place.trim_start_matches('/'));
        make_parent(&link).doing_to("make", &link)?;
        symlink(BUNDLE, &link).doing_to("make", &link)?;
    }
    Ok(())
}

/// A link into `/usr` stays a link, another file is copied, a folder becomes a bind. What is not there, or is not
/// this user's to read, is left out.
fn take_etc(from: &Path, to: &Path, binds: &mut Vec<Bind>) -> io::Result<()> {
    let (Ok(about), Ok(target)) = (fs::symlink_metadata(from), from.canonicalize()) else { return Ok(()) };
    make_parent(to)?;
    if about.is_symlink() && target.starts_with("/usr") {
        return symlink(target, to);
    }
    if target.is_dir() {
        binds.push(Bind { from: target, to: to.to_owned() });
        return fs::create_dir_all(to);
    }
    match fs::copy(target, to) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}

fn write_home_file(path: &PathBuf, content: &str) -> Result<(), Failure> {
    make_parent(path).doing_to("make", path)?;
    fs::write(path, content).doing_to("write", path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).doing_to("write", path)
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_links_folders_are_mounted_and_secrets_are_absent() {
        let (host, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in ["usr/bin", "lib", "etc/alternatives", "etc/ssh", "home/me"] {
            fs::create_dir_all(host.path().join(folder)).unwrap();
        }
        symlink("usr/bin", host.path().join("bin")).unwrap();
        for file in ["etc/shadow", "etc/services", "etc/passwd"] {
            fs::write(host.path().join(file), "of the host").unwrap();
        }

        let home_files = [(".config/gh/hosts.yml".into(), "x".into())];
        let own = Own { ca_certificate: "OURS", home_files: &home_files };
        let rootfs = build(root.path(), host.path(), &own).unwrap();

        assert_eq!(rootfs.system, ["usr", "lib"]);
        let bound: Vec<_> = rootfs.binds.iter().map(|bind| bind.to.strip_prefix(root.path()).unwrap()).collect();
        assert_eq!(bound, [Path::new("etc/alternatives")]);
        let read = |path: &str| fs::read_to_string(root.path().join(path)).ok();
        assert_eq!(fs::read_link(root.path().join("bin")).unwrap(), Path::new("usr/bin"));
        assert_eq!(read("etc/services").as_deref(), Some("of the host"));
        assert_eq!((read("etc/shadow"), root.path().join("etc/ssh").exists()), (None, false));
        assert!(read("etc/passwd").unwrap().starts_with("root:x:0:0:"));
        assert_eq!(fs::read_link(root.path().join("etc/ssl/cert.pem")).unwrap(), Path::new(BUNDLE));
        assert_eq!(read("root/.config/gh/hosts.yml").as_deref(), Some("x"));
        assert_eq!(fs::read_dir(root.path().join("home")).unwrap().count(), 0);
    }
}
