//! What the journal is told, bounded and without secrets; and the request as it goes on the wire.

use exeat_core::{Cause, Request, Session, Verdict, limits};
use exeat_credentials::Credential;
use exeat_journal::{Intent, OperationFacts, RequestFacts, bounded};
use exeat_policy::Exeat;
use http::{HeaderMap, Uri, header};
use sha2::{Digest, Sha256};

use crate::inspect::Inspected;
use crate::origin::Outgoing;

/// Query parameters that carry secrets: those that OpenTelemetry's conventions for `url.query` name, and the usual ones.
const SECRET_PARAMETERS: [&str; 14] = [
    "access_key",
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "awsaccesskeyid",
    "client_secret",
    "key",
    "password",
    "secret",
    "sig",
    "signature",
    "token",
    "x-goog-signature",
];

pub(crate) fn bounded_field(text: &str) -> String {
    bounded(text, limits::JOURNAL_FIELD_BYTES)
}

/// A request that is not canonical yet, or never will be.
pub(crate) fn as_received<B>(request: &hyper::Request<B>) -> RequestFacts {
    let uri = request.uri();
    let host = || request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    RequestFacts {
        method: bounded_field(request.method().as_str()),
        scheme: uri.scheme_str().unwrap_or_default().to_owned(),
        authority: bounded_field(uri.authority().map_or_else(host, http::uri::Authority::as_str)),
        path: bounded_field(uri.path()),
        query: uri.query().map(redacted),
        user_agent: user_agent(request.headers()),
    }
}

/// The request that was judged.
pub(crate) fn canonical(request: &Request) -> RequestFacts {
    RequestFacts {
        method: request.method().to_string(),
        scheme: request.scheme().as_str().to_owned(),
        authority: request.authority().to_string(),
        path: bounded_field(request.path().as_str()),
        query: request.query().as_str().map(redacted),
        user_agent: user_agent(request.headers()),
    }
}

/// What is about to leave.
pub(crate) fn intent(session: &Session, exeat: &Exeat, credential: Option<&Credential>, body: &Inspected) -> Intent {
    let whole = body.is_whole() && !body.seen.is_empty();
    Intent {
        session: session.id.clone(),
        profile: session.profile.clone(),
        user: session.user.clone(),
        request: canonical(exeat.request()),
        operations: exeat.verdicts().iter().map(operation).collect(),
        policy_version: exeat.version().as_str().to_owned(),
        credential: credential.map(|credential| credential.name().to_owned()),
        body_sha256: whole.then(|| hex::encode(Sha256::digest(&body.seen))),
    }
}

/// One operation with its verdict.
pub(crate) fn operation(verdict: &Verdict) -> OperationFacts {
    let operation = &verdict.operation;
    let context = operation.context.iter().map(|(name, value)| ((*name).to_owned(), serde_json::json!(value)));
    OperationFacts {
        action: operation.action.to_string(),
        group: operation.action.group.map(|group| group.as_str().to_owned()),
        resource: operation.target().map(|name| bounded_field(&name.to_string())).unwrap_or_default(),
        context: context.collect(),
        allowed: verdict.allowed,
        policies: verdict.policies.clone(),
        errors: verdict.errors.clone(),
    }
}

fn user_agent(headers: &HeaderMap) -> Option<String> {
    headers.get(header::USER_AGENT).map(|agent| bounded_field(&String::from_utf8_lossy(agent.as_bytes())))
}

fn redacted(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if SECRET_PARAMETERS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) => {
            format!("{name}=REDACTED")
        }
        _ => pair.to_owned(),
    });
    bounded_field(&pairs.collect::<Vec<_>>().join("&"))
}

/// The canonical request as it is sent.
pub(crate) fn to_wire(request: &Request, headers: HeaderMap, body: Outgoing) -> Result<http::Request<Outgoing>, Cause> {
    let authority = request.authority().to_host_header(request.scheme());
    let uri = Uri::builder()
        .scheme(request.scheme().as_str())
        .authority(authority)
        .path_and_query(request.path_and_query())
        .build()
        .map_err(|_| Cause::Malformed(exeat_core::Malformed::Framing("the canonical URL is not one")))?;
    let mut wire = http::Request::new(body);
    *wire.method_mut() = request.method().clone();
    *wire.uri_mut() = uri;
    *wire.headers_mut() = headers;
    Ok(wire)
}
