//! A request as plain HTTP sees it: the endpoint it goes to. What integrations fall back to.

use exeat_core::{Action, Entity, Operation, Refusal, Request, Unreadable, Value};

/// The endpoint, then the host's domains, nearest first: `api.example.com:443`, `api.example.com`, `example.com`,
/// `com`.
pub(crate) fn lineage(request: &Request) -> Vec<Entity> {
    let authority = request.authority();
    let endpoint = Entity::new("Exeat::Endpoint", authority.to_string())
        .with("host", Value::String(authority.host.to_string()))
        .with("port", Value::Long(i64::from(authority.port)))
        .with("scheme", request.scheme().as_str());
    let domains = authority.host.domains().into_iter().map(|domain| Entity::new("Exeat::Domain", domain));
    std::iter::once(endpoint).chain(domains).collect()
}

/// What a request means where nothing is known about its route: it is in no group, and only a permit that names it
/// covers it.
pub fn unclassified(request: &Request) -> Operation {
    Operation::new(Action::UNCLASSIFIED, lineage(request))
}

/// Refuses a path in which a slash is percent-encoded: some servers take `%2F` for a separator, others do not.
pub(crate) fn refuse_encoded_slash(request: &Request) -> Result<(), Unreadable> {
    match request.path().has_encoded_slash() {
        true => Err(Unreadable::malformed("the path has an encoded slash, which servers read in two ways")),
        false => Ok(()),
    }
}

/// A refusal as one line for clients that show one field: why, and what to do next.
pub(crate) fn with_advice(refusal: &Refusal) -> String {
    match &refusal.advice {
        Some(advice) => format!("{} ({advice})", refusal.message()),
        None => refusal.message(),
    }
}
