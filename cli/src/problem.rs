//! How anything that goes wrong is said: what, where, and what to do.

use std::fmt::Display;

use miette::Diagnostic;

/// A command that did not do what was asked.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub(crate) struct Problem {
    message: String,
    #[help]
    advice: Option<String>,
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    /// What the user gave cannot be used.
    Input,
    /// What was asked for is fine and did not work.
    Failure,
}

impl Problem {
    /// Wrong usage or input: exit code 2.
    pub(crate) fn input(message: impl Display) -> Self {
        Problem { message: message.to_string(), advice: None, fault: Fault::Input }
    }

    /// A failure: exit code 1.
    pub(crate) fn failure(message: impl Display) -> Self {
        Problem { message: message.to_string(), advice: None, fault: Fault::Failure }
    }

    /// The same, with what to do about it.
    pub(crate) fn advise(mut self, advice: impl Display) -> Self {
        self.advice = Some(advice.to_string());
        self
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self.fault {
            Fault::Input => 2,
            Fault::Failure => 1,
        }
    }
}
