//! What the kernel knows of one file, in our words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Timespec, Timestamps, major, minor};

/// What sort of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix socket's name.
    Socket,
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// A moment as a file system keeps it, since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds; negative before 1970.
    pub seconds: i64,
    /// Nanoseconds on top of them, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl Time {
    /// The clock's time less `back`.
    pub(crate) fn before_now(back: Duration) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(back);
        Self { seconds: since.as_secs().cast_signed(), nanoseconds: since.subsec_nanos() }
    }

    fn spec(self) -> Timespec {
        Timespec { tv_sec: self.seconds, tv_nsec: self.nanoseconds.into() }
    }
}

/// One file's facts, of its inode itself: a symlink is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What sort of file it is.
    pub kind: Kind,
    /// The lowest twelve bits: permissions, set-user-id, set-group-id, sticky.
    pub mode: u32,
    /// The owner, as this process's user namespace numbers it.
    pub user: u32,
    /// The group, likewise.
    pub group: u32,
    /// Bytes of a file's content, or of a symlink's target.
    pub size: u64,
    /// When the content last changed (`mtime`).
    pub modified: Time,
    /// When anything of the inode last changed (`ctime`).
    pub changed: Time,
    /// The number of the device that holds it.
    pub device: u64,
    /// Its number on that device.
    pub inode: u64,
    /// How many names the inode has.
    pub links: u64,
    /// Allocated blocks of 512 bytes.
    pub blocks: u64,
    /// A device node's own number.
    pub special: u64,
    pub(crate) accessed: Time,
}

impl Stat {
    /// Whether this is overlayfs's mark for a removed name.
    pub(crate) fn is_whiteout(&self) -> bool {
        self.kind == Kind::Character && major(self.special) == 0 && minor(self.special) == 0
    }

    /// Whether both are the same inode.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    pub(crate) fn timestamps(&self) -> Timestamps {
        Timestamps { last_access: self.accessed.spec(), last_modification: self.modified.spec() }
    }
}

impl From<rustix::fs::Stat> for Stat {
    #[allow(clippy::unnecessary_cast, reason = "the fields' widths differ between architectures")]
    fn from(stat: rustix::fs::Stat) -> Self {
        Self {
            kind: Kind::from(FileType::from_raw_mode(stat.st_mode)),
            mode: stat.st_mode & 0o7777,
            user: stat.st_uid,
            group: stat.st_gid,
            size: stat.st_size as u64,
            modified: Time { seconds: stat.st_mtime as i64, nanoseconds: stat.st_mtime_nsec as u32 },
            changed: Time { seconds: stat.st_ctime as i64, nanoseconds: stat.st_ctime_nsec as u32 },
            accessed: Time { seconds: stat.st_atime as i64, nanoseconds: stat.st_atime_nsec as u32 },
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            links: stat.st_nlink as u64,
            blocks: stat.st_blocks as u64,
            special: stat.st_rdev as u64,
        }
    }
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice => Self::Character,
            FileType::BlockDevice => Self::Block,
            FileType::RegularFile | FileType::Unknown => Self::File,
        }
    }
}

impl From<Kind> for FileType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Folder => Self::Directory,
            Kind::Symlink => Self::Symlink,
            Kind::Fifo => Self::Fifo,
            Kind::Socket => Self::Socket,
            Kind::Character => Self::CharacterDevice,
            Kind::Block => Self::BlockDevice,
            Kind::File => Self::RegularFile,
        }
    }
}
