//! A sandbox as it is written down, and what callers ask for.

use std::collections::BTreeMap;

use exeat_lifecycle::{Cause, Kind, Life, Name, SandboxId, Shutdown, SnapshotId, Spec};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A sandbox as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Which one it is, for ever, and its session's id in the journal.
    pub id: SandboxId,
    /// The namespace of its name.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// When it was made.
    pub created: Timestamp,
    /// What it shall be.
    pub spec: Spec,
    /// Where it is in its life.
    pub life: Life,
    /// The pool in which it waits to be claimed. Until then it is nobody's, and has no rights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Name>,
    /// The UID of the claim whose sandbox it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// The snapshot that it was forked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<SnapshotId>,
}

impl Sandbox {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.spec.shutdown.as_ref().is_some_and(|shutdown| shutdown.at <= now)
    }
}

/// What a new sandbox shall be.
#[derive(Clone, Debug)]
pub struct Create {
    /// The namespace of its name.
    pub namespace: Name,
    /// Its name; without it, one is made.
    pub name: Option<Name>,
    /// What it shall be.
    pub spec: Spec,
    /// The UID of the claim whose sandbox it is.
    pub claim: Option<String>,
    /// The snapshot that it is forked from.
    pub from: Option<SnapshotId>,
}

/// What a claim makes of a ready sandbox.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The claim's UID. Claiming twice with one gives the same sandbox.
    pub uid: String,
    /// More variables for what runs inside.
    pub environment: BTreeMap<String, String>,
    /// When its time is over.
    pub shutdown: Option<Shutdown>,
    /// The snapshot to start from, instead of a ready sandbox.
    pub from: Option<SnapshotId>,
}

/// Which snapshot to take.
#[derive(Clone, Debug)]
pub struct Take {
    /// What its owner calls it.
    pub label: Option<String>,
    /// With or without memory.
    pub kind: Kind,
    /// Why.
    pub cause: Cause,
}
