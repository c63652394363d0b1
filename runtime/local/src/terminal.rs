//! The caller's terminal: whether there is one, and leaving it as it was found.

use std::io::{self, IsTerminal, Stdin};

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

/// A terminal that is ours to give to the command, and its settings, which are restored when this is dropped. The
/// command changes them through gVisor, and if it is killed, nobody else puts them back.
pub(crate) struct Terminal {
    stdin: Stdin,
    settings: Termios,
}

impl Terminal {
    /// The terminal, where standard input, output and error are all on it and we are in its foreground. Otherwise
    /// the command gets three plain files: gVisor can take the three as one terminal or as none.
    pub(crate) fn take() -> Option<Self> {
        let stdin = io::stdin();
        let all = stdin.is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal();
        if !all || !is_foreground(&stdin) {
            return None;
        }
        let settings = tcgetattr(&stdin).ok()?;
        Some(Terminal { stdin, settings })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Now, and not when its output has been read: nobody may be reading it any more. The terminal may even have
        // gone, which is a way for a command to end.
        let _ = tcsetattr(&self.stdin, SetArg::TCSANOW, &self.settings);
    }
}

/// Whether reading standard input would take keys away from the shell: the kernel's job control, which would stop us
/// in the background of a terminal, ends at gVisor.
pub(crate) fn in_background() -> bool {
    let stdin = io::stdin();
    stdin.is_terminal() && !is_foreground(&stdin)
}

fn is_foreground(stdin: &Stdin) -> bool {
    tcgetpgrp(stdin) == Ok(getpgrp())
}
