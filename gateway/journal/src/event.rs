//! What a record can say. These are wire types: they are read again years later, so fields are added, never renamed,
//! and readers pass over what they do not know.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Event {
    /// A gateway began to write this journal.
    GatewayStart {
        /// The gateway's version.
        version: String,
        /// The policies in force from now on.
        policy_version: String,
    },
    /// The gateway stopped in order. A journal that ends otherwise ends in a crash.
    GatewayStop {},
    /// The end of the journal was not whole when it was opened, as a crash in the middle of a write leaves it.
    Recovered {
        /// How many bytes were set aside.
        set_aside_bytes: u64,
        /// The file they are in, inside the journal's directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
    /// A session began.
    SessionStart {
        /// Who it is.
        session: SessionFacts,
    },
    /// A session ended.
    SessionEnd {
        /// Its id.
        session: String,
    },
    /// A policy set came into force.
    PolicyLoad {
        /// Its version, as every decision under it names it.
        policy_version: String,
        /// How many policies it has.
        policies: u64,
        /// Whom it is for, where not for all: `team-a/coder`, a namespace and a profile.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
    },
    /// A policy set was refused. The one before stays in force; where there was none, nothing is let out.
    PolicyRejected {
        /// What is wrong with it.
        message: String,
        /// Whom it was for, where not for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
    },
    /// A request may leave, and is about to.
    Intent(Box<Intent>),
    /// What became of an intent. An intent without one reads "unknown".
    Outcome {
        /// The intent's sequence number.
        intent: u64,
        /// The origin's status code, where it answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// What went wrong, where something did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// Bytes of the request's body sent to the origin.
        #[serde(default)]
        sent_bytes: u64,
        /// Bytes of the response's body received from the origin.
        #[serde(default)]
        received_bytes: u64,
        /// From the intent to the end of the response, in microseconds.
        #[serde(default)]
        duration_us: u64,
    },
    /// A request may not leave.
    Refusal(Box<RefusalFacts>),
    /// Something happened to a sandbox that lives longer than one command.
    Sandbox(Box<SandboxFacts>),
    /// A kind of record that this version does not know: a newer gateway wrote it. It is read, never written.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// Who a session is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionFacts {
    /// Its id, unique in the journal.
    pub id: String,
    /// What kind of agent it is.
    pub profile: String,
    /// For whom it works.
    pub user: String,
    /// The teams that the user is in.
    pub teams: Vec<String>,
    /// The namespace of its sandbox, where that is a pod of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The sandbox's name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// The UID of the claim that it is bound to, where it is bound to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_uid: Option<String>,
    /// The piece of work that it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
}

/// What happened to a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxFacts {
    /// Which one. Its sessions have the same id.
    pub sandbox: String,
    /// What it is called.
    pub name: String,
    /// `create`, `claim`, `exec`, `pause`, `resume`, `snapshot`, `rollback`, `delete`, `lost`, ….
    pub act: String,
    /// More about it, by act: a snapshot's id, a command.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub detail: Map<String, Value>,
}

/// A request in its canonical form, without headers and body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestFacts {
    /// `GET`
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Host and port.
    pub authority: String,
    /// The path.
    pub path: String,
    /// The query, without its question mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// What the client says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// One operation that a request stands for, and what the policies said about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperationFacts {
    /// `npm:publish`, or `unclassified`.
    pub action: String,
    /// The action's group; none for `unclassified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What it acts on, as Cedar writes it: `Npm::Package::"@acme/ui"`.
    pub resource: String,
    /// What else the policies could ask about.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub context: Map<String, Value>,
    /// Whether it may leave.
    pub allowed: bool,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// Policies that could not be evaluated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// A request that may leave: written, durably, before its first byte does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Intent {
    /// The session that asks.
    pub session: String,
    /// Its profile.
    pub profile: String,
    /// Its user.
    pub user: String,
    /// What it asks for.
    pub request: RequestFacts,
    /// What that means, one by one.
    pub operations: Vec<OperationFacts>,
    /// The policies that decided.
    pub policy_version: String,
    /// The credential that is added: its name, never the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// SHA-256 of the body, in hex, where the whole of it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_sha256: Option<String>,
}

/// A request that may not leave. What is not known at the point of refusal is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusalFacts {
    /// The session that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Its profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Its user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestFacts>,
    /// What that means, one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationFacts>,
    /// The policies that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<String>,
    /// The refusal's name, as the client sees it.
    pub code: String,
    /// Why, in words.
    pub message: String,
}
