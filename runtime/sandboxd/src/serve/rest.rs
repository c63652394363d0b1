//! Agent Sandbox's API for files (`filesystem.yaml`).

use std::collections::BTreeMap;

use exeat_inside::status::{Code, Status};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::answer::{self, Body, json};
use super::files::{self, Contents, Entry, Found, Source};
use super::multipart::Multipart;
use super::{Context, Sandbox, place};

#[derive(Serialize)]
struct Failure<'a> {
    code: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
struct Listing {
    path: String,
    entries: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    size: u64,
    r#type: &'static str,
    modified_at: String,
    mode: String,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    uptime_seconds: u64,
}

#[derive(Serialize)]
struct Metadata<'a> {
    env: &'a BTreeMap<String, String>,
}

pub(super) async fn serve(context: Context, request: Request<Incoming>) -> Response<Body> {
    let is_head = request.method() == Method::HEAD;
    let response = match respond(&context.sandbox, request).await {
        Ok(response) => response,
        Err(status) => {
            let failure = Failure { code: status.code.name(), message: &status.message };
            json(answer::http_status(status.code), &failure)
        }
    };
    // HTTP/2 leaves it to us that an answer to HEAD has no body.
    if is_head { response.map(|_| answer::full("")) } else { response }
}

async fn respond(sandbox: &Sandbox, request: Request<Incoming>) -> Result<Response<Body>, Status> {
    let uri = request.uri().clone();
    let path = uri.path();
    let query = uri.query().unwrap_or_default();
    if let Some(file) = path.strip_prefix("/v1/files").filter(|file| file.is_empty() || file.starts_with('/')) {
        let file = file.strip_prefix('/').unwrap_or(file);
        return match *request.method() {
            Method::GET => get(sandbox, file),
            Method::HEAD => head(sandbox, file),
            Method::PUT => put(sandbox, file, query, request).await,
            Method::DELETE => delete(sandbox, file, query),
            _ => Err(Status::new(Code::Unimplemented, "files know GET, HEAD, PUT and DELETE")),
        };
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match path {
        "/v1/health" if is_read => {
            Ok(json(StatusCode::OK, &Health { status: "ok", uptime_seconds: sandbox.since.elapsed().as_secs() }))
        }
        "/v1/metadata" if is_read => Ok(json(StatusCode::OK, &Metadata { env: &sandbox.identity.borrow() })),
        "/v1/health" | "/v1/metadata" => Err(Status::new(Code::Unimplemented, "this knows GET only")),
        _ => Err(Status::new(Code::NotFound, "there are /v1/files/{path}, /v1/health and /v1/metadata")),
    }
}

fn get(sandbox: &Sandbox, file: &str) -> Result<Response<Body>, Status> {
    let place = place::below(&sandbox.root, file)?;
    match files::open(&place, &shown(file))? {
        Found::File(file, left) => Ok(octets(file, left)),
        Found::Folder => {
            let entries = files::list(&place, &shown(file))?;
            let rows = entries.into_iter().map(row).collect();
            Ok(json(StatusCode::OK, &Listing { path: place.to_string_lossy().into_owned(), entries: rows }))
        }
    }
}

/// As [`get`], without a body. A folder's listing has no length before it is made.
fn head(sandbox: &Sandbox, file: &str) -> Result<Response<Body>, Status> {
    let place = place::below(&sandbox.root, file)?;
    let mut response = answer::empty(StatusCode::OK);
    let kind = match files::open(&place, &shown(file))? {
        Found::Folder => "application/json",
        Found::File(_, length) => {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            "application/octet-stream"
        }
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

async fn put(sandbox: &Sandbox, file: &str, query: &str, request: Request<Incoming>) -> Result<Response<Body>, Status> {
    let place = place::below(&sandbox.root, file)?;
    let mode = mode(parameter(query, "mode").as_deref())?;
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let source = if kind.starts_with("multipart/form-data") {
        Source::Part(Multipart::file(&kind, request.into_body()).await?.0)
    } else {
        Source::Raw(request.into_body())
    };
    files::write(&place, &shown(file), mode, source).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

fn delete(sandbox: &Sandbox, file: &str, query: &str) -> Result<Response<Body>, Status> {
    let place = place::below(&sandbox.root, file)?;
    let recursive = match parameter(query, "recursive").as_deref() {
        Some("true" | "1") => true,
        None | Some("" | "false" | "0") => false,
        Some(_) => return Err(Status::new(Code::InvalidArgument, "recursive is true or false")),
    };
    files::remove(&sandbox.root, &place, &shown(file), recursive)?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// A file's bytes.
pub(super) fn octets(file: std::fs::File, left: u64) -> Response<Body> {
    answer::with(StatusCode::OK, Box::pin(Contents { file, left }), Some("application/octet-stream"))
}

/// A path of a request, as errors show it.
pub(super) fn shown(encoded: &str) -> String {
    percent_decode_str(encoded).decode_utf8_lossy().into_owned()
}

fn row(entry: Entry) -> Row {
    let modified_at = entry.data.modified().ok().and_then(|time| jiff::Timestamp::try_from(time).ok());
    Row {
        size: entry.data.len(),
        r#type: entry.kind(),
        modified_at: modified_at.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string(),
        mode: entry.mode(),
        name: entry.name,
    }
}

fn mode(given: Option<&str>) -> Result<u32, Status> {
    let Some(given) = given.filter(|given| !given.is_empty()) else { return Ok(0o644) };
    let is_mode = given.len() == 4 && given.starts_with('0');
    let mode = u32::from_str_radix(given, 8).ok().filter(|_| is_mode && !given.contains('+'));
    mode.ok_or_else(|| Status::new(Code::InvalidArgument, "the mode is four octal digits of which the first is 0"))
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    Some(shown(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_four_octal_digits() {
        assert_eq!(mode(None), Ok(0o644));
        assert_eq!(mode(Some("0755")), Ok(0o755));
        for wrong in ["755", "1755", "0888", "0+75", "07555"] {
            assert_eq!(mode(Some(wrong)).unwrap_err().code, Code::InvalidArgument, "{wrong}");
        }
    }
}
