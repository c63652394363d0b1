//! A disk that is soon full.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A small disk in memory, gone when dropped.
pub struct Disk(tempfile::TempDir);

impl Disk {
    /// One of this size, as tmpfs(5) has it: `16m`.
    ///
    /// # Panics
    /// Where this user may not mount one.
    pub fn new(size: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("xd-").tempdir_in("/tmp").unwrap();
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("tmpfs"), folder.path(), Some("tmpfs"), flags, Some(format!("size={size},mode=700").as_str()))
            .unwrap();
        Disk(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that is left, by a file.
    ///
    /// # Panics
    /// Where the file cannot be made.
    pub fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).unwrap();
        let (mut block, zeros) = (1024 * 1024, vec![0; 1024 * 1024]);
        while block > 0 {
            if file.write_all(&zeros[..block]).is_err() {
                block /= 2;
            }
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}
