//! One request, start to end. Read this with the picture in ARCHITECTURE.md beside it.

use std::sync::Arc;
use std::time::Instant;

use exeat_core::{Cause, Inspect, Integration, Request};
use exeat_credentials::{Credentials, misplaced_placeholder};
use exeat_journal::Event;
use exeat_policy::{Denied, Exeat};
use http::{Method, Response, StatusCode, header};
use hyper::body::{Body, Incoming};

use crate::canonical::{self, Arrived};
use crate::figures::Place;
use crate::inspect::{Inspected, inspect};
use crate::origin::Outgoing;
use crate::refuse::Refused;
use crate::relay::{Account, Metered, Relayed};
use crate::{Gateway, Guest, precaution, record, refuse};

/// Takes a request from its head to a response: the origin's, or a refusal in the client's protocol.
pub(crate) async fn pass(
    gateway: &Gateway, guest: &Arc<Guest>, arrived: Arrived, received: hyper::Request<Incoming>,
) -> Response<Relayed> {
    let began = Instant::now();
    let judged = judge(gateway, guest, arrived, received).await;
    let permitted = match judged {
        Ok(permitted) => permitted,
        Err(refused) => return refuse::refuse(gateway, guest, *refused).await,
    };
    match forward(gateway, guest, permitted, began).await {
        Ok(response) => response,
        Err(refused) => refuse::answer(gateway, *refused),
    }
}

/// A request that may leave, with its body, its place among those under way, and the credentials that it may be given.
struct Permitted {
    exeat: Exeat,
    body: Inspected,
    place: Place,
    credentials: Arc<Credentials>,
}

/// Canonical form, meaning, decision: everything before the journal.
async fn judge(
    gateway: &Gateway, guest: &Arc<Guest>, arrived: Arrived, received: hyper::Request<Incoming>,
) -> Result<Permitted, Box<Refused>> {
    let (head, body) = received.into_parts();
    let received = hyper::Request::from_parts(head, ());
    let early = |cause| Refused::early(record::as_received(&received), cause);
    let place = Place::take(gateway, guest).ok_or_else(|| early(Cause::Overloaded))?;
    let credentials = guest.terms.credentials();
    let request = canonical::request(arrived, &received, &credentials)
        .and_then(|request| well_placed(gateway, request))
        .map_err(early)?;
    let integration = gateway.integration(request.authority());
    let (request, body) = see(gateway, integration, request, body).await?;
    let operations = match integration.classify(&request, body.judged()) {
        Ok(operations) => operations,
        Err(unreadable) => return Err(Refused::of(request, body, unreadable.into())),
    };
    let policies = match guest.terms.policies() {
        Ok(policies) => policies,
        Err(cause) => return Err(Refused::of(request, body, cause)),
    };
    match policies.decide(&guest.session, request, operations) {
        Ok(exeat) => Ok(Permitted { exeat, body, place, credentials }),
        Err(denied) => Err(denial(*denied, body)),
    }
}

/// Literal addresses and placeholders that a request names may not stand everywhere.
fn well_placed(gateway: &Gateway, request: Request) -> Result<Request, Cause> {
    gateway.dialer.check_literal(request.authority())?;
    match misplaced_placeholder(&request) {
        Some(place) => Err(Cause::MisplacedPlaceholder(place)),
        None => Ok(request),
    }
}

async fn see(
    gateway: &Gateway, integration: &dyn Integration, request: Request, body: Incoming,
) -> Result<(Request, Inspected), Box<Refused>> {
    let asked = integration.inspect(&request);
    // A body that is judged must be read as the origin will read it.
    let encoded = request.header("content-encoding").is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"));
    if encoded && !matches!(asked, Inspect::Nothing) {
        let unreadable =
            exeat_core::Unreadable::unsupported("the body must be inspected; send it without Content-Encoding");
        return Err(Refused::unseen(request, unreadable.into()));
    }
    match inspect(asked, body, &gateway.inspection).await {
        Ok(inspected) => Ok((request, inspected)),
        Err(cause) => Err(Refused::unseen(request, cause)),
    }
}

fn denial(denied: Denied, body: Inspected) -> Box<Refused> {
    let Denied { request, verdicts, first, version } = denied;
    let mut refused = Refused::of(request, body, Cause::Denied(Box::new(first)));
    refused.refusal.verdicts = verdicts;
    refused.policy_version = Some(version);
    refused
}

/// The precautions and the budget; the intent, durably; then the credential, the origin, and an account that is settled when the response is over.
async fn forward(
    gateway: &Gateway, guest: &Arc<Guest>, permitted: Permitted, began: Instant,
) -> Result<Response<Relayed>, Box<Refused>> {
    let Permitted { exeat, body, place, credentials } = permitted;
    if let Err(error) = precaution::take(guest, &exeat).await {
        tracing::warn!(%error, "a precaution cannot be taken, so nothing leaves");
        return Err(Refused::of(exeat.into_request(), body, Cause::PrecautionFailed));
    }
    if let Err(cause) = guest.terms.spend().await {
        return Err(Refused::of(exeat.into_request(), body, cause));
    }
    let credential = credentials.select(&exeat);
    let intent = record::intent(&guest.session, &exeat, credential.as_deref(), &body);
    let intent = match gateway.journal.append(Event::Intent(Box::new(intent))).await {
        Ok(sequence) => sequence,
        Err(error) => {
            tracing::error!(%error, "the journal takes no intent, so nothing leaves");
            return Err(Refused::of(exeat.into_request(), body, Cause::JournalUnavailable));
        }
    };
    gateway.figures().allow();
    let seen = body.seen.clone();
    let judged = body.judged;
    let (outgoing, sent) = Outgoing::new(body);
    let mut account =
        Account { journal: gateway.journal.clone(), intent, began, status: None, sent, received: 0, _place: place };

    let mut headers = exeat.request().headers().clone();
    let sending = async {
        if let Some(credential) = &credential {
            credential.inject(&exeat, &mut headers).await.map_err(|error| {
                tracing::error!(%error, "a credential cannot be had");
                Cause::CredentialUnavailable(credential.name().to_owned())
            })?;
        }
        let authority = exeat.request().authority();
        guest.upstream.send(authority, record::to_wire(exeat.request(), headers, outgoing)?).await
    };
    match sending.await {
        Ok(response) => {
            account.status = Some(response.status().as_u16());
            let (mut head, body) = response.into_parts();
            let length = head.headers.remove(header::CONTENT_LENGTH);
            head.headers = canonical::without_hop_by_hop(&head.headers);
            head.version = http::Version::default();
            head.extensions = http::Extensions::new();
            let asked_for_head = exeat.request().method() == Method::HEAD;
            let body = if asked_for_head || body.is_end_stream() {
                // Here the length speaks of a body that is not sent (RFC 9110, section 8.6).
                if asked_for_head || head.status == StatusCode::NOT_MODIFIED {
                    head.headers.extend(length.map(|length| (header::CONTENT_LENGTH, length)));
                }
                account.settle(None).await;
                Relayed::empty()
            } else {
                Relayed::Origin(Box::new(Metered::new(body, account)))
            };
            Ok(Response::from_parts(head, body))
        }
        Err(cause) => {
            account.settle(Some(cause.code().to_owned())).await;
            Err(Refused::after_intent(exeat.into_request(), seen, judged, cause))
        }
    }
}
