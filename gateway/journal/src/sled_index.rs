//! The index on sled 0.34.
//!
//! ```text
//! records   sequence                     → place, time, session, actions, decision
//! sessions  session 00 sequence          → nothing
//! actions   action 00 sequence           → nothing
//! decisions A or R, sequence             → nothing
//! times     microseconds sequence        → nothing
//! outcomes  intent                       → sequence
//! ```
//! Numbers are big-endian, so that they sort.

use std::ops::Bound;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sled::Tree;

use crate::index::{Facts, Head, Index, IndexError, Indexed, Place};
use crate::{ActionFilter, Decision, Filter, Mark};

/// How much of the index sled keeps in memory.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
const HEAD: &[u8] = b"head";

/// An index in a directory of its own.
pub struct SledIndex {
    database: sled::Db,
    records: Tree,
    sessions: Tree,
    actions: Tree,
    decisions: Tree,
    times: Tree,
    outcomes: Tree,
}

impl SledIndex {
    /// Opens the index in `directory`, or makes one there.
    ///
    /// sled can panic on files that are not as it left them, and a panic may end the process. So open only what is
    /// known to be as sled left it: the [`Catalog`](crate::Catalog) sees to that.
    ///
    /// # Errors
    /// [`IndexError`]
    pub fn open(directory: &Path) -> Result<SledIndex, IndexError> {
        // No timer that flushes: durability is the journal's business.
        let config = sled::Config::new().path(directory).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let database = config.open()?;
        let tree = |name: &str| database.open_tree(name);
        Ok(SledIndex {
            records: tree("records")?,
            sessions: tree("sessions")?,
            actions: tree("actions")?,
            decisions: tree("decisions")?,
            times: tree("times")?,
            outcomes: tree("outcomes")?,
            database,
        })
    }

    /// Hands everything to the system, so that the files can be read as they are. This is no durability.
    pub(crate) fn settle(&self) -> Result<(), IndexError> {
        self.database.flush()?;
        Ok(())
    }

    fn insert(&self, Indexed { facts, place, .. }: &Indexed) -> Result<(), IndexError> {
        let sequence = facts.sequence.to_be_bytes();
        let row = Row::of(facts, *place);
        self.records.insert(sequence, serde_json::to_vec(&row).map_err(|error| IndexError(error.to_string()))?)?;
        self.times.insert([time_key(facts.time), sequence].concat(), &[])?;
        if let Some(session) = &facts.session {
            self.sessions.insert(text_key(session, facts.sequence), &[])?;
        }
        for action in &facts.actions {
            self.actions.insert(text_key(action, facts.sequence), &[])?;
        }
        if let Some(decision) = facts.decision {
            self.decisions.insert(decision_key(decision, facts.sequence), &[])?;
        }
        if let Some(intent) = facts.outcome_of.map(u64::to_be_bytes)
            && !self.outcomes.contains_key(intent)?
        {
            self.outcomes.insert(intent, &sequence)?;
        }
        Ok(())
    }

    fn row(&self, sequence: u64) -> Result<Option<Row>, IndexError> {
        let Some(value) = self.records.get(sequence.to_be_bytes())? else { return Ok(None) };
        serde_json::from_slice(&value).map(Some).map_err(|error| IndexError(error.to_string()))
    }

    /// Numbers of records among which all are that the filter asks for, newest first: by the condition that is likely
    /// to leave the fewest.
    fn candidates(&self, filter: &Filter) -> Candidates {
        let (since, until) = filter.bounds();
        if let Some(session) = &filter.session {
            return newest(&self.sessions, text_key(session, since), text_key(session, until));
        }
        match &filter.action {
            Some(ActionFilter::Exact(action)) => {
                return newest(&self.actions, text_key(action, since), text_key(action, until));
            }
            Some(ActionFilter::Prefix(prefix)) => return sorted(self.actions.scan_prefix(prefix)),
            None => {}
        }
        let time = |mark, otherwise| match mark {
            Some(Mark::Time(time)) => time_key(time.as_microsecond()),
            _ => otherwise,
        };
        let times = (time(filter.since, [0; 8]), time(filter.until, [0xff; 8]));
        if times != ([0; 8], [0xff; 8]) {
            let (from, to) = ([times.0, [0; 8]].concat(), [times.1, [0xff; 8]].concat());
            return if from <= to { sorted(self.times.range(from..=to)) } else { Box::new(std::iter::empty()) };
        }
        match filter.decision {
            Some(decision) => newest(&self.decisions, decision_key(decision, since), decision_key(decision, until)),
            None => newest(&self.records, since.to_be_bytes().to_vec(), until.to_be_bytes().to_vec()),
        }
    }
}

