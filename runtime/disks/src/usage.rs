//! How much a folder takes on the disk.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;
use std::vec;

use crate::cursor::Cursor;
use crate::error::Error;
use crate::folder;
use crate::stat::Kind;

/// What a folder takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Allocated bytes, folders included; an inode with several names counts once.
    pub bytes: u64,
    /// Inodes that are not folders.
    pub files: u64,
}

/// Counts what is in a folder. What shares blocks by reflink counts fully.
///
/// # Errors
/// [`Error`] where a folder cannot be read or is too deep.
pub fn usage(folder: &Path) -> Result<Usage, Error> {
    let mut place = Cursor::new(folder::open_root(folder)?, folder)?;
    let mut sum = Usage { bytes: place.stat().blocks * 512, files: 0 };
    let mut seen = HashSet::new();
    let mut waiting = vec![folder::names(&place, place.path())?.into_iter()];
    while let Some(names) = waiting.last_mut() {
        let Some(name) = names.next() else {
            waiting.pop();
            place.leave()?;
            continue;
        };
        if let Some(names) = count(&mut place, &name, &mut sum, &mut seen)? {
            waiting.push(names);
        }
    }
    Ok(sum)
}

/// Counts one name, and enters it where it is a folder.
fn count(
    place: &mut Cursor, name: &OsString, sum: &mut Usage, seen: &mut HashSet<(u64, u64)>,
) -> Result<Option<vec::IntoIter<OsString>>, Error> {
    let stat = folder::look(&*place, name).map_err(|errno| Error::on("look at", &place.at(name))(errno))?;
    if stat.kind == Kind::Folder {
        sum.bytes += stat.blocks * 512;
        place.enter(name)?;
        return Ok(Some(folder::names(&*place, place.path())?.into_iter()));
    }
    if stat.links < 2 || seen.insert((stat.device, stat.inode)) {
        sum.bytes += stat.blocks * 512;
        sum.files += 1;
    }
    Ok(None)
}
