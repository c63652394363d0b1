//! A hostile tar archive, unpacked on this machine.
//!
//! It goes into a new folder of its own. Every folder in which something is made must have been made by the archive
//! itself, so nothing is ever reached through a link; names with `..` and absolute ones are refused, and so is
//! everything but files, folders and symbolic links. A link stays only where it cannot lead out of what was copied.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};

/// Entries of one archive: what the folders' names take stays below some hundred megabytes.
const ENTRIES: usize = 1_000_000;
/// A name in the archive, in bytes: the kernel's PATH_MAX.
const NAME_BYTES: u64 = 4096;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unpacked {
    /// The first part of every name: the file or folder that was copied.
    pub(super) top: PathBuf,
    /// Links that were left out because they would lead out of it.
    pub(super) links_left_out: u64,
}

/// Unpacks into `folder`, which must be new and empty.
pub(super) fn unpack(archive: impl Read, folder: &Path) -> io::Result<Unpacked> {
    let mut state = State { folder, folders: HashSet::new(), unpacked: Unpacked::default() };
    let (mut long_name, mut long_target) = (None, None);
    let mut archive = Archive::new(archive);
    // Raw, since names that are too long would be read whole otherwise, however long they are.
    for (count, entry) in archive.entries()?.raw(true).enumerate() {
        let mut entry = entry?;
        if count >= ENTRIES {
            return Err(refused(&format!("the archive has more than {ENTRIES} entries")));
        }
        match entry.header().entry_type() {
            EntryType::GNULongName => long_name = Some(long(&mut entry)?),
            EntryType::GNULongLink => long_target = Some(long(&mut entry)?),
            kind => {
                let name = long_name.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
                let target = long_target.take().or_else(|| entry.header().link_name_bytes().map(Into::into));
                state.place(kind, &mut entry, &path(&name), target.as_deref().map(path))?;
            }
        }
    }
    if state.unpacked.top.as_os_str().is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(state.unpacked)
}

struct State<'f> {
    folder: &'f Path,
    /// Folders that the archive has made.
    folders: HashSet<PathBuf>,
    unpacked: Unpacked,
}

impl State<'_> {
    fn place(
        &mut self, kind: EntryType, entry: &mut Entry<'_, impl Read>, name: &Path, target: Option<PathBuf>,
    ) -> io::Result<()> {
        let name = self.check(name)?;
        let (at, mode) = (self.folder.join(&name), entry.header().mode()? & 0o777);
        match kind {
            EntryType::Directory => {
                fs::create_dir(&at)?;
                // Whatever it was inside, its owner here must be able to fill and remove it.
                fs::set_permissions(&at, fs::Permissions::from_mode(mode | 0o700))?;
                self.folders.insert(name);
            }
            EntryType::Regular | EntryType::Continuous => {
                let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&at)?;
                let size = entry.header().entry_size()?;
                if io::copy(entry, &mut file)? != size {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                file.set_permissions(fs::Permissions::from_mode(mode))?;
            }
            EntryType::Symlink => match target {
                Some(target) if stays_inside(&name, &target) => symlink(target, &at)?,
                _ => self.unpacked.links_left_out += 1,
            },
            other => return Err(refused(&format!("`{}` is a {other:?}", shown(&name)))),
        }
        Ok(())
    }

    /// A name whose folder the archive has made, below the one first part that all names share.
    fn check(&mut self, name: &Path) -> io::Result<PathBuf> {
        let parts = name.components().filter(|part| *part != Component::CurDir);
        let parts: Option<PathBuf> =
            parts.map(|part| if let Component::Normal(part) = part { Some(part) } else { None }).collect();
        let name = parts.filter(|name| !name.as_os_str().is_empty() && !name.as_os_str().as_bytes().contains(&0));
        let name = name.ok_or_else(|| refused("a name leads out of the archive"))?;
        let top = PathBuf::from_iter(name.components().take(1));
        if self.unpacked.top.as_os_str().is_empty() {
            self.unpacked.top = top;
        } else if !self.folders.contains(name.parent().unwrap_or(Path::new(""))) {
            return Err(refused(&format!("`{}` is in no folder of the archive", shown(&name))));
        }
        Ok(name)
    }
}

/// Whether a link's target cannot lead out of the copied folder: upwards first and only as far as that, then down. A
/// step upwards after one down might begin where another link has led.
fn stays_inside(name: &Path, target: &Path) -> bool {
    // The first part is the copied folder itself, and the last the link's own name.
    let mut room = name.components().count().saturating_sub(2);
    let mut descending = false;
    for part in target.components() {
        match part {
            Component::Normal(_) => descending = true,
            Component::ParentDir if !descending && room > 0 => room -= 1,
            Component::CurDir => {}
            _ => return false,
        }
    }
    descending && name.components().count() > 1
}

/// A name that did not fit into a header.
fn long(entry: &mut Entry<'_, impl Read>) -> io::Result<Vec<u8>> {
    let mut name = Vec::new();
    entry.take(NAME_BYTES + 1).read_to_end(&mut name)?;
    if name.len() as u64 > NAME_BYTES {
        return Err(refused("a name is longer than 4096 bytes"));
    }
    while name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().take(200).collect::<String>().escape_debug().to_string()
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the sandbox's archive is refused: {why}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]
mod tests;
