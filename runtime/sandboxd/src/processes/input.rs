//! A process's standard input.

use std::io;
use std::rc::Rc;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

use super::terminal::Terminal;

/// Ctrl-D, which a terminal in its usual mode reads as the end of what is typed.
const END_OF_INPUT: &[u8] = &[4];

/// Where a process reads from.
pub(crate) enum Input {
    Pipe(pipe::Sender),
    Terminal(Rc<Terminal>),
}

impl Input {
    /// Writes all of `bytes`, as fast as the process reads.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Input::Pipe(pipe) => pipe.write_all(bytes).await,
            Input::Terminal(terminal) => terminal.write_all(bytes).await,
        }
    }

    /// Says that nothing follows. A pipe is closed by dropping it; a terminal stays, for what its program asks next.
    pub(crate) async fn end(input: &mut Option<Self>) -> io::Result<()> {
        match input {
            Some(Input::Terminal(terminal)) => terminal.write_all(END_OF_INPUT).await,
            _ => {
                *input = None;
                Ok(())
            }
        }
    }
}
