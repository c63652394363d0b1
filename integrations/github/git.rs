//! git over HTTP, the smart protocol (<https://git-scm.com/docs/gitprotocol-http>), and downloads of what git holds.

use exeat_core::{Action, Answer, Entity, Inspect, Operation, Refusal, Request, Unreadable};
use http::Method;

use super::names::{reference, repo};
use super::{Actions, receive_pack, report};
use crate::content::{require_identity, require_type};
use crate::endpoint::{refuse_encoded_slash, unclassified};

/// The requests of the smart protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exchange {
    /// `GET …/info/refs?service=git-upload-pack`
    DiscoverFetch,
    /// `GET …/info/refs?service=git-receive-pack`
    DiscoverPush,
    /// `POST …/git-upload-pack`
    Fetch,
    /// `POST …/git-receive-pack`
    Push,
}

/// The command list of a push is read; everything else streams through.
pub(crate) fn inspect(request: &Request) -> Inspect {
    match exchange(request) {
        // What is encoded is refused without a look at it.
        Ok(Some((Exchange::Push, _))) if require_identity(request).is_ok() => Inspect::Head(receive_pack::head),
        _ => Inspect::Nothing,
    }
}

/// What a request to github.com means.
pub(crate) fn classify(actions: &Actions, request: &Request, body: &[u8]) -> Result<Vec<Operation>, Unreadable> {
    refuse_encoded_slash(request)?;
    let Some((exchange, repo)) = exchange(request)? else { return Ok(vec![unclassified(request)]) };
    match exchange {
        Exchange::DiscoverFetch | Exchange::Fetch => Ok(vec![Operation::new(actions.fetch.clone(), repo)]),
        Exchange::DiscoverPush => Ok(vec![Operation::new(actions.discover_push.clone(), repo)]),
        Exchange::Push => {
            require_identity(request)?;
            require_type(request, "application/x-git-receive-pack-request")?;
            push(actions, repo, body)
        }
    }
}

fn push(actions: &Actions, repo: Vec<Entity>, body: &[u8]) -> Result<Vec<Operation>, Unreadable> {
    let updates = receive_pack::parse(body).map_err(Unreadable::malformed)?;
    if updates.is_empty() {
        // Before a large push git sends an empty list, to be asked for credentials at once.
        return Ok(vec![Operation::new(actions.discover_push.clone(), repo)]);
    }
    let operation = |update: &receive_pack::Update| {
        let action = if update.kind() == "delete" { &actions.delete } else { &actions.push };
        Operation::new(action.clone(), reference(&repo, &update.name))
            .with("update", update.kind())
            .with("old", update.old.as_str())
            .with("new", update.new.as_str())
    };
    Ok(updates.iter().map(operation).collect())
}

/// What a request to codeload.github.com or raw.githubusercontent.com means: `/owner/repo/…`, `length` segments at
/// least.
pub(crate) fn classify_download(
    action: &Action, length: usize, request: &Request,
) -> Result<Vec<Operation>, Unreadable> {
    refuse_encoded_slash(request)?;
    let segments: Vec<&str> = request.path().segments().collect();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let repo = match segments.as_slice() {
        [owner, name, ..] if reads && segments.len() >= length && !request.path().has_trailing_slash() => {
            repo(owner, name)
        }
        _ => None,
    };
    Ok(vec![repo.map_or_else(|| unclassified(request), |repo| Operation::new(action.clone(), repo))])
}

/// Which exchange it is, with which repository; `None` for everything that is not the smart protocol.
fn exchange(request: &Request) -> Result<Option<(Exchange, Vec<Entity>)>, Unreadable> {
    if request.path().has_trailing_slash() {
        return Ok(None);
    }
    let segments: Vec<&str> = request.path().segments().collect();
    let service = || request.query().get("service").map_err(|error| Unreadable::malformed(error.to_string()));
    let (owner, name, exchange) = match (request.method().as_str(), segments.as_slice()) {
        ("GET" | "HEAD", [owner, name, "info", "refs"]) => match service()?.as_deref() {
            Some("git-upload-pack") => (owner, name, Exchange::DiscoverFetch),
            Some("git-receive-pack") => (owner, name, Exchange::DiscoverPush),
            _ => return Ok(None),
        },
        ("POST", [owner, name, "git-upload-pack"]) => (owner, name, Exchange::Fetch),
        ("POST", [owner, name, "git-receive-pack"]) => (owner, name, Exchange::Push),
        _ => return Ok(None),
    };
    Ok(repo(owner, name).map(|repo| (exchange, repo)))
}

/// A refusal in git's own words, so that `git` shows it.
pub(crate) fn refuse(request: &Request, body: &[u8], refusal: &Refusal) -> Answer {
    match exchange(request) {
        Ok(Some((Exchange::Push, _))) => report::push(body, refusal),
        Ok(Some((Exchange::Fetch, _))) => report::fetch(refusal),
        _ => report::text(refusal),
    }
}
