//! Agent Sandbox's older API. Its SDK 1.0.8 speaks it by default: `commands/command_executor.py`,
//! `files/filesystem.py` and `models.py` there say what is sent and what is expected.

use std::time::{Duration, UNIX_EPOCH};

use bytes::BytesMut;
use exeat_inside::process::ProcessConfig;
use exeat_inside::status::{Code, Status};
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::answer::{self, Body, json};
use super::files::{self, Found, Source, next_of_body};
use super::multipart::Multipart;
use super::process_service::Guard;
use super::process_service::collected::Collected;
use super::rest::{octets, shown};
use super::{Context, Sandbox, place};
use crate::limits;
use crate::processes::Stdio;

/// What the `timeout` program exits with, and what the SDK gives itself where the other API times out.
const TIMED_OUT: i32 = 124;

#[derive(Deserialize)]
struct Execute {
    command: String,
    timeout_seconds: Option<f64>,
}

#[derive(Serialize)]
struct Executed {
    stdout: String,
    stderr: String,
    exit_code: i32,
    timed_out: bool,
}

#[derive(Serialize)]
struct Row {
    name: String,
    size: u64,
    r#type: &'static str,
    mod_time: f64,
}

#[derive(Serialize)]
struct Exists {
    path: String,
    exists: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    message: &'static str,
}

pub(super) async fn serve(context: Context, request: Request<Incoming>) -> Response<Body> {
    match respond(context, request).await {
        Ok(response) => response,
        Err(status) => json(answer::http_status(status.code), &Message { message: &status.message }),
    }
}

async fn respond(context: Context, request: Request<Incoming>) -> Result<Response<Body>, Status> {
    let uri = request.uri().clone();
    let method = request.method().clone();
    let (verb, rest) = uri.path().trim_start_matches('/').split_once('/').unwrap_or((uri.path().trim_matches('/'), ""));
    match (method, verb) {
        (Method::GET, "") => Ok(json(StatusCode::OK, &Health { status: "ok", message: "exeat-sandboxd is serving" })),
        (Method::POST, "execute") => execute(context, request).await,
        (Method::POST, "upload") => upload(&context.sandbox, request).await,
        (Method::GET, "download") => download(&context.sandbox, rest),
        (Method::GET, "list") => list(&context.sandbox, rest),
        (Method::GET, "exists") => exists(&context.sandbox, rest),
        (_, "" | "execute" | "upload" | "download" | "list" | "exists") => {
            Err(Status::new(Code::Unimplemented, "not by this method"))
        }
        _ => Err(Status::new(Code::NotFound, "there are /execute, /upload, /download, /list and /exists")),
    }
}

async fn execute(context: Context, request: Request<Incoming>) -> Result<Response<Body>, Status> {
    let question = read_json(request.into_body()).await?;
    let limit = time_limit(question.timeout_seconds)?;
    let command = ["/bin/sh", "-c", &question.command].map(str::to_owned).to_vec();
    let config = ProcessConfig { command, ..ProcessConfig::default() };
    let launch = context.sandbox.launch(Some(config), Stdio::Output)?;
    let (running, mut events) = context.sandbox.processes.start(&launch)?;
    let mut guard = Guard::new(&context, running.clone(), Signal::SIGKILL);
    let mut collected = Collected::new(limits::LEGACY_OUTPUT_BYTES, limits::LEGACY_OUTPUT_BYTES);
    let ended = match limit {
        None => Some(collected.until_the_end(&mut events).await),
        Some(limit) => timeout(limit, collected.until_the_end(&mut events)).await.ok(),
    };
    if ended.is_none() {
        running.kill().await;
        // What was written before is in the pipe; what others still write is theirs.
        let _ = timeout(limits::LAST_WORDS_TIME, collected.until_the_end(&mut events)).await;
    }
    guard.disarm();
    let (stdout, stderr) = collected.finish();
    Ok(json(
        StatusCode::OK,
        &Executed {
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            exit_code: ended.unwrap_or(TIMED_OUT),
            timed_out: ended.is_none(),
        },
    ))
}

async fn read_json(mut body: Incoming) -> Result<Execute, Status> {
    let mut bytes = BytesMut::new();
    while let Some(more) = next_of_body(&mut body).await? {
        if bytes.len() + more.len() > limits::LEGACY_REQUEST_BYTES {
            return Err(Status::new(Code::InvalidArgument, "the request is longer than 1 MiB"));
        }
        bytes.extend_from_slice(&more);
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        Status::new(
            Code::InvalidArgument,
            format!("the body is not {{\"command\": …, \"timeout_seconds\"?: …}}: {error}"),
        )
    })
}

fn time_limit(seconds: Option<f64>) -> Result<Option<Duration>, Status> {
    let Some(seconds) = seconds else { return Ok(None) };
    let limit = Duration::try_from_secs_f64(seconds).ok().filter(|limit| !limit.is_zero());
    limit.map(Some).ok_or_else(|| Status::new(Code::InvalidArgument, "timeout_seconds is a number above 0"))
}

async fn upload(sandbox: &Sandbox, request: Request<Incoming>) -> Result<Response<Body>, Status> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let (part, name) = Multipart::file(&kind, request.into_body()).await?;
    let said = String::from_utf8_lossy(&name).into_owned();
    let place = place::inside(&sandbox.root, name)?;
    files::write(&place, &said, 0o644, Source::Part(part)).await?;
    Ok(json(StatusCode::OK, &Message { message: &format!("`{}` is written", said.escape_debug()) }))
}

fn download(sandbox: &Sandbox, file: &str) -> Result<Response<Body>, Status> {
    let place = place::below(&sandbox.root, file)?;
    match files::open(&place, &shown(file))? {
        Found::File(file, left) => Ok(octets(file, left)),
        Found::Folder => Err(Status::new(Code::InvalidArgument, "that is a folder")),
    }
}

fn list(sandbox: &Sandbox, folder: &str) -> Result<Response<Body>, Status> {
    let entries = files::list(&place::below(&sandbox.root, folder)?, &shown(folder))?;
    let row = |entry: files::Entry| {
        let since = entry.data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let mod_time = since.unwrap_or_default().as_secs_f64();
        Row { size: entry.data.len(), r#type: entry.kind(), mod_time, name: entry.name }
    };
    Ok(json(StatusCode::OK, &entries.into_iter().map(row).collect::<Vec<_>>()))
}

fn exists(sandbox: &Sandbox, file: &str) -> Result<Response<Body>, Status> {
    let place = place::below(&sandbox.root, file)?;
    Ok(json(StatusCode::OK, &Exists { path: shown(file), exists: place.exists() }))
}
