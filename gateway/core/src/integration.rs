//! What Exeat knows about an outside service.

use http::StatusCode;

use crate::{Answer, Authority, Operation, Refusal, Request};

/// One outside service: which hosts are its own, what requests to them mean, and how it tells a client no.
///
/// Adding one touches its own folder in `integrations/` and one line there. Nothing outside that folder names it.
pub trait Integration: Send + Sync + 'static {
    /// As it is written in `exeat.toml`, the journal and `github:git/push`.
    fn name(&self) -> &'static str;

    /// The integration's fragment of the Cedar schema: its entity types and actions.
    fn schema(&self) -> &str;

    /// Whether requests to `authority` are this integration's to classify.
    fn claims(&self, authority: &Authority) -> bool;

    /// How much of the body must be seen before [`Integration::classify`] can tell what the request means.
    fn inspect(&self, request: &Request) -> Inspect {
        let _ = request;
        Inspect::Nothing
    }

    /// What the request means. `body` is what [`Integration::inspect`] asked for, complete.
    ///
    /// # Errors
    /// [`Unreadable`] where the request breaks the service's own protocol. What is well-formed but unknown is
    /// not an error: it is [`Action::UNCLASSIFIED`](crate::Action::UNCLASSIFIED).
    fn classify(&self, request: &Request, body: &[u8]) -> Result<Vec<Operation>, Unreadable>;

    /// A refusal in the words of the service's own protocol. `body` is what was read of it, which may be nothing.
    fn refuse(&self, request: &Request, body: &[u8], refusal: &Refusal) -> Answer {
        let _ = (request, body);
        Answer::json(refusal)
    }

    /// Where the request looks like this integration's protocol but its host is not configured: what to write
    /// into `exeat.toml`.
    fn hint(&self, request: &Request) -> Option<String> {
        let _ = request;
        None
    }

    /// Files that the service's tools need in a sandbox's home directory: settings and placeholders, never secrets.
    fn sandbox_files(&self) -> Vec<SandboxFile> {
        Vec::new()
    }
}

/// How much of a body is read before the request is judged.
#[derive(Clone, Copy)]
pub enum Inspect {
    /// Nothing: it streams through.
    Nothing,
    /// All of it, up to [`INSPECTED_BODY_BYTES`](crate::limits::INSPECTED_BODY_BYTES).
    Whole,
    /// Its beginning, up to [`INSPECTED_HEAD_BYTES`](crate::limits::INSPECTED_HEAD_BYTES). The function is given all that has
    /// been read so far; the rest streams through.
    Head(fn(&[u8]) -> HeadProgress),
}

/// Whether the beginning of a body is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadProgress {
    /// More is needed.
    Incomplete,
    /// The first so many bytes are the head.
    Complete(usize),
    /// It can never become one.
    Invalid(&'static str),
}

/// A request that breaks the protocol of the service it is for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unreadable {
    /// 400, or 415 for an encoding that is not decoded here.
    pub status: StatusCode,
    /// What is wrong, for the client.
    pub message: String,
}

impl Unreadable {
    /// A malformed request: 400.
    pub fn malformed(message: impl Into<String>) -> Self {
        Unreadable { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// A content encoding or type that is not decoded here: 415.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Unreadable { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, message: message.into() }
    }
}

/// A file for a sandbox's home directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxFile {
    /// Relative to the home directory: `.npmrc`.
    pub path: &'static str,
    /// Its text.
    pub text: String,
}

/// What every placeholder starts with. A placeholder stands in a sandbox where a tool insists on a credential; the gateway
/// replaces the header that carries it, and refuses a request that carries it anywhere else.
pub const PLACEHOLDER_PREFIX: &str = "exeat_placeholder_";