impl Index for SledIndex {
    fn head(&self) -> Result<Option<Head>, IndexError> {
        let Some(value) = self.database.get(HEAD)? else { return Ok(None) };
        let parts = value.split_first_chunk::<8>().and_then(|(sequence, hash)| Some((sequence, hash.try_into().ok()?)));
        let Some((sequence, hash)) = parts else { return Err(IndexError("its head is not one".to_owned())) };
        Ok(Some(Head { sequence: u64::from_be_bytes(*sequence), hash }))
    }

    fn apply(&mut self, records: &[Indexed]) -> Result<(), IndexError> {
        for record in records {
            self.insert(record)?;
        }
        if let Some(last) = records.last() {
            let head = [last.facts.sequence.to_be_bytes().as_slice(), &last.hash].concat();
            self.database.insert(HEAD, head)?;
        }
        Ok(())
    }

    fn select(&self, filter: &Filter) -> Result<Vec<u64>, IndexError> {
        let mut selected = Vec::new();
        for sequence in self.candidates(filter) {
            if selected.len() >= filter.limit.unwrap_or(usize::MAX) {
                break;
            }
            let sequence = sequence?;
            let Some(row) = self.row(sequence)? else {
                return Err(IndexError("it names a record that it lacks".to_owned()));
            };
            if filter.matches(&row.facts(sequence)) {
                selected.push(sequence);
            }
        }
        selected.reverse();
        Ok(selected)
    }

    fn place(&self, sequence: u64) -> Result<Option<Place>, IndexError> {
        Ok(self.row(sequence)?.map(|row| Place { segment: row.segment, offset: row.offset }))
    }

    fn outcome(&self, intent: u64) -> Result<Option<u64>, IndexError> {
        self.outcomes.get(intent.to_be_bytes())?.map(|value| sequence_of(&value)).transpose()
    }
}

/// What is kept of a record.
#[derive(Serialize, Deserialize)]
struct Row {
    segment: u64,
    offset: u64,
    time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    actions: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allowed: Option<bool>,
}

impl Row {
    fn of(facts: &Facts, place: Place) -> Row {
        Row {
            segment: place.segment,
            offset: place.offset,
            time: facts.time,
            session: facts.session.clone(),
            actions: facts.actions.clone(),
            allowed: facts.decision.map(|decision| decision == Decision::Allowed),
        }
    }

    fn facts(self, sequence: u64) -> Facts {
        let decision = self.allowed.map(|allowed| if allowed { Decision::Allowed } else { Decision::Refused });
        let Row { time, session, actions, .. } = self;
        Facts { sequence, time, session, actions, decision, outcome_of: None }
    }
}

type Candidates = Box<dyn Iterator<Item = Result<u64, IndexError>>>;

fn newest(tree: &Tree, from: Vec<u8>, to: Vec<u8>) -> Candidates {
    if from > to {
        return Box::new(std::iter::empty());
    }
    // Between the two are only keys of their length that begin as they do: a longer text that begins so has the zero
    // elsewhere, or is judged again by its row.
    let length = from.len();
    let entries = tree.range((Bound::Included(from), Bound::Included(to))).rev();
    Box::new(entries.filter_map(move |entry| match entry {
        Ok((key, _)) => (key.len() == length).then(|| sequence_of(&key)),
        Err(error) => Some(Err(error.into())),
    }))
}

fn sorted(entries: sled::Iter) -> Candidates {
    let sequences: Result<Vec<u64>, IndexError> = entries.keys().map(|key| sequence_of(&key?)).collect();
    match sequences {
        Ok(mut sequences) => {
            sequences.sort_unstable_by(|a, b| b.cmp(a));
            sequences.dedup();
            Box::new(sequences.into_iter().map(Ok))
        }
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

fn text_key(text: &str, sequence: u64) -> Vec<u8> {
    [text.as_bytes(), &[0], &sequence.to_be_bytes()].concat()
}

fn decision_key(decision: Decision, sequence: u64) -> Vec<u8> {
    let letter = if decision == Decision::Allowed { b'A' } else { b'R' };
    [[letter].as_slice(), &sequence.to_be_bytes()].concat()
}

/// Flips the sign, so that times before 1970 sort first.
fn time_key(time: i64) -> [u8; 8] {
    (time.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// The number at the end of a key, or in a value.
fn sequence_of(bytes: &[u8]) -> Result<u64, IndexError> {
    let last = bytes.last_chunk::<8>().ok_or_else(|| IndexError("a number in it is too short".to_owned()))?;
    Ok(u64::from_be_bytes(*last))
}

impl From<sled::Error> for IndexError {
    fn from(error: sled::Error) -> Self {
        IndexError(error.to_string())
    }
}
