//! What visitors do, written into the journal.

use exeat_lifecycle::SandboxId;
use serde_json::{Map, json};

use crate::error::Error;
use crate::limits;
use crate::supervisor::Supervisor;

impl Supervisor {
    /// Writes into the journal that a command is about to be run in a sandbox, before anything that it makes leave. What of
    /// its words is too long is left out.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Failed`] where the journal takes nothing, and then it must not be run.
    pub async fn record_exec(&self, id: &SandboxId, words: &[String]) -> Result<(), Error> {
        let sandbox = self.get(id)?;
        let mut left = limits::RECORDED_WORDS_BYTES;
        let mut shown: Vec<&str> = Vec::new();
        for word in words {
            let part = &word[..word.floor_char_boundary(left)];
            left -= part.len();
            shown.push(part);
            if part.len() < word.len() || left == 0 {
                break;
            }
        }
        let mut detail = Map::from_iter([("command".to_owned(), json!(shown))]);
        if shown.iter().map(|part| part.len()).ne(words.iter().map(String::len)) {
            detail.insert("cut".to_owned(), json!(true));
        }
        self.record_soon(&sandbox, "exec", detail).await
    }
}
