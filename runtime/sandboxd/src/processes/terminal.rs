//! Pseudo-terminals.
//!
//! A terminal's program must lead a session and have the terminal as its own before it runs. Between fork and exec
//! only `unsafe` code could see to that, so sandboxd runs itself: [`become_leader`] does both and then becomes the
//! program.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) cols: u16,
    pub(crate) rows: u16,
}

/// Our end of a terminal.
pub(crate) struct Terminal(AsyncFd<OwnedFd>);

impl Terminal {
    /// A new terminal of this size, and the end for its program.
    pub(crate) fn open(size: Size) -> io::Result<(Self, OwnedFd)> {
        let ours = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::pty::grantpt(&ours)?;
        rustix::pty::unlockpt(&ours)?;
        let name = rustix::pty::ptsname(&ours, Vec::new())?;
        let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let terminal = Terminal(watched(ours)?);
        terminal.resize(size)?;
        Ok((terminal, theirs))
    }

    /// Another size. The kernel tells the foreground by SIGWINCH.
    pub(crate) fn resize(&self, size: Size) -> io::Result<()> {
        let size = Winsize { ws_col: size.cols, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(rustix::termios::tcsetwinsize(self.0.get_ref(), size)?)
    }

    /// The group in the foreground, where the kernel says.
    pub(crate) fn foreground(&self) -> Option<i32> {
        rustix::termios::tcgetpgrp(self.0.get_ref()).ok().map(|pid| pid.as_raw_nonzero().get())
    }

    /// Reads what programs wrote. Nothing where no program has the terminal open any more.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> usize {
        let read = self.0.async_io(Interest::READABLE, |ours| Ok(rustix::io::read(ours, &mut *buffer)?)).await;
        // EIO is a terminal's way to say that it has ended.
        read.unwrap_or(0)
    }

    /// Types `bytes`.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.0.async_io(Interest::WRITABLE, |ours| Ok(rustix::io::write(ours, bytes)?)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

/// `AsyncFd::new` takes whatever claims to have a descriptor; a descriptor that it owns stays open.
#[expect(deprecated, reason = "what replaces it is an `unsafe` function, for the sake of other types than this")]
fn watched(ours: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(ours)
}

/// Becomes the leader of a session whose terminal is standard input, and then the program: `PROGRAM NAME ARGUMENT…`.
/// It returns where that fails, with the exit code that a shell gives.
pub(crate) fn become_leader(mut words: impl Iterator<Item = OsString>) -> u8 {
    let (Some(program), Some(name)) = (words.next(), words.next()) else { return 126 };
    let led = rustix::process::setsid().and_then(|_| rustix::process::ioctl_tiocsctty(io::stdin()));
    let error = match led {
        Ok(()) => Command::new(&program).arg0(name).args(words).exec(),
        Err(error) => error.into(),
    };
    eprintln!("exeat-sandboxd: cannot run `{}`: {error}", program.to_string_lossy().escape_debug());
    126
}
