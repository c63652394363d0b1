//! The layer that makes a root filesystem a sandbox's: sandboxd, the gateway's CA, DNS by sandboxd, mount points. Above
//! an image it covers only that; where the host's own tools are used, it is the whole root but for what is mounted.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::error::{Doing, Error, Failure};
use crate::etc;
use crate::rootfs::{self, Own};

/// What an image may lack: mount points, and the folders of the files below.
const PLACES: &[&str] = &[".exeat", "dev", "etc", "proc", "run", "run/exeat", "sys", "tmp", "workspace"];
/// What every sandbox has its own of, above an image too.
const OWN: &[&str] = &["hostname", "hosts", "resolv.conf"];

/// Makes the layer for the host's own tools in `into`, an empty folder. What it lacks are the [`host_folders`].
///
/// # Errors
/// [`Failure::Io`].
pub fn skeleton_of_host(into: &Path, sandboxd: &Path, ca_certificate: &str) -> Result<(), Error> {
    let own = Own { ca_certificate, home_files: &[] };
    let rootfs = rootfs::build(into, Path::new("/"), &own)?;
    for bind in &rootfs.binds {
        copy_folder(&bind.from, &bind.to)?;
    }
    Ok(put_sandboxd(into, sandboxd)?)
}

/// Makes the layer above an image in `into`, an empty folder.
///
/// # Errors
/// [`Failure::Io`].
pub fn skeleton_of_image(into: &Path, sandboxd: &Path, ca_certificate: &str) -> Result<(), Error> {
    for place in PLACES {
        let path = into.join(place);
        fs::create_dir_all(&path).doing_to("make", &path)?;
    }
    let tmp = into.join("tmp");
    fs::set_permissions(&tmp, Permissions::from_mode(0o1777)).doing_to("make", &tmp)?;
    for (name, content) in etc::OWN.iter().filter(|(name, _)| OWN.contains(name)) {
        let path = into.join("etc").join(name);
        fs::write(&path, content).doing_to("write", &path)?;
    }
    rootfs::trust(into, Path::new("/"), ca_certificate)?;
    Ok(put_sandboxd(into, sandboxd)?)
}

/// The folders of the host that are mounted read-only, at their own path, above the skeleton of the host's tools. Without
/// their leading `/`.
pub fn host_folders() -> Vec<String> {
    rootfs::system(Path::new("/"))
}

/// A copy, not a bind: a sandbox that is resumed after an upgrade must find the program that it was saved with.
fn put_sandboxd(into: &Path, program: &Path) -> Result<(), Failure> {
    let to = into.join(rootfs::SANDBOXD.trim_start_matches('/'));
    fs::copy(program, &to).doing_to("copy", program)?;
    fs::set_permissions(&to, Permissions::from_mode(0o755)).doing_to("write", &to)
}

/// Copies a folder of `/etc`: links as links, files, folders. What is not this user's to read is left out.
fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).doing_to("make", to)?;
    for entry in fs::read_dir(from).doing_to("read", from)? {
        let entry = entry.doing_to("read", from)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().doing_to("read", &source)?;
        if kind.is_symlink() {
            let link = fs::read_link(&source).doing_to("read", &source)?;
            symlink(link, &target).doing_to("make", &target)?;
        } else if kind.is_dir() {
            copy_folder(&source, &target)?;
        } else if kind.is_file() {
            match fs::copy(&source, &target) {
                Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => {
                    return Err(error).doing_to("copy", &source);
                }
                _ => {}
            }
        }
    }
    Ok(())
}
