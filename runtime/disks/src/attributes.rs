//! Extended attributes: which are read, and which are carried over.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, flistxattr_query, fsetxattr};
use rustix::io::Errno;

use crate::limits;

/// Overlayfs's mark on a folder that hides what is below it.
const OPAQUE: &CStr = c"user.overlay.opaque";
const CAPABILITY: &[u8] = b"security.capability";

/// Which of a file's attributes a copy gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// All of `user.*`, with overlayfs's own.
    All,
    /// `user.*` without overlayfs's own: for a folder whose marks are decided anew.
    WithoutMarks,
}

/// Whether a folder hides what is below it.
pub(crate) fn is_opaque(folder: impl AsFd) -> Result<bool, Errno> {
    let mut value = [0_u8; 4];
    match fgetxattr(folder, OPAQUE, &mut value[..]) {
        Ok(length) => Ok(value.get(..length) == Some(b"y")),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(false),
        Err(other) => Err(other),
    }
}

/// Marks a folder as hiding what is below it.
pub(crate) fn set_opaque(folder: impl AsFd) -> Result<(), Errno> {
    fsetxattr(folder, OPAQUE, b"y", XattrFlags::empty())
}

/// Copies the attributes of one open file to another.
///
/// `user.*` is carried over or it is an error, because overlayfs's marks are among them. `security.capability` is
/// carried over where the kernel lets us; without it a program has fewer rights, never more.
pub(crate) fn copy(from: impl AsFd, to: impl AsFd, keep: Keep) -> Result<(), Errno> {
    for name in list(&from)? {
        let bytes = name.to_bytes();
        let marked = keep == Keep::WithoutMarks && bytes.starts_with(b"user.overlay.");
        let ours = bytes.starts_with(b"user.") && !marked;
        if !ours && bytes != CAPABILITY {
            continue;
        }
        let mut value = vec![0_u8; limits::ATTRIBUTE];
        let length = fgetxattr(&from, &*name, &mut value[..])?;
        match fsetxattr(&to, &*name, &value[..length], XattrFlags::empty()) {
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::INVAL) if !ours => {}
            other => other?,
        }
    }
    Ok(())
}

fn list(file: impl AsFd) -> Result<Vec<CString>, Errno> {
    // Asking for the length first spares nearly every file the large buffer: most have no attribute.
    let wanted = match flistxattr_query(&file) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Ok(wanted) => wanted.min(limits::ATTRIBUTE),
        Err(other) => return Err(other),
    };
    let mut names = vec![0_u8; wanted];
    let length = flistxattr(&file, &mut names[..])?;
    Ok(names[..length]
        .split_inclusive(|byte| *byte == 0)
        .filter_map(|name| Some(CStr::from_bytes_with_nul(name).ok()?.to_owned()))
        .collect())
}
