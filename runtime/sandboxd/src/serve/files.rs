//! Files: read as a stream, written beside their place and then put into it.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use exeat_inside::status::{Code, Status};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::answer::refusal;
use super::multipart::Multipart;
use crate::limits;

/// An entry of a listing.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) data: Metadata,
}

/// What a path names.
pub(super) enum Found {
    Folder,
    /// A file, opened, and its length.
    File(File, u64),
}

/// Opens what is at `place`. Neither a pipe nor a device is read: they could keep the only thread waiting.
pub(super) fn open(place: &Path, said: &str) -> Result<Found, Status> {
    let refused = |error: &io::Error| refusal(error, said);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(place)
        .map_err(|error| refused(&error))?;
    let data = file.metadata().map_err(|error| refused(&error))?;
    match data.file_type() {
        kind if kind.is_dir() => Ok(Found::Folder),
        kind if kind.is_file() => Ok(Found::File(file, data.len())),
        _ => Err(Status::new(Code::InvalidArgument, format!("`{}` is no file and no folder", said.escape_debug()))),
    }
}

/// A folder's entries by name. A link counts as what it leads to, and one that leads nowhere is left out.
pub(super) fn list(place: &Path, said: &str) -> Result<Vec<Entry>, Status> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(place).map_err(|error| refusal(&error, said))? {
        let entry = entry.map_err(|error| refusal(&error, said))?;
        let Ok(data) = fs::metadata(entry.path()) else { continue };
        if entries.len() >= limits::LISTED {
            let words =
                format!("`{}` has more than {} entries; list it by a command", said.escape_debug(), limits::LISTED);
            return Err(Status::new(Code::ResourceExhausted, words));
        }
        entries.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), data });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

impl Entry {
    /// `file` or `directory`.
    pub(super) fn kind(&self) -> &'static str {
        if self.data.is_dir() { "directory" } else { "file" }
    }

    /// Permission bits as four octal digits.
    pub(super) fn mode(&self) -> String {
        format!("{:04o}", self.data.mode() & 0o777)
    }
}

/// A file's bytes as a body, read as the connection takes them.
pub(super) struct Contents {
    pub(super) file: File,
    pub(super) left: u64,
}

impl http_body::Body for Contents {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let size = usize::try_from(self.left).unwrap_or(usize::MAX).min(limits::CHUNK_BYTES);
        if size == 0 {
            return Poll::Ready(None);
        }
        let mut bytes = BytesMut::zeroed(size);
        Poll::Ready(Some(match self.file.read(&mut bytes) {
            // The length was promised: a file that has been cut since breaks off.
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                bytes.truncate(read);
                self.left -= read as u64;
                Ok(Frame::data(bytes.freeze()))
            }
            Err(error) => Err(error),
        }))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.left)
    }
}

/// Where a file's bytes come from.
pub(super) enum Source {
    Raw(Incoming),
    Part(Multipart),
    Whole(Option<Bytes>),
}

impl Source {
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        match self {
            Source::Part(part) => part.chunk().await,
            Source::Whole(bytes) => Ok(bytes.take()),
            Source::Raw(body) => next_of_body(body).await,
        }
    }
}

/// The next bytes of a request's body.
pub(super) async fn next_of_body(body: &mut Incoming) -> Result<Option<Bytes>, Status> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Status::new(Code::Cancelled, error.to_string()))?;
        if let Ok(bytes) = frame.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Writes a file so that nobody ever sees half of it. Folders above it are made.
pub(super) async fn write(place: &Path, said: &str, mode: u32, mut source: Source) -> Result<(), Status> {
    let refused = |error: &io::Error| refusal(error, said);
    if place.is_dir() {
        return Err(refusal(&io::ErrorKind::IsADirectory.into(), said));
    }
    let folder = place.parent().ok_or_else(|| refusal(&io::ErrorKind::IsADirectory.into(), said))?;
    fs::create_dir_all(folder).map_err(|error| refused(&error))?;
    let mut draft = Draft::new(folder).map_err(|error| refused(&error))?;
    let mut length = 0;
    while let Some(bytes) = source.next().await? {
        length += bytes.len() as u64;
        if length > limits::FILE_BYTES {
            return Err(Status::new(Code::ResourceExhausted, "the file is longer than 64 GiB"));
        }
        draft.file.write_all(&bytes).map_err(|error| refused(&error))?;
    }
    draft.file.set_permissions(Permissions::from_mode(mode)).map_err(|error| refused(&error))?;
    draft.publish(place).map_err(|error| refused(&error))
}

/// A file on its way, removed where it does not arrive.
struct Draft {
    file: File,
    path: Option<PathBuf>,
}

impl Draft {
    fn new(folder: &Path) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!(".exeat-{}-{count}.tmp", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Draft { file, path: Some(path) }),
                // One that a restored snapshot's earlier life left behind.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn publish(mut self, place: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs::rename(path, place)?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes a file, or a folder: with what is in it only where that is asked for. The root itself stays and is emptied.
pub(super) fn remove(root: &Path, place: &Path, said: &str, recursive: bool) -> Result<(), Status> {
    let refused = |error: &io::Error| refusal(error, said);
    let data = fs::symlink_metadata(place).map_err(|error| refused(&error))?;
    let removed = match (data.is_dir(), recursive) {
        (false, _) => fs::remove_file(place),
        (true, false) if place == root => Err(io::ErrorKind::DirectoryNotEmpty.into()),
        (true, false) => fs::remove_dir(place),
        (true, true) if place == root => empty(place),
        (true, true) => fs::remove_dir_all(place),
    };
    removed.map_err(|error| refused(&error))
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if fs::symlink_metadata(&path)?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}
