//! Conditions: what is the case with an object, and why.

use serde::{Deserialize, Serialize};

use crate::Time;

/// One statement about an object (Kubernetes API conventions, "Typical status properties").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about: a [`ConditionType`], or another's.
    #[serde(rename = "type")]
    pub of: String,
    /// Whether it is so.
    pub status: ConditionStatus,
    /// Which generation of the object it was said about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Since when it has been so.
    pub last_transition_time: Time,
    /// Why, in a word: a [`Reason`], or another's.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

/// Whether something is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        /// A snapshot was taken for this trigger.
        Triggered,
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
