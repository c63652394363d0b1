//! The files of a layout or of an archive, by their names.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::limits;
use crate::unpack::{Entries, Kind};

/// Where an image's files are. Errors are sentences: who asks knows the path.
pub(crate) enum Files {
    Folder(OwnedFd),
    Archive(File, HashMap<String, Stored>),
}

/// A file's content, and how long it is, in bytes.
pub(crate) type Opened<'a> = (Box<dyn Read + 'a>, u64);

/// A file of an archive.
pub(crate) enum Stored {
    /// Where its content begins, and how long it is, in bytes.
    At(u64, u64),
    /// Another name of a file: `docker save` writes a layer once.
    Link(String),
}

impl Files {
    pub(crate) fn folder(path: &Path) -> Result<Self, String> {
        Ok(Self::Folder(File::open(path).map_err(|error| error.to_string())?.into()))
    }

    /// Reads an archive's list of files.
    pub(crate) fn archive(path: &Path) -> Result<Self, String> {
        let mut file = File::open(path).map_err(|error| error.to_string())?;
        let mut head = Vec::new();
        file.by_ref().take(4).read_to_end(&mut head).map_err(|error| error.to_string())?;
        if matches!(head[..], [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd]) {
            return Err("it is compressed; decompress it first".into());
        }
        file.seek(SeekFrom::Start(0)).map_err(|error| error.to_string())?;
        let mut entries = Entries::new(file);
        let mut stored = HashMap::new();
        while let Some(entry) = entries.next().map_err(|reason| reason.to_string())? {
            let name = clean(&String::from_utf8_lossy(&entry.path));
            match entry.kind {
                Kind::File => stored.insert(name, Stored::At(entries.position(), entry.size)),
                Kind::Link | Kind::HardLink => {
                    let target = String::from_utf8_lossy(&entry.target).into_owned();
                    let base =
                        if entry.kind == Kind::Link { name.rsplit_once('/').map_or("", |(base, _)| base) } else { "" };
                    stored.insert(name.clone(), Stored::Link(clean(&format!("{base}/{target}"))))
                }
                Kind::Folder | Kind::Pipe | Kind::Device => None,
            };
            if stored.len() > limits::ARCHIVE_FILES {
                return Err(format!("it has more than {} files", limits::ARCHIVE_FILES));
            }
        }
        Ok(Self::Archive(entries.into_inner(), stored))
    }

    /// Opens a file and says how long it is, in bytes; nothing where there is none.
    pub(crate) fn open(&self, name: &str) -> Result<Option<Opened<'_>>, String> {
        match self {
            Self::Folder(folder) => open_beneath(folder, name),
            Self::Archive(file, stored) => {
                let found = match stored.get(&clean(name)) {
                    Some(Stored::Link(target)) => stored.get(target),
                    found => found,
                };
                let Some(Stored::At(position, size)) = found else { return Ok(None) };
                let mut file = file;
                file.seek(SeekFrom::Start(*position)).map_err(|error| error.to_string())?;
                Ok(Some((Box::new(file.take(*size)), *size)))
            }
        }
    }

    /// Reads a file of at most so many bytes.
    pub(crate) fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
        let Some((file, size)) = self.open(name)? else { return Ok(None) };
        if size > most {
            return Err(format!("its `{name}` has {size} bytes, and {most} are the most"));
        }
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(|error| format!("its `{name}` cannot be read: {error}"))?;
        Ok(Some(bytes))
    }
}

fn open_beneath(folder: &OwnedFd, name: &str) -> Result<Option<Opened<'static>>, String> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file: File =
        match openat2(folder, name, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty(), resolve) {
            Ok(file) => file.into(),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(format!("its `{name}` cannot be opened: {error}")),
        };
    let about = file.metadata().map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err(format!("its `{name}` is not a file"));
    }
    Ok(Some((Box::new(file), about.len())))
}

/// A name within an archive, with `.` and `..` worked out. It is looked up in a list, never on a disk.
fn clean(name: &str) -> String {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
