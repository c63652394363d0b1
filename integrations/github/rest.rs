//! The REST API (<https://docs.github.com/rest>): routes become actions, by GitHub's own description.

use exeat_core::{Answer, Entity, Operation, Refusal, Request, Unreadable};
use http::Method;
use serde_json::json;

use super::Surface;
use super::names::{account, is_ref, reference, repo, service};
use super::router::{Found, Kind, Router};
use crate::endpoint::{refuse_encoded_slash, unclassified, with_advice};

/// The one operation that uploads.github.com serves.
pub(crate) const UPLOAD: &str = "repos/upload-release-asset";

/// What a request to the REST API means.
pub(crate) fn classify(router: &Router, surface: Surface, request: &Request) -> Result<Vec<Operation>, Unreadable> {
    let segments: Vec<&str> = request.path().segments().collect();
    // HEAD is GET without the body (RFC 9110, section 9.3.2).
    let method = if request.method() == Method::HEAD { "GET" } else { request.method().as_str() };
    let found = router.find(method, &segments).filter(|found| serves(surface, found) && is_whole(request, found));
    let Some(found) = found else {
        refuse_encoded_slash(request)?;
        return Ok(vec![unclassified(request)]);
    };
    if found.has_misplaced_slash() {
        refuse_encoded_slash(request)?;
    }
    let operation = resource(&found, &segments)?.map(|lineage| Operation::new(found.route.action.clone(), lineage));
    Ok(vec![operation.unwrap_or_else(|| unclassified(request))])
}

fn serves(surface: Surface, found: &Found<'_, '_>) -> bool {
    surface == Surface::Rest || found.route.action.name == UPLOAD
}

/// A slash at the end has a meaning at the root of `contents` alone, which clients write with and without it.
fn is_whole(request: &Request, found: &Found<'_, '_>) -> bool {
    !request.path().has_trailing_slash() || found.route.action.name == "repos/get-content"
}

/// The resource and what it is in; `None` where a name cannot be one.
fn resource(found: &Found<'_, '_>, segments: &[&str]) -> Result<Option<Vec<Entity>>, Unreadable> {
    match found.route.kind {
        Kind::Service => Ok(Some(vec![service()])),
        Kind::Account => Ok(account_of(found, segments)),
        Kind::Repo => Ok(repo_of(found)),
        Kind::Ref => {
            let full = format!("refs/{}", found.value("ref").unwrap_or_default());
            // `refs/refs/heads/main` could be taken for `refs/heads/main`, and is nothing that git makes by itself.
            if !is_ref(&full) || full.starts_with("refs/refs/") {
                return Err(Unreadable::malformed(
                    "the path does not name a ref: write `heads/main` for `refs/heads/main`",
                ));
            }
            Ok(repo_of(found).map(|repo| reference(&repo, &full)))
        }
    }
}

fn account_of(found: &Found<'_, '_>, segments: &[&str]) -> Option<Vec<Entity>> {
    let name = found.value("org").or_else(|| found.value("username"))?;
    // `/organizations/9919` was how an id was written. It names an account whose name is not known here.
    let is_id = segments.first() == Some(&"organizations") && name.bytes().all(|b| b.is_ascii_digit());
    if is_id { None } else { account(&name).map(|account| vec![account]) }
}

fn repo_of(found: &Found<'_, '_>) -> Option<Vec<Entity>> {
    let value = |plain: &str, template: &str| found.value(plain).or_else(|| found.value(template));
    repo(&value("owner", "template_owner")?, &value("repo", "template_repo")?)
}

/// A refusal as GitHub writes its errors
/// (<https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api>): `gh` and Octokit show `message`.
pub(crate) fn refuse(refusal: &Refusal) -> Answer {
    let status = refusal.cause.status().as_u16().to_string();
    let message = with_advice(refusal);
    Answer::json_with(refusal, json!({ "message": message, "status": status, "exeat": refusal.to_json() }))
}
