//! Conditions: what is the case with an object, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Time;

/// One statement about an object (Kubernetes API conventions, "Typical status properties").
///
/// On the wire it is `metav1.Condition`; here its status is a type and its time is one that can be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "One statement about the object.")]
pub struct Condition {
    /// What it is about: a [`ConditionType`], or another's.
    #[serde(rename = "type")]
    #[schemars(description = "What it is about.", length(max = 316), regex(pattern = TYPE))]
    pub of: String,
    /// Whether it is so.
    pub status: ConditionStatus,
    /// Which generation of the object it was said about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Since when it has been so.
    pub last_transition_time: Time,
    /// Why, in a word: a [`Reason`], or another's.
    #[schemars(description = "Why, in a word.", length(min = 1, max = 1024), regex(pattern = REASON))]
    pub reason: String,
    /// Why, for people.
    #[schemars(length(max = 32768))]
    pub message: String,
}

/// What a type can be (`metav1.Condition`): a word, with a domain before it where it is not one of Kubernetes' own.
const TYPE: &str =
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
/// What a reason can be (`metav1.Condition`).
const REASON: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";

/// Whether something is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It is.
    True,
    /// It is not.
    False,
    /// Nobody knows.
    Unknown,
}

impl Condition {
    /// A statement that is made now.
    pub fn new(of: ConditionType, holds: bool, reason: Reason, message: &str, now: Time) -> Self {
        Condition {
            of: of.as_str().to_owned(),
            status: if holds { ConditionStatus::True } else { ConditionStatus::False },
            observed_generation: None,
            last_transition_time: now,
            reason: reason.as_str().to_owned(),
            message: message.to_owned(),
        }
    }

    /// The same, since when it has been so: the time stays while the status does.
    #[must_use]
    pub fn since(mut self, before: &[Condition]) -> Self {
        let before = before.iter().find(|before| before.of == self.of && before.status == self.status);
        if let Some(before) = before {
            self.last_transition_time = before.last_transition_time;
        }
        self
    }

    /// Whether it is about this, and holds.
    pub fn is_true(&self, of: ConditionType) -> bool {
        self.of == of.as_str() && self.status == ConditionStatus::True
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$what:meta])* $word:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$what])* $word,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$word),*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$word => stringify!($word),)*
                }
            }
        }
    };
}

words! {
    /// What conditions are about.
    ConditionType {
        /// It can be used.
        Ready,
        /// It was asked not to run, and does not.
        Suspended,
        /// Its pod ended by itself, for good.
        Finished,
        /// Its pod has a place to run.
        PodScheduled,
        /// The pod was started from a snapshot.
        PodRestored,
        /// It goes back to a snapshot; not there where nobody has asked for that.
        RolledBack,
        /// A snapshot was taken for this trigger.
        Triggered,
        /// A policy is in force.
        Accepted,
        /// The sandboxes of a piece of work may send requests.
        Active,
    }
}

words! {
    /// Why a condition is as it is.
    Reason {
        /// Everything that it needs is there.
        DependenciesReady,
        /// Something that it needs is not there yet.
        DependenciesNotReady,
        /// It was asked not to run.
        SandboxSuspended,
        /// Its pod ended well.
        PodSucceeded,
        /// Its pod failed.
        PodFailed,
        /// Its time is over.
        SandboxExpired,
        /// Two pods claim to be its.
        MultiplePods,
        /// Something went wrong, and is tried again.
        ReconcilerError,
        /// It can never be as it is asked for.
        InvalidConfiguration,
        /// It was not asked to stop.
        NotSuspended,
        /// It was asked to stop, and has not yet.
        PodTerminating,
        /// It was asked to stop, and has.
        PodTerminated,
        /// The pod of its name is another's.
        PodNotOwned,
        /// Nobody knows about its pod.
        PodStateUnknown,
        /// There is no such template.
        TemplateNotFound,
        /// There is no such pool.
        WarmPoolNotFound,
        /// Labels or annotations for the pod are not allowed.
        InvalidMetadata,
        /// Variables are not allowed, or wrong.
        EnvVarsInjectionRejected,
        /// Volumes are not allowed, or wrong.
        VolumeClaimTemplatesError,
        /// The claim's time is over.
        ClaimExpired,
        /// Another claim was faster.
        AdoptionConflict,
        /// The sandbox is still being made.
        SandboxCreatePending,
        /// The claim's sandbox is gone.
        SandboxMissing,
        /// The sandbox is there and cannot be used yet.
        SandboxNotReady,
        /// A snapshot was taken.
        Complete,
        /// A snapshot could not be taken.
        Failed,
        /// The state was read back.
        Restored,
        /// The policies can be used, and are.
        Valid,
        /// It is wrong in itself, as its message says.
        Invalid,
        /// The secret is there.
        Available,
        /// There is no such secret.
        SecretNotFound,
        /// The gateway may not read the secret.
        SecretNotReadable,
        /// The secret has no such key.
        KeyNotFound,
        /// The work goes on.
        Running,
        /// The work was asked to do nothing for now.
        Suspended,
        /// The work's time is over.
        DeadlineExceeded,
        /// The work has used all that it may.
        BudgetExhausted,
        /// The snapshot is whole.
        Taken,
        /// The snapshot is being taken.
        Taking,
        /// There is no such sandbox.
        SandboxNotFound,
        /// Only a sandbox that runs can be looked into.
        SandboxNotRunning,
        /// The machine cannot write down what is in memory.
        LiveNotSupported,
        /// Only a sandbox whose only way out is the gateway has somebody inside who reads its workspace out.
        NotWired,
        /// The controller was given no place to keep snapshots in.
        NoSnapshotStore,
        /// The snapshot could not be taken, and is tried again where that may help.
        TakeFailed,
        /// There is no such snapshot.
        SnapshotNotFound,
        /// The snapshot is not whole yet.
        SnapshotNotReady,
        /// The workspace is being read back.
        Restoring,
        /// The workspace could not be read back, and that is tried again.
        RestoreFailed,
    }
}

impl Reason {
    /// Whether clients give up for good when they see it with `Ready=False`, so that it must not be said in passing.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Reason::TemplateNotFound
                | Reason::WarmPoolNotFound
                | Reason::InvalidMetadata
                | Reason::EnvVarsInjectionRejected
                | Reason::VolumeClaimTemplatesError
                | Reason::ClaimExpired
                | Reason::SandboxExpired
                | Reason::InvalidConfiguration
                | Reason::PodFailed
                | Reason::PodSucceeded
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    /// What the Python SDK 1.0.8 gives up on (`k8s_agent_sandbox/constants.py`).
    #[test]
    fn what_clients_give_up_on_is_known() {
        let given_up: Vec<_> =
            Reason::ALL.iter().filter(|reason| reason.is_final()).map(|reason| reason.as_str()).collect();
        assert_eq!(
            given_up,
            [
                "PodSucceeded",
                "PodFailed",
                "SandboxExpired",
                "InvalidConfiguration",
                "TemplateNotFound",
                "WarmPoolNotFound",
                "InvalidMetadata",
                "EnvVarsInjectionRejected",
                "VolumeClaimTemplatesError",
                "ClaimExpired",
            ]
        );
    }
}
