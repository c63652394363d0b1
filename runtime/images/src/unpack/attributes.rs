//! Owner, mode, time and extended attributes of what was made.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{self, AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::entries::Entry;
use super::fault::{Reason, Step};
use super::tree::Folder;

/// What a file gets beside its content.
#[derive(Debug)]
pub(super) struct Attributes {
    mode: u32,
    owner: Uid,
    group: Gid,
    /// In seconds since 1970; none for what the layer only implies.
    modified: Option<i64>,
    extended: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What could not be kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lost {
    pub(super) owners: u64,
    pub(super) extended: u64,
}

impl Attributes {
    /// Those of an entry, and how many of its extended attributes are left out.
    pub(super) fn of(entry: &Entry) -> Result<(Self, u64), Reason> {
        let extended: Vec<_> = entry.attributes.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
        let left_out = (entry.attributes.len() - extended.len()) as u64;
        let attributes = Self {
            mode: entry.mode & 0o7777,
            owner: Uid::from_raw(identifier(entry.owner)?),
            group: Gid::from_raw(identifier(entry.group)?),
            modified: Some(i64::try_from(entry.modified).unwrap_or(i64::MAX)),
            extended,
        };
        Ok((attributes, left_out))
    }

    /// Those of a folder that the layer does not list: what Docker gives it.
    pub(super) fn implied() -> Self {
        Self { mode: 0o755, owner: Uid::ROOT, group: Gid::ROOT, modified: None, extended: Vec::new() }
    }

    /// The memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.extended.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }

    /// For a file or folder that is open. The owner comes first: the kernel takes set-user-ID bits and capabilities
    /// away when it changes. The time comes last.
    pub(super) fn give(&self, file: BorrowedFd<'_>, lost: &mut Lost) -> Result<(), Reason> {
        let kept = owner_kept(fs::fchown(file, Some(self.owner), Some(self.group)), lost)?;
        fs::fchmod(file, self.mode_for(kept)).step("set a mode")?;
        for (name, value) in &self.extended {
            match fs::fsetxattr(file, OsStr::from_bytes(name), value, XattrFlags::empty()) {
                Ok(()) => {}
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::INVAL | Errno::TOOBIG | Errno::RANGE) => lost.extended += 1,
                Err(error) => return Err(error).step("set an attribute"),
            }
        }
        match self.modified {
            Some(seconds) => fs::futimens(file, &times(seconds)).step("set a time"),
            None => Ok(()),
        }
    }

    /// For a link, which has no mode, or a pipe, which nobody opens here. Neither can have `user.*` attributes.
    pub(super) fn give_by_name(
        &self, folder: &Folder, name: &OsStr, pipe: bool, lost: &mut Lost,
    ) -> Result<(), Reason> {
        let owned = fs::chownat(folder, name, Some(self.owner), Some(self.group), AtFlags::SYMLINK_NOFOLLOW);
        let kept = owner_kept(owned, lost)?;
        if pipe {
            fs::chmodat(folder, name, self.mode_for(kept), AtFlags::empty()).step("set a mode")?;
        }
        lost.extended += self.extended.len() as u64;
        let seconds = self.modified.unwrap_or(0);
        fs::utimensat(folder, name, &times(seconds), AtFlags::SYMLINK_NOFOLLOW).step("set a time")
    }

    /// A program that would run as its owner must not run as another one because the owner could not be kept.
    fn mode_for(&self, owner_kept: bool) -> Mode {
        let mut mode = Mode::from_raw_mode(self.mode);
        if !owner_kept && self.owner != rustix::process::geteuid() {
            mode.remove(Mode::SUID);
        }
        if !owner_kept && self.group != rustix::process::getegid() {
            mode.remove(Mode::SGID);
        }
        mode
    }
}

/// Whether the kernel took the owner: it says EPERM to who may not, EINVAL where the namespace does not have it.
fn owner_kept(result: Result<(), Errno>, lost: &mut Lost) -> Result<bool, Reason> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::PERM | Errno::INVAL) => {
            lost.owners += 1;
            Ok(false)
        }
        Err(error) => Err(error).step("set an owner"),
    }
}

fn times(seconds: i64) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

/// The kernel's -1 means "leave it", so it is no identifier.
fn identifier(id: u64) -> Result<u32, Reason> {
    u32::try_from(id).ok().filter(|&id| id != u32::MAX).ok_or(Reason::Owner(id))
}

/// `user.overlay.*` would let an image speak to overlayfs, which follows its redirects.
fn is_kept(name: &[u8]) -> bool {
    name == b"security.capability"
        || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay.") && !name.contains(&0))
}
