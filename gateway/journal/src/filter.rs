//! Which records are asked for. One judgement, for the index and for a scan alike, so that their answers are the same.

use jiff::Timestamp;

use crate::{Event, OperationFacts, Record};

/// Which records are asked for: those that meet every condition that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this session. An outcome names none: it is found through its intent.
    pub session: Option<String>,
    /// With such an action among their operations.
    pub action: Option<ActionFilter>,
    /// Decided so.
    pub decision: Option<Decision>,
    /// Not before this.
    pub since: Option<Mark>,
    /// Not after this.
    pub until: Option<Mark>,
    /// Only the newest so many.
    pub limit: Option<usize>,
}

/// An action, or all whose names begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionFilter {
    /// `npm:publish`
    Exact(String),
    /// `npm:`
    Prefix(String),
}

impl ActionFilter {
    /// Reads what a user writes: `npm:` and `npm:*` mean all that begin so, anything else one action.
    pub fn parse(text: &str) -> ActionFilter {
        match text.strip_suffix('*') {
            Some(prefix) => ActionFilter::Prefix(prefix.to_owned()),
            None if text.ends_with(':') => ActionFilter::Prefix(text.to_owned()),
            None => ActionFilter::Exact(text.to_owned()),
        }
    }

    fn matches(&self, action: &str) -> bool {
        match self {
            ActionFilter::Exact(name) => action == name,
            ActionFilter::Prefix(prefix) => action.starts_with(prefix.as_str()),
        }
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was let go: an intent.
    Allowed,
    /// It was not: a refusal.
    Refused,
}

/// A point in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A record.
    Sequence(u64),
    /// A point in time.
    Time(Timestamp),
}

/// What of a record a filter can ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its number.
    pub sequence: u64,
    /// Its time, in microseconds since 1970, as precise as it is written.
    pub time: i64,
    /// Its session, where it names one.
    pub session: Option<String>,
    /// The actions of its operations, each once.
    pub actions: Vec<String>,
    /// What was decided, where something was.
    pub decision: Option<Decision>,
    /// The intent that it is the outcome of.
    pub outcome_of: Option<u64>,
}

impl Facts {
    /// The facts of a record.
    pub fn of(record: &Record) -> Facts {
        let mut facts = Facts {
            sequence: record.sequence,
            time: record.time.as_microsecond(),
            session: None,
            actions: Vec::new(),
            decision: None,
            outcome_of: None,
        };
        match &record.event {
            Event::SessionStart { session } => facts.session = Some(session.id.clone()),
            Event::SessionEnd { session } => facts.session = Some(session.clone()),
            Event::Sandbox(about) => facts.session = Some(about.sandbox.clone()),
            Event::Intent(intent) => {
                facts.session = Some(intent.session.clone());
                facts.actions = actions(&intent.operations);
                facts.decision = Some(Decision::Allowed);
            }
            Event::Refusal(refusal) => {
                facts.session = refusal.session.clone();
                facts.actions = actions(&refusal.operations);
                facts.decision = Some(Decision::Refused);
            }
            Event::Outcome { intent, .. } => facts.outcome_of = Some(*intent),
            _ => {}
        }
        facts
    }
}

fn actions(operations: &[OperationFacts]) -> Vec<String> {
    let mut actions: Vec<String> = operations.iter().map(|operation| operation.action.clone()).collect();
    actions.sort_unstable();
    actions.dedup();
    actions
}

impl Filter {
    /// Whether a record is asked for. The limit is not a record's business.
    pub fn matches(&self, facts: &Facts) -> bool {
        let session = self.session.as_ref().is_none_or(|session| facts.session.as_ref() == Some(session));
        let action =
            self.action.as_ref().is_none_or(|filter| facts.actions.iter().any(|action| filter.matches(action)));
        let decision = self.decision.is_none_or(|decision| facts.decision == Some(decision));
        let since = self.since.is_none_or(|mark| match mark {
            Mark::Sequence(sequence) => facts.sequence >= sequence,
            Mark::Time(time) => facts.time >= time.as_microsecond(),
        });
        let until = self.until.is_none_or(|mark| match mark {
            Mark::Sequence(sequence) => facts.sequence <= sequence,
            Mark::Time(time) => facts.time <= time.as_microsecond(),
        });
        session && action && decision && since && until
    }

    /// The numbers between which all records are that are asked for.
    pub(crate) fn bounds(&self) -> (u64, u64) {
        let since = match self.since {
            Some(Mark::Sequence(sequence)) => sequence,
            _ => 0,
        };
        let until = match self.until {
            Some(Mark::Sequence(sequence)) => sequence,
            _ => u64::MAX,
        };
        (since, until)
    }
}
