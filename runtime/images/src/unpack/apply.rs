//! What each entry does to the folder.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use exeat_digest::Digest;

use super::Unpacked;
use super::attributes::{Attributes, Lost};
use super::entries::{Entry, Kind};
use super::fault::{Named, Reason, Step, UnpackError};
use super::place::{Mark, Place, link_target};
use super::tree::{Folder, There, Tree, set_opaque};
use crate::digest::LayerId;
use crate::limits;

/// Applies entries in their order. Folders get their attributes at the end, since filling them needs permission and
/// changes their time.
pub(super) struct Applier {
    tree: Tree,
    folders: BTreeMap<PathBuf, Attributes>,
    folder_bytes: usize,
    lost: Lost,
    devices: u64,
    markers: u64,
}

impl Applier {
    pub(super) fn new(tree: Tree) -> Self {
        let folders = BTreeMap::from([(PathBuf::new(), Attributes::implied())]);
        Self { tree, folders, folder_bytes: 0, lost: Lost::default(), devices: 0, markers: 0 }
    }

    /// Applies one entry, whose content is read from `content`.
    pub(super) fn apply(&mut self, entry: &Entry, content: &mut impl Read) -> Result<(), Reason> {
        if entry.kind != Kind::File && entry.size > 0 {
            return Err(Reason::Content(entry.size));
        }
        let place = Place::parse(&entry.path)?;
        let (folder, name) = match &place {
            Place::Root if entry.kind == Kind::Folder => return self.remember(PathBuf::new(), entry),
            Place::Root => return Err(Reason::Root),
            Place::In(folder, name) => (self.parent(folder)?, name.as_os_str()),
        };
        match Mark::parse(name)? {
            Some(Mark::Bookkeeping) => self.markers += 1,
            Some(Mark::Opaque) => set_opaque(folder.as_fd())?,
            Some(Mark::Deleted(name)) => self.delete(&place, &folder, name)?,
            None if entry.kind == Kind::Device => self.devices += 1,
            None if entry.kind == Kind::Folder => self.make_folder(&place, &folder, name, entry)?,
            None => self.make_other((&place, &folder, name), entry, content)?,
        }
        Ok(())
    }

    /// The folder that an entry lies in, with what the layer leaves out of it.
    fn parent(&mut self, path: &Path) -> Result<Folder, Reason> {
        if self.folders.contains_key(path) {
            return self.tree.folder(path);
        }
        let mut made = PathBuf::new();
        for part in path {
            let folder = self.tree.folder(&made)?;
            made.push(part);
            if self.tree.there(&folder, part)? == There::Nothing {
                self.tree.make_folder(&folder, part)?;
                self.keep(made.clone(), Attributes::implied())?;
            }
        }
        self.tree.folder(path)
    }

    /// A whiteout says nothing of what this layer itself has, whichever of the two comes first.
    fn delete(&mut self, place: &Place, folder: &Folder, name: &OsStr) -> Result<(), Reason> {
        match self.tree.there(folder, name)? {
            There::Nothing => self.tree.make_whiteout(folder, name),
            There::Folder => set_opaque(self.tree.folder(&place.path().with_file_name(name))?.as_fd()),
            There::Whiteout | There::Other => Ok(()),
        }
    }

    fn make_folder(&mut self, place: &Place, folder: &Folder, name: &OsStr, entry: &Entry) -> Result<(), Reason> {
        let there = self.tree.there(folder, name)?;
        if matches!(there, There::Whiteout | There::Other) {
            self.clear(place, folder, name)?;
        }
        if there != There::Folder {
            self.tree.make_folder(folder, name)?;
        }
        if matches!(there, There::Whiteout | There::Other) {
            set_opaque(self.tree.folder(&place.path())?.as_fd())?;
        }
        self.remember(place.path(), entry)
    }

