//! What a controller wants done: values, so that deciding is pure and doing is in one place.

use std::collections::BTreeMap;
use std::fmt;

use exeat_api::Sandbox;
use kube::{Resource, ResourceExt};
use serde_json::{Map, Value, json};

use crate::Key;

/// Something to do to one object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Effect {
    /// What kind of object it is.
    pub(crate) on: Kind,
    /// Which one.
    pub(crate) key: Key,
    /// What is to be done.
    pub(crate) act: Act,
}

/// The kinds that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Sandbox,
    SandboxClaim,
    SandboxWarmPool,
    SandboxTemplate,
    Pod,
    Service,
    PersistentVolumeClaim,
    NetworkPolicy,
    ConfigMap,
    SandboxSnapshot,
    PodSnapshot,
    PodSnapshotManualTrigger,
}

/// What is to be done to an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// Make it, whole. Where it is there already, what is there is looked at anew.
    Create(Value),
    /// Say of some fields what they shall be, and own them (server-side apply).
    Apply(Value),
    /// Change some fields (RFC 7396). With a resource version in it, only if nobody else has changed the object.
    Merge(Value),
    /// The same for its status.
    MergeStatus(Value),
    /// Say of one of a pod's conditions what it shall be; the others are the kubelet's (strategic merge patch).
    Condition {
        /// Of which pod: another one of its name has nothing to do with it.
        uid: String,
        /// The condition.
        condition: Value,
    },
    /// Take it away, if it is still this one.
    Delete {
        /// Its UID.
        uid: String,
        /// With a resource version, only if nobody has changed it.
        version: Option<String>,
        /// Keep it visible until what it owns is gone.
        foreground: bool,
    },
}

impl Effect {
    /// Changes a sandbox's annotations: those that are named, and `null` takes one away.
    pub(crate) fn annotate(sandbox: &Sandbox, annotations: Value) -> Self {
        let patch = json!({ "metadata": { "annotations": annotations } });
        Effect { on: Kind::Sandbox, key: Key::of(sandbox), act: Act::Merge(patch) }
    }

    /// A deletion that does not wait for what the object owns.
    pub(crate) fn delete<K: Resource>(on: Kind, object: &K) -> Self {
        let uid = object.uid().unwrap_or_default();
        Effect { on, key: Key::of(object), act: Act::Delete { uid, version: None, foreground: false } }
    }

    /// The same, of a sandbox that nobody has taken meanwhile.
    pub(crate) fn delete_unchanged(sandbox: &Sandbox) -> Self {
        let (uid, version) = (sandbox.uid().unwrap_or_default(), sandbox.resource_version());
        Effect { on: Kind::Sandbox, key: Key::of(sandbox), act: Act::Delete { uid, version, foreground: false } }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.act {
            Act::Create(_) => "create",
            Act::Apply(_) => "apply",
            Act::Merge(_) => "patch",
            Act::MergeStatus(_) | Act::Condition { .. } => "patch the status of",
            Act::Delete { .. } => "delete",
        };
        write!(f, "{verb} {:?} {}", self.on, self.key)
    }
}

/// A merge patch that makes one map another.
pub(crate) fn replaced(is: &BTreeMap<String, String>, shall: &BTreeMap<String, String>) -> Map<String, Value> {
    let gone = is.keys().filter(|key| !shall.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let set = shall.iter().filter(|(key, value)| is.get(*key) != Some(value));
    gone.chain(set.map(|(key, value)| (key.clone(), json!(value)))).collect()
}
