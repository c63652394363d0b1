//! The one place that turns causes into answers, after they are in the journal.

use bytes::Bytes;
use exeat_core::{Answer, Cause, Malformed, Refusal, Request};
use exeat_journal::{Event, RefusalFacts, RequestFacts};
use exeat_policy::Version;
use http::{HeaderValue, Response, StatusCode, header};

use crate::framing::Violation;
use crate::inspect::Inspected;
use crate::relay::Relayed;
use crate::{Gateway, Guest, record};

/// A refusal with as much of the request as was understood.
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// The canonical request, where it came that far: its integration words the answer.
    pub(crate) request: Option<Request>,
    /// What had been read of the body.
    pub(crate) seen: Bytes,
    pub(crate) facts: RequestFacts,
    pub(crate) policy_version: Option<Version>,
}

impl Refused {
    /// Before there is a canonical request.
    pub(crate) fn early(facts: RequestFacts, cause: Cause) -> Box<Self> {
        let refusal = Refusal::new(cause);
        Box::new(Refused { refusal, request: None, seen: Bytes::new(), facts, policy_version: None })
    }

    /// Before its body has been seen.
    pub(crate) fn unseen(request: Request, cause: Cause) -> Box<Self> {
        Self::after_intent(request, Bytes::new(), 0, cause)
    }

    /// With its body seen as far as it was to be judged.
    pub(crate) fn of(request: Request, body: Inspected, cause: Cause) -> Box<Self> {
        Self::after_intent(request, body.seen, body.judged, cause)
    }

    /// After the intent: the outcome says why, so that the journal needs no refusal beside it.
    pub(crate) fn after_intent(request: Request, seen: Bytes, judged: usize, cause: Cause) -> Box<Self> {
        let facts = record::canonical(&request);
        let refusal = Refusal::new(cause);
        Box::new(Refused { refusal, request: Some(request), seen: seen.slice(..judged), facts, policy_version: None })
    }
}

/// Records a refusal durably, then answers in the words of the client's protocol.
pub(crate) async fn refuse(gateway: &Gateway, guest: &Guest, mut refused: Refused) -> Response<Relayed> {
    if !note(gateway, Some(guest), Some(&refused.facts), &refused.refusal, refused.policy_version.as_ref()).await {
        refused.refusal = Refusal::new(Cause::JournalUnavailable);
    }
    answer(gateway, refused)
}

/// Answers without a record of its own.
pub(crate) fn answer(gateway: &Gateway, refused: Refused) -> Response<Relayed> {
    let Refused { mut refusal, request, seen, .. } = refused;
    let answer = match &request {
        Some(request) => {
            refusal.advice = gateway.integrations().iter().find_map(|known| known.hint(request));
            gateway.integration(request.authority()).refuse(request, &seen, &refusal)
        }
        None => Answer::json(&refusal),
    };
    to_response(answer, &refusal.cause)
}

/// Refuses what never became a canonical request.
pub(crate) async fn outright(
    gateway: &Gateway, guest: Option<&Guest>, facts: Option<RequestFacts>, refusal: Refusal,
) -> Response<Relayed> {
    let recorded = note(gateway, guest, facts.as_ref(), &refusal, None).await;
    let refusal = if recorded { refusal } else { Refusal::new(Cause::JournalUnavailable) };
    to_response(Answer::json(&refusal), &refusal.cause)
}

/// Refuses bytes that break HTTP's framing.
pub(crate) async fn malformed(gateway: &Gateway, guest: Option<&Guest>, violation: &Violation) -> Response<Relayed> {
    let cause = Cause::Malformed(Malformed::Framing(violation.explanation()));
    outright(gateway, guest, None, Refusal::new(cause)).await
}

async fn note(
    gateway: &Gateway, guest: Option<&Guest>, facts: Option<&RequestFacts>, refusal: &Refusal,
    version: Option<&Version>,
) -> bool {
    let session = guest.map(Guest::session);
    let record = RefusalFacts {
        session: session.map(|session| session.id.clone()),
        profile: session.map(|session| session.profile.clone()),
        user: session.map(|session| session.user.clone()),
        request: facts.cloned(),
        operations: refusal.verdicts.iter().map(record::operation).collect(),
        policy_version: version.map(|version| version.as_str().to_owned()),
        code: refusal.cause.code().to_owned(),
        message: record::bounded_field(&refusal.cause.to_string()),
    };
    gateway.figures().refuse(&refusal.cause);
    let appended = gateway.journal.append(Event::Refusal(Box::new(record))).await;
    if let Err(error) = &appended {
        tracing::error!(%error, "a refusal could not be recorded");
    }
    appended.is_ok()
}

fn to_response(answer: Answer, cause: &Cause) -> Response<Relayed> {
    let mut response = Response::new(Relayed::Own(Some(answer.body)));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        response.headers_mut().insert(header::PROXY_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"exeat\""));
    }
    if matches!(cause, Cause::Malformed(_) | Cause::BodyTooLarge(_) | Cause::BodyTimeout | Cause::Unreadable(_)) {
        // What follows on the connection cannot be trusted, or is the rest of a body that nobody reads.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
