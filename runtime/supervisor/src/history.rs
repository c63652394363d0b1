//! A sandbox's life as a timeline, read from the journal: what was done with it, and what left it.

use std::collections::BTreeMap;
use std::path::Path;

use exeat_journal::{Catalog, Entry, Event, Filter, Mark};
use exeat_lifecycle::SandboxId;
use jiff::Timestamp;
use serde::Serialize;

use crate::error::Error;
use crate::limits;

/// One thing in a sandbox's life.
#[derive(Clone, Debug, Serialize)]
pub struct Happening {
    /// The record's number in the journal.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// `snapshot`, `exec`, `request`, `refused`, …
    pub act: String,
    /// More about it, in words.
    pub about: String,
}

/// Something that was changed outside and that going back does not undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outside {
    /// `github:pulls/create`
    pub action: String,
    /// The action's group: `mutate`, `publish`, …
    pub group: String,
    /// How often.
    pub count: u64,
    /// What it was done to, each once.
    pub resources: Vec<String>,
}

/// Groups of actions that change nothing.
const HARMLESS: &[&str] = &["read"];

/// What is in the journal about a sandbox, the oldest first.
///
/// # Errors
/// Where the journal cannot be read.
pub fn history(journal: &Path, id: &SandboxId) -> Result<Vec<Happening>, Error> {
    Ok(entries(journal, id, None)?.into_iter().filter_map(|entry| happening(&entry)).collect())
}

/// What left a sandbox after a record of the journal and was not refused by those who got it.
///
/// # Errors
/// Where the journal cannot be read.
pub fn outside(journal: &Path, id: &SandboxId, after: u64) -> Result<Vec<Outside>, Error> {
    let mut all: BTreeMap<(String, String), Outside> = BTreeMap::new();
    for entry in entries(journal, id, Some(after + 1))? {
        let Event::Intent(intent) = &entry.record.event else { continue };
        // What has no outcome may have been done.
        let failed = entry.outcome.as_ref().is_some_and(
            |outcome| matches!(outcome.event, Event::Outcome { status: Some(status), .. } if status >= 400),
        );
        let done = intent.operations.iter().filter(|_| !failed);
        for operation in done.filter(|operation| !HARMLESS.contains(&operation.group.as_deref().unwrap_or_default())) {
            let group = operation.group.clone().unwrap_or_else(|| "unclassified".to_owned());
            let key = (operation.action.clone(), group.clone());
            let new = Outside { action: operation.action.clone(), group, count: 0, resources: Vec::new() };
            let outside = all.entry(key).or_insert(new);
            outside.count += 1;
            if !outside.resources.contains(&operation.resource) && outside.resources.len() < 100 {
                outside.resources.push(operation.resource.clone());
            }
        }
    }
    Ok(all.into_values().collect())
}

fn entries(journal: &Path, id: &SandboxId, since: Option<u64>) -> Result<Vec<Entry>, Error> {
    let filter = Filter {
        session: Some(id.to_string()),
        since: since.map(Mark::Sequence),
        limit: Some(limits::HISTORY),
        ..Filter::default()
    };
    Catalog::scanning(journal).entries(&filter).map_err(|error| Error::Failed(error.to_string()))
}

fn happening(entry: &Entry) -> Option<Happening> {
    let (act, about) = match &entry.record.event {
        Event::Sandbox(facts) => {
            let words = facts.detail.iter().map(|(name, value)| match value.as_str() {
                Some(text) => format!("{name}: {text}"),
                None => format!("{name}: {value}"),
            });
            (facts.act.clone(), words.collect::<Vec<_>>().join(", "))
        }
        Event::Intent(intent) => {
            let outcome = entry.outcome.as_ref().map(|outcome| match &outcome.event {
                Event::Outcome { status: Some(status), .. } => format!("{status}"),
                Event::Outcome { error: Some(error), .. } => error.clone(),
                _ => "unknown".to_owned(),
            });
            let outcome = outcome.unwrap_or_else(|| "unknown".to_owned());
            let operations =
                intent.operations.iter().map(|operation| format!("{} {}", operation.action, operation.resource));
            ("request".to_owned(), format!("{} → {outcome}", operations.collect::<Vec<_>>().join(", ")))
        }
        Event::Refusal(refusal) => {
            let operations = refusal.operations.iter().map(|operation| operation.action.clone());
            let what = operations.collect::<Vec<_>>().join(", ");
            ("refused".to_owned(), format!("{what}: {}", refusal.message))
        }
        _ => return None,
    };
    Some(Happening { sequence: entry.record.sequence, time: entry.record.time, act, about })
}
