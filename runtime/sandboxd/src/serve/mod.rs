//! What sandboxd serves to somebody outside: over a connection that it dials itself, or in a pod at ports of its own.
//!
//! ```text
//!   dial    runtime.sock ──▶ HTTP/2, we are the server ──▶ route: by :authority, or by port
//!           ▲                                                 ├─ grpc    process_service   Start, Execute, …
//!           └── lost: after every snapshot                    ├─ rest    /v1/files, /v1/health, /v1/metadata
//!   listen  8888, 8080, 9090, 9091 ───────────────────────▶   ├─ legacy  /execute, /upload, …
//!                                                             └─ exeat   control, archive, ports
//! ```

mod answer;
mod archive;
mod control;
mod dial;
mod files;
mod grpc;
mod inspect;
mod legacy;
mod listen;
mod multipart;
mod place;
mod ports;
mod process_service;
mod rest;
mod sandbox;
mod saved;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use exeat_inside::{Api, limits as shared};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use tokio::task::spawn_local;

use self::answer::Body;
use self::listen::Ports;
pub(crate) use self::sandbox::Sandbox;
use crate::Forever;
use crate::arguments::Door;

/// How others come in.
pub(crate) enum Entrance {
    /// This socket is dialled.
    Dial(PathBuf),
    /// These ports are listened at.
    Listen(Ports),
}

impl Entrance {
    /// Makes sure that others can come in, before anybody is let in.
    pub(crate) fn open(door: Door) -> io::Result<Self> {
        match door {
            Door::Dial(socket) => std::path::absolute(socket).map(Entrance::Dial),
            Door::Listen { address, without } => Ports::open(address, &without).map(Entrance::Listen),
        }
    }

    /// Serves for ever.
    pub(crate) async fn serve(self, sandbox: Rc<Sandbox>) -> Forever {
        match self {
            Entrance::Dial(socket) => dial::serve(sandbox, &socket).await,
            Entrance::Listen(ports) => ports.serve(sandbox).await,
        }
    }
}

/// What a request needs to know.
#[derive(Clone)]
struct Context {
    sandbox: Rc<Sandbox>,
    /// The one API that can be reached; without it, the `:authority` says which.
    only: Option<Api>,
    /// Set once the connection is lost, before its requests are dropped: a request that is dropped earlier was
    /// cancelled by its caller.
    lost: Rc<Cell<bool>>,
}

fn builder() -> Builder<Here> {
    let mut builder = Builder::new(Here);
    builder
        .initial_stream_window_size(shared::STREAM_WINDOW)
        .initial_connection_window_size(shared::CONNECTION_WINDOW)
        .max_concurrent_streams(shared::STREAMS)
        .max_frame_size(shared::FRAME_BYTES)
        .max_header_list_size(shared::HEADER_BYTES)
        .max_send_buf_size(shared::SEND_BUFFER_BYTES);
    builder
}

async fn route(context: Context, request: Request<Incoming>) -> Response<Body> {
    let named = || request.uri().authority().and_then(|authority| Api::of(authority.host()));
    match context.only.or_else(named) {
        Some(Api::Exeat) if request.method() == Method::CONNECT => ports::connect(request).await,
        Some(Api::Exeat) => control::serve(context, request).await,
        Some(Api::Grpc) => process_service::serve(context, request).await,
        Some(Api::Rest) => rest::serve(context, request).await,
        Some(Api::Legacy) => legacy::serve(context, request).await,
        None => answer::text(http::StatusCode::MISDIRECTED_REQUEST, "no such API"),
    }
}

/// Runs hyper's tasks on this thread.
#[derive(Clone, Copy)]
struct Here;

impl<F: Future + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, future: F) {
        spawn_local(async move { drop(future.await) });
    }
}
