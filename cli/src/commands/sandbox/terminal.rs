//! The terminal that a command's own terminal is shown on.

use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use exeat_inside::client::Size;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::problem::Problem;

/// What the terminal was before, for as long as it is raw.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Every key goes to the command inside. Dropped, the terminal is as it was; a panic restores it as well.
pub(super) struct Raw(());

impl Raw {
    pub(super) fn enter() -> Result<Self, Problem> {
        let stdin = std::io::stdin();
        let before = tcgetattr(stdin.as_fd()).map_err(Problem::failure)?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        let usual = std::panic::take_hook();
        // Where a panic aborts, nothing is dropped.
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            usual(panic);
        }));
        tcsetattr(stdin.as_fd(), OptionalActions::Drain, &raw).map_err(Problem::failure)?;
        Ok(Raw(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = tcsetattr(std::io::stdin().as_fd(), OptionalActions::Drain, &before);
    }
}

/// The terminal's size; that of an old one where there is none.
pub(super) fn size() -> Size {
    let found = tcgetwinsize(std::io::stdin().as_fd()).or_else(|_| tcgetwinsize(std::io::stdout().as_fd()));
    match found {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size { cols: size.ws_col, rows: size.ws_row },
        _ => Size { cols: 80, rows: 24 },
    }
}
