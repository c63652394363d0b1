//! Tar archives of a path, out and in. Files are read and written on a thread of their own, which waits where the
//! connection does.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use exeat_inside::control::{Piece, Place, UNRESTORED};
use exeat_inside::framing::frame;
use exeat_inside::process::Empty;
use exeat_inside::status::{Code, Status};
use http::Request;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::answer::{Body, refusal};
use super::{Sandbox, grpc, place};
use crate::limits;

/// Pieces between the two threads.
const WAITING: usize = 2;
/// A file with so many bytes of holes is packed without them, as GNU tar does.
const HOLES: u64 = 1024 * 1024;

/// The archive of what is at `place`.
pub(super) fn pack(sandbox: &Sandbox, place: &Place) -> Result<Body, Status> {
    let said = place.path.clone();
    let path = place::anywhere(&sandbox.root, &said)?;
    fs::symlink_metadata(&path).map_err(|error| refusal(&error, &said))?;
    let (sender, receiver) = mpsc::channel(WAITING);
    spawn_blocking(move || {
        let writer = BufWriter::with_capacity(limits::CHUNK_BYTES, Sender(sender.clone()));
        if let Err(error) = pack_into(writer, &path) {
            // Where nobody takes the archive any more, there is nobody to tell.
            let _ = sender.blocking_send(Err(refusal(&error, &said)));
        }
    });
    Ok(Box::pin(grpc::Relay::new(receiver)))
}

/// Packs a tree in the order of its names, so that a tree that did not change gives the same archive and snapshots find
/// what they have. The sandbox goes on meanwhile: what disappears is left out.
fn pack_into(writer: impl Write, path: &Path) -> io::Result<()> {
    let mut archive = tar::Builder::new(writer);
    archive.follow_symlinks(false);
    let name = path.file_name().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let mut waiting = vec![(path.to_owned(), name)];
    while let Some((path, name)) = waiting.pop() {
        match pack_one(&mut archive, &path, &name) {
            Ok(below) => waiting.extend(below.into_iter().map(|below| (path.join(&below), name.join(&below)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    archive.into_inner()?.flush()
}

/// Packs one entry. Of a folder, it gives the names in it, the first one last.
fn pack_one(archive: &mut tar::Builder<impl Write>, path: &Path, name: &Path) -> io::Result<Vec<OsString>> {
    let kind = fs::symlink_metadata(path)?.file_type();
    let mut below = Vec::new();
    if kind.is_dir() {
        archive.append_dir(name, path)?;
        below = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
        below.retain(|name| name != UNRESTORED);
        below.sort_unstable_by(|one: &OsString, other| other.cmp(one));
    } else if kind.is_file() {
        pack_file(archive, fs::File::open(path)?, name)?;
    } else if kind.is_symlink() {
        pack_link(archive, path, name)?;
    }
    // Sockets, pipes and devices mean nothing elsewhere.
    Ok(below)
}

/// Packs a file with the size that it has now: what is appended meanwhile is left out, and what is cut off meanwhile is
/// zeros. Otherwise the archive would be none from there on.
fn pack_file(archive: &mut tar::Builder<impl Write>, mut file: fs::File, name: &Path) -> io::Result<()> {
    let about = file.metadata()?;
    if about.blocks().saturating_mul(512).saturating_add(HOLES) < about.len() {
        return archive.append_file(name, &mut file);
    }
    let mut header = tar::Header::new_gnu();
    header.set_metadata(&about);
    archive.append_data(&mut header, name, file.chain(io::repeat(0)).take(about.len()))
}

/// Packs a link with its target as it is: `tar` on its own would tidy up a short one.
fn pack_link(archive: &mut tar::Builder<impl Write>, path: &Path, name: &Path) -> io::Result<()> {
    let target = fs::read_link(path)?;
    let mut header = tar::Header::new_gnu();
    header.set_metadata(&fs::symlink_metadata(path)?);
    header.set_size(0);
    match header.set_link_name_literal(target.as_os_str().as_bytes()) {
        Ok(()) => archive.append_data(&mut header, name, io::empty()),
        Err(_) => archive.append_link(&mut header, name, &target),
    }
}

/// Unpacks an archive.
pub(super) async fn unpack(sandbox: &Sandbox, request: Request<Incoming>) -> Result<Empty, Status> {
    let mut pieces = grpc::Messages::of(request)?;
    let first: Option<Piece> = pieces.next().await?;
    let Some(Piece { path: Some(said), bytes, clear }) = first else {
        return Err(Status::new(Code::InvalidArgument, "the first piece does not name the folder"));
    };
    let folder = place::anywhere(&sandbox.root, &said)?;
    fs::create_dir_all(&folder).map_err(|error| refusal(&error, &said))?;
    let (sender, receiver) = mpsc::channel(WAITING);
    let unpacking = spawn_blocking(move || {
        let mut archive = tar::Archive::new(Receiver { pieces: receiver, current: bytes });
        archive.set_preserve_permissions(true);
        archive.set_overwrite(true);
        if !clear {
            return archive.unpack(&folder);
        }
        let mark = folder.join(UNRESTORED);
        fs::write(&mark, [])?;
        empty(&folder)?;
        archive.unpack(&folder)?;
        // Whoever sees that it is gone sees everything else.
        fs::remove_file(&mark)
    });
    let mut fed = Ok(());
    while let Some(piece) = pieces.next::<Piece>().await.unwrap_or_else(|status| {
        fed = Err(status);
        None
    }) {
        if sender.send(Ok(piece.bytes)).await.is_err() {
            break;
        }
    }
    if fed.is_err() {
        // An archive that broke off must not pass for a whole one.
        let _ = sender.send(Err(io::ErrorKind::UnexpectedEof.into())).await;
    }
    drop(sender);
    let unpacked = unpacking.await.map_err(|error| Status::new(Code::Internal, error.to_string()))?;
    fed?;
    unpacked.map(|()| Empty {}).map_err(|error| why(&error, &said))
}

/// Removes what is in a folder, but for the mark. What cannot be entered is made so: all of it is ours.
fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // The second is a disk's own, and root's.
        if entry.file_name() == UNRESTORED || entry.file_name() == "lost+found" {
            continue;
        }
        let path = entry.path();
        if !entry.file_type()?.is_dir() {
            fs::remove_file(&path)?;
        } else if fs::remove_dir_all(&path).is_err() {
            open_up(&path)?;
            fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

/// Lets a folder's owner into everything below it.
fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

/// The cause below tar's own words.
fn why(error: &io::Error, said: &str) -> Status {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut kernel = None;
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            kernel = io.raw_os_error().map(io::Error::from_raw_os_error).or(kernel);
        }
        cause = error.source();
    }
    match kernel {
        Some(error) => refusal(&error, said),
        None => Status::new(Code::InvalidArgument, format!("the archive cannot be unpacked: {error}")),
    }
}

/// Bytes to the connection.
struct Sender(mpsc::Sender<Result<Bytes, Status>>);

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = bytes.len().min(limits::CHUNK_BYTES);
        let piece = Piece { bytes: Bytes::copy_from_slice(&bytes[..size]), ..Piece::default() };
        self.0.blocking_send(Ok(frame(&piece))).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes from the connection.
struct Receiver {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Receiver {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let size = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..size]);
        Ok(size)
    }
}
