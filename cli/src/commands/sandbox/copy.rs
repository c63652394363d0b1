//! `exeat sandbox copy`

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytes::{Buf, Bytes};
use exeat_inside::client::{Archive, Inside};
use exeat_inside::status::Code;
use serde_json::json;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use super::api::{Api, inside_problem};
use super::progress::Counter;
use super::unpack::{Unpacked, unpack};
use super::{Namespace, human, pack};
use crate::output::{Output, print_json};
use crate::problem::Problem;

/// Pieces of an archive between the connection and the thread that unpacks it.
const WAITING: usize = 4;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What is copied: a local path, or `NAME:PATH` in a sandbox.
    from: String,
    /// Where to: `NAME:PATH`, or a local path. Into a folder that is there, else to that very name.
    to: String,
    #[command(flatten)]
    namespace: Namespace,
}

pub(super) async fn copy(api: &Api, arguments: &Arguments, output: Output) -> Result<ExitCode, Problem> {
    let namespace = &arguments.namespace.namespace;
    let bytes = match (remote(&arguments.from), remote(&arguments.to)) {
        (Some((name, path)), None) => {
            let inside = api.inside(namespace, name).await?;
            copy_out(&inside, path, Path::new(&arguments.to)).await?
        }
        (None, Some((name, path))) => {
            let inside = api.inside(namespace, name).await?;
            copy_in(&inside, Path::new(&arguments.from), path).await?
        }
        _ => {
            return Err(Problem::input("one side must be in a sandbox, as `NAME:PATH`, and the other must not")
                .advise("a local path with a colon is written `./a:b`"));
        }
    };
    match output {
        Output::Json => print_json(&json!({ "from": arguments.from, "to": arguments.to, "bytes": bytes }))?,
        Output::Table => eprintln!("copied {} to {}", human::size(bytes), arguments.to),
    }
    Ok(ExitCode::SUCCESS)
}

/// `NAME:PATH`; a path that begins with `/` or `.` is a local one.
fn remote(text: &str) -> Option<(&str, &str)> {
    let (name, path) = text.split_once(':')?;
    (!name.is_empty() && !name.contains(['/', '.'])).then_some((name, path))
}

async fn copy_out(inside: &Inside, path: &str, to: &Path) -> Result<u64, Problem> {
    let failed = |error: io::Error| Problem::failure(format!("`{}` cannot be written: {error}", to.display()));
    let (parent, name) = if to.is_dir() {
        (to.to_owned(), None)
    } else {
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        (parent.to_owned(), to.file_name().map(PathBuf::from))
    };
    if !parent.is_dir() {
        return Err(Problem::input(format!("`{}` is not a folder", parent.display())).advise("make it first"));
    }
    let archive = inside.archive(path).await.map_err(inside_problem)?;
    // Beside its destination, so that a rename is all that remains. It is gone when this function ends.
    let staging = tempfile::Builder::new().prefix(".exeat-copy-").tempdir_in(&parent).map_err(failed)?;
    let (unpacked, bytes) = receive(archive, staging.path()).await?;
    if unpacked.links_left_out > 0 {
        eprintln!("exeat: {} links that lead out of what is copied were left out", unpacked.links_left_out);
    }
    let from = staging.path().join(&unpacked.top);
    let to = parent.join(name.unwrap_or(unpacked.top));
    settle(&from, &to)?;
    Ok(bytes)
}

/// Gives what was unpacked its place. A file takes a file's place; a folder takes nobody's.
fn settle(from: &Path, to: &Path) -> Result<(), Problem> {
    if from.is_dir() && to.symlink_metadata().is_ok() || to.is_dir() {
        return Err(Problem::input(format!("`{}` is there already", to.display()))
            .advise("name another destination, or remove that one first"));
    }
    std::fs::rename(from, to).map_err(|error| Problem::failure(format!("`{}`: {error}", to.display())))
}

/// Unpacks an archive as it comes.
async fn receive(mut archive: Archive, folder: &Path) -> Result<(Unpacked, u64), Problem> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let folder = folder.to_owned();
    let unpacking = tokio::task::spawn_blocking(move || unpack(Pieces { receiver, current: Bytes::new() }, &folder));
    let mut counter = Counter::new("copying", None);
    let received = loop {
        match archive.next().await {
            Ok(Some(piece)) => {
                counter.add(piece.len());
                if sender.send(Ok(piece)).await.is_err() {
                    // What the archive lacks, the thread says.
                    break Ok(());
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => {
                // What broke off must not pass for whole.
                let _ = sender.send(Err(io::ErrorKind::UnexpectedEof.into())).await;
                break Err(error);
            }
        }
    };
    drop(sender);
    let unpacked = unpacking.await.map_err(Problem::failure)?;
    received.map_err(inside_problem)?;
    Ok((unpacked.map_err(Problem::failure)?, counter.done()))
}

/// The bytes that come, for a thread.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let size = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..size]);
        Ok(size)
    }
}

async fn copy_in(inside: &Inside, from: &Path, to: &str) -> Result<u64, Problem> {
    let local =
        from.canonicalize().map_err(|error| Problem::input(format!("`{}` cannot be read: {error}", from.display())))?;
    let own_name = local.file_name().map_or_else(|| PathBuf::from("root"), PathBuf::from);
    let (folder, name) = if to.is_empty() || to.ends_with('/') || is_folder(inside, to).await? {
        (if to.is_empty() { "." } else { to }, own_name)
    } else {
        let (folder, name) = to.rsplit_once('/').unwrap_or((".", to));
        (if folder.is_empty() { "/" } else { folder }, PathBuf::from(name))
    };
    let total = pack::size(local.clone()).map_err(|error| Problem::failure(format!("cannot be read: {error}")))?;
    let (archive, packing) = pack::pack(local, name).map_err(Problem::failure)?;
    let counted = Counted { archive, counter: Counter::new("copying", Some(total)) };
    let sent = inside.extract(folder, counted).await;
    // Why the archive broke off comes before what that led to.
    packing.await.map_err(Problem::failure)?.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Problem::failure(format!("`{}` cannot be copied whole: {error}", from.display()))),
    })?;
    sent.map_err(inside_problem)?;
    Ok(total)
}

/// Whether there is a folder at a path inside: what its archive begins with says so, and no program is needed there.
async fn is_folder(inside: &Inside, path: &str) -> Result<bool, Problem> {
    let mut archive = match inside.archive(path).await {
        Ok(archive) => archive,
        Err(error) if error.code() == Some(Code::NotFound) => return Ok(false),
        Err(error) => return Err(inside_problem(error)),
    };
    let first = archive.next().await.map_err(inside_problem)?.unwrap_or_default();
    // The byte of a header that says what the entry is.
    Ok(first.get(156) == Some(&b'5'))
}

/// Counts what is read.
struct Counted<A> {
    archive: A,
    counter: Counter,
}

impl<A: AsyncRead + Unpin> AsyncRead for Counted<A> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>, buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = std::pin::Pin::new(&mut self.archive).poll_read(context, buffer);
        let more = buffer.filled().len() - before;
        self.counter.add(more);
        read
    }
}
