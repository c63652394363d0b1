//! One step of the story: what is expected, what was observed.

use serde::Serialize;

/// A step with what it showed.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its name.
    pub step: &'static str,
    /// What should happen, in a sentence.
    pub expected: &'static str,
    /// What did.
    pub observed: String,
    /// Whether every check held.
    pub ok: bool,
}

/// A step in the making.
pub(crate) struct Observation {
    step: &'static str,
    expected: &'static str,
    held: Vec<String>,
    failed: Vec<String>,
}

impl Observation {
    pub(crate) fn of(step: &'static str, expected: &'static str) -> Self {
        Observation { step, expected, held: Vec::new(), failed: Vec::new() }
    }

    /// Checks `claim`; where it does not hold, `found` says what was there instead.
    pub(crate) fn check(&mut self, holds: bool, claim: &str, found: impl FnOnce() -> String) {
        if holds {
            self.held.push(claim.to_owned());
        } else {
            self.failed.push(format!("NOT {claim}: {}", found().trim()));
        }
    }

    pub(crate) fn done(self) -> Step {
        let ok = self.failed.is_empty() && !self.held.is_empty();
        let said = if self.failed.is_empty() { self.held } else { self.failed };
        Step { step: self.step, expected: self.expected, observed: said.join("; "), ok }
    }
}
