//! Why a request may not leave, once for the client and once for the log.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::{Malformed, Unreadable, Verdict};

/// A refusal: its cause, and what the policies said where it came to that.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Why.
    pub cause: Cause,
    /// One for each operation, where policies were asked.
    pub verdicts: Vec<Verdict>,
    /// What the client can do next.
    pub advice: Option<String>,
}

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client asked for something that is malformed or not permitted.
    Client,
    /// The origin.
    Upstream,
    /// The gateway or something that it depends on.
    Gateway,
}

/// The causes of a refusal. One refusal, one named cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// No session is known by what the client showed.
    #[error("the proxy needs a session: connect by the sandbox's socket or send its token in `Proxy-Authorization`")]
    Unidentified,
    /// What the client showed and where it came from are not one sandbox.
    #[error("the proxy does not know this sandbox: {0}")]
    Unrecognised(String),
    /// A sandbox that waits in a pool has nobody to ask for.
    #[error("`{0}` is in a pool and nobody has claimed it: until a claim is bound to it, nothing leaves")]
    Unclaimed(String),
    /// Who asks cannot be known for now.
    #[error("who asks cannot be known now: {0}")]
    IdentityUnavailable(String),
    /// The request can be read in two ways.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The names that a request gives for its destination are not one.
    #[error("the request names two destinations: `{0}` and `{1}`")]
    Misdirected(String, String),
    /// The request breaks the protocol of the service it is for.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    /// A body that must be seen whole is larger than the limit.
    #[error("the body must be inspected and is larger than {0} bytes")]
    BodyTooLarge(usize),
    /// The client stopped sending a body that must be seen.
    #[error("the body did not arrive")]
    BodyTimeout,
    /// A credential's stand-in turned up where it is not replaced by the credential.
    #[error("a credential's placeholder stands where no credential goes: {0}")]
    MisplacedPlaceholder(&'static str),
    /// No policy permits it, or one forbids it, or one could not be evaluated.
    #[error("{}", denial(.0))]
    Denied(Box<Verdict>),
    /// No policies are in force that could be asked.
    #[error("no policies are in force for this sandbox: {0}")]
    PoliciesUnusable(String),
    /// The piece of work that the session is part of may not go on.
    #[error("the workflow `{0}` {1}")]
    WorkflowHalted(String, Halt),
    /// Whether the budget of the piece of work has room cannot be known for now.
    #[error("the budget of the workflow `{0}` cannot be asked")]
    BudgetUnavailable(String),
    /// The destination's address is private, reserved or a metadata service.
    #[error("`{0}` leads to `{1}`, an address that is not public")]
    ForbiddenAddress(String, String),
    /// The destination has no address.
    #[error("`{0}` has no address")]
    Unresolvable(String),
    /// The origin cannot be reached or does not prove its name.
    #[error("`{0}` cannot be reached safely")]
    Unreachable(String),
    /// The origin broke HTTP or took too long.
    #[error("`{0}` did not answer properly")]
    BadUpstream(String),
    /// The journal takes no record.
    #[error("the journal cannot record the request")]
    JournalUnavailable,
    /// A credential's source failed.
    #[error("the credential `{0}` cannot be had")]
    CredentialUnavailable(String),
    /// What was to be done before it could not be.
    #[error("what must be done before this request could not be: no snapshot of the sandbox was taken")]
    PrecautionFailed,
    /// Too much is under way.
    #[error("too many requests are under way")]
    Overloaded,
}

/// Why a piece of work may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// Somebody stopped it.
    #[error("is suspended: until somebody resumes it, nothing leaves")]
    Suspended,
    /// Its time is over.
    #[error("is past its deadline: nothing leaves any more")]
    Overdue,
    /// Its budget is used up.
    #[error("has used up its budget of {0} requests")]
    Spent(u64),
    /// There is no such piece of work.
    #[error("is not there: a sandbox that names one works under it, or not at all")]
    Missing,
}

impl Halt {
    fn code(self) -> &'static str {
        match self {
            Halt::Suspended => "workflow-suspended",
            Halt::Overdue => "workflow-overdue",
            Halt::Spent(_) => "workflow-spent",
            Halt::Missing => "workflow-missing",
        }
    }
}