    fn make_other(
        &mut self, at: (&Place, &Folder, &OsStr), entry: &Entry, content: &mut impl Read,
    ) -> Result<(), Reason> {
        let (place, folder, name) = at;
        let (attributes, left_out) = Attributes::of(entry)?;
        if self.tree.there(folder, name)? != There::Nothing {
            self.clear(place, folder, name)?;
        }
        match entry.kind {
            Kind::HardLink => return self.make_hard_link((folder, name), entry),
            Kind::Link => self.tree.make_link(folder, name, link_target(&entry.target)?)?,
            Kind::Pipe => self.tree.make_pipe(folder, name)?,
            Kind::File | Kind::Folder | Kind::Device => {
                let mut file = self.tree.make_file(folder, name)?;
                copy(content, &mut file)?;
                self.lost.extended += left_out;
                return attributes.give(file.as_fd(), &mut self.lost);
            }
        }
        self.lost.extended += left_out;
        attributes.give_by_name(folder, name, entry.kind == Kind::Pipe, &mut self.lost)
    }

    /// A hard link is another name of a file whose attributes are set already.
    fn make_hard_link(&mut self, to: (&Folder, &OsStr), entry: &Entry) -> Result<(), Reason> {
        let missing = || Reason::HardLink(entry.target.escape_ascii().to_string());
        if entry.target.is_empty() {
            return Err(Reason::NoTarget);
        }
        let Place::In(folder, name) = Place::parse(&entry.target)? else { return Err(missing()) };
        if !folder.as_os_str().is_empty() && !self.folders.contains_key(&folder) {
            // What is not a folder of this layer is a link, a file, or not there; the kernel knows which.
            return Err(match self.tree.folder(&folder) {
                Err(reason @ (Reason::ThroughLink | Reason::ThroughFile)) => reason,
                _ => missing(),
            });
        }
        let from = self.tree.folder(&folder)?;
        self.tree.make_hard_link((&from, &name), to)?.ok_or_else(missing)
    }

    /// Removes an earlier entry, with all in it.
    fn clear(&mut self, place: &Place, folder: &Folder, name: &OsStr) -> Result<(), Reason> {
        let gone = place.path();
        let within: Vec<PathBuf> = self
            .folders
            .range(gone.clone()..)
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(&gone))
            .cloned()
            .collect();
        for path in within {
            self.folders.remove(&path);
        }
        self.tree.remove(folder, name)
    }

    fn remember(&mut self, path: PathBuf, entry: &Entry) -> Result<(), Reason> {
        let (attributes, left_out) = Attributes::of(entry)?;
        self.lost.extended += left_out;
        self.keep(path, attributes)
    }

    /// What is forgotten again counts on: a layer that makes one folder a million times is hostile.
    fn keep(&mut self, path: PathBuf, attributes: Attributes) -> Result<(), Reason> {
        self.folder_bytes += path.as_os_str().len() + attributes.bytes();
        self.folders.insert(path, attributes);
        if self.folder_bytes > limits::FOLDER_BYTES { Err(Reason::FolderBytes) } else { Ok(()) }
    }

    /// Gives the folders their attributes, the innermost first.
    pub(super) fn finish(mut self) -> Result<Unpacked, UnpackError> {
        for (path, attributes) in std::mem::take(&mut self.folders).into_iter().rev() {
            let given = self.tree.folder(&path).and_then(|folder| attributes.give(folder.as_fd(), &mut self.lost));
            given.map_err(|reason| reason.named(path.as_os_str().as_encoded_bytes()))?;
        }
        Ok(Unpacked {
            diff_id: LayerId(Digest::of(b"")),
            size: 0,
            files: self.tree.made(),
            owners_lost: self.lost.owners,
            devices_skipped: self.devices,
            attributes_skipped: self.lost.extended,
            markers_skipped: self.markers,
        })
    }
}

/// Copies what is to be read, and says which side failed.
fn copy(content: &mut impl Read, file: &mut impl io::Write) -> Result<(), Reason> {
    let mut buffer = vec![0; limits::BUFFER_BYTES];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(()),
            read => file.write_all(&buffer[..read]).step("write a file")?,
        }
    }
}
