//! A file or folder of this machine as a tar archive.

use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

/// The archive's bytes as they come, and how its making ended. Links are packed as links; sockets, pipes and devices
/// mean nothing elsewhere and are left out.
pub(super) fn pack(path: PathBuf, name: PathBuf) -> io::Result<(pipe::Receiver, JoinHandle<io::Result<()>>)> {
    let (reader, writer) = io::pipe()?;
    let receiver = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let packing = tokio::task::spawn_blocking(move || pack_into(io::BufWriter::new(writer), path, name));
    Ok((receiver, packing))
}

fn pack_into(writer: impl Write, path: PathBuf, name: PathBuf) -> io::Result<()> {
    let mut archive = tar::Builder::new(writer);
    archive.follow_symlinks(false);
    walk(path, name, |path, name, data| {
        if data.is_dir() { archive.append_dir(name, path) } else { archive.append_path_with_name(path, name) }
    })?;
    archive.into_inner()?.flush()
}

/// The bytes of all files in it.
pub(super) fn size(path: PathBuf) -> io::Result<u64> {
    let mut bytes = 0;
    walk(path, PathBuf::new(), |_, _, data| {
        bytes += if data.is_file() { data.len() } else { 0 };
        Ok(())
    })?;
    Ok(bytes)
}

/// Visits every file, folder and link, folders before what is in them.
fn walk(
    path: PathBuf, name: PathBuf, mut visit: impl FnMut(&Path, &Path, &Metadata) -> io::Result<()>,
) -> io::Result<()> {
    let mut waiting = vec![(path, name)];
    while let Some((path, name)) = waiting.pop() {
        let data = fs::symlink_metadata(&path)?;
        if data.is_dir() || data.is_file() || data.is_symlink() {
            visit(&path, &name, &data)?;
        }
        if data.is_dir() {
            for entry in fs::read_dir(&path)? {
                let entry = entry?;
                waiting.push((entry.path(), name.join(entry.file_name())));
            }
        }
    }
    Ok(())
}