impl Cause {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Cause::Unidentified => "unidentified",
            Cause::Unrecognised(_) => "unrecognised",
            Cause::Unclaimed(_) => "unclaimed",
            Cause::IdentityUnavailable(_) => "identity-unavailable",
            Cause::Malformed(_) => "malformed",
            Cause::Misdirected(..) => "misdirected",
            Cause::Unreadable(_) => "unreadable",
            Cause::BodyTooLarge(_) => "body-too-large",
            Cause::BodyTimeout => "body-timeout",
            Cause::MisplacedPlaceholder(_) => "misplaced-placeholder",
            Cause::Denied(_) => "denied",
            Cause::PoliciesUnusable(_) => "policies-unusable",
            Cause::WorkflowHalted(_, halt) => halt.code(),
            Cause::BudgetUnavailable(_) => "budget-unavailable",
            Cause::ForbiddenAddress(..) => "forbidden-address",
            Cause::Unresolvable(_) => "unresolvable",
            Cause::Unreachable(_) => "unreachable",
            Cause::BadUpstream(_) => "bad-upstream",
            Cause::JournalUnavailable => "journal-unavailable",
            Cause::CredentialUnavailable(_) => "credential-unavailable",
            Cause::PrecautionFailed => "precaution-failed",
            Cause::Overloaded => "overloaded",
        }
    }

    /// The status for clients that have no protocol of their own for a refusal.
    pub fn status(&self) -> StatusCode {
        match self {
            Cause::Unidentified | Cause::Unrecognised(_) | Cause::Unclaimed(_) => {
                StatusCode::PROXY_AUTHENTICATION_REQUIRED
            }
            Cause::Malformed(_) | Cause::MisplacedPlaceholder(_) => StatusCode::BAD_REQUEST,
            Cause::Misdirected(..) => StatusCode::MISDIRECTED_REQUEST,
            Cause::Unreadable(unreadable) => unreadable.status,
            Cause::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Cause::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            // Asking again changes nothing, and clients ask again after a 5xx.
            Cause::Denied(_) | Cause::ForbiddenAddress(..) | Cause::PoliciesUnusable(_) | Cause::WorkflowHalted(..) => {
                StatusCode::FORBIDDEN
            }
            Cause::Unresolvable(_) | Cause::Unreachable(_) | Cause::BadUpstream(_) => StatusCode::BAD_GATEWAY,
            Cause::JournalUnavailable
            | Cause::IdentityUnavailable(_)
            | Cause::BudgetUnavailable(_)
            | Cause::CredentialUnavailable(_)
            | Cause::PrecautionFailed
            | Cause::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            Cause::Unresolvable(_) | Cause::Unreachable(_) | Cause::BadUpstream(_) => Fault::Upstream,
            Cause::JournalUnavailable
            | Cause::IdentityUnavailable(_)
            | Cause::PoliciesUnusable(_)
            | Cause::BudgetUnavailable(_)
            | Cause::CredentialUnavailable(_)
            | Cause::PrecautionFailed
            | Cause::Overloaded => Fault::Gateway,
            _ => Fault::Client,
        }
    }
}

fn denial(verdict: &Verdict) -> String {
    let operation = &verdict.operation;
    let target = operation.target().map(|name| format!(" on {name}")).unwrap_or_default();
    let why = match (verdict.errors.as_slice(), verdict.policies.as_slice()) {
        ([], []) => "no policy permits it".to_owned(),
        ([], policies) => format!("forbidden by policy {}", quoted(policies)),
        (errors, _) => format!("policy {} could not be evaluated", quoted(errors)),
    };
    format!("{}{target}: {why}", operation.action)
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Refusal {
    /// A refusal for which no policy was asked.
    pub fn new(cause: impl Into<Cause>) -> Self {
        Refusal { cause: cause.into(), verdicts: Vec::new(), advice: None }
    }

    /// One line for a person.
    pub fn message(&self) -> String {
        format!("exeat: {}", self.cause)
    }

    /// The policies that refused, where some did.
    pub fn policies(&self) -> &[String] {
        match &self.cause {
            Cause::Denied(verdict) if verdict.errors.is_empty() => &verdict.policies,
            Cause::Denied(verdict) => &verdict.errors,
            _ => &[],
        }
    }

    /// The refusal as a JSON object: `code`, `message`, and where there are any `action`, `resource`, `policies`, `next`.
    pub fn to_json(&self) -> serde_json::Value {
        let mut object = json!({ "code": self.cause.code(), "message": self.message() });
        if let Cause::Denied(verdict) = &self.cause {
            object["action"] = json!(verdict.operation.action);
            object["resource"] = json!(verdict.operation.target());
            object["policies"] = json!(self.policies());
        }
        if let Some(advice) = &self.advice {
            object["next"] = json!(advice);
        }
        object
    }
}

/// An answer that the gateway gives itself.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Content type and whatever the protocol needs.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// An answer with a body of one type.
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Answer { status, headers, body: body.into() }
    }

    /// `{"error": …}` with the cause's own status.
    pub fn json(refusal: &Refusal) -> Self {
        Answer::json_with(refusal, json!({ "error": refusal.to_json() }))
    }

    /// A JSON body of the service's own shape with the cause's own status.
    pub fn json_with(refusal: &Refusal, body: serde_json::Value) -> Self {
        Answer::new(refusal.cause.status(), "application/json", format!("{body}\n"))
    }
}
