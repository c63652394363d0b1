//! What could not be done, said in sentences, and not too many of them.

use crate::limits;

/// Sentences, up to a limit.
#[derive(Default)]
pub(crate) struct Notes {
    said: Vec<String>,
    left_out: u64,
}

impl Notes {
    pub(crate) fn push(&mut self, note: impl Into<String>) {
        if self.said.len() < limits::NOTES {
            self.said.push(note.into());
        } else {
            self.left_out += 1;
        }
    }

    /// All of them, with how many were left out as the last.
    pub(crate) fn into_sentences(mut self) -> Vec<String> {
        if self.left_out > 0 {
            self.said.push(format!("and {} more notes like these", self.left_out));
        }
        self.said
    }
}
