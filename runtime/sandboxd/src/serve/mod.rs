//! The second mode: sandboxd serves somebody outside, over a connection that it dials itself.
//!
//! ```text
//!   dial runtime.sock ──▶ HTTP/2, we are the server ──▶ route by :authority
//!        ▲                                                 ├─ grpc    process_service   Start, Execute, …
//!        └── lost: after every snapshot                    ├─ rest    /v1/files, /v1/health, /v1/metadata
//!                                                          ├─ legacy  /execute, /upload, …
//!                                                          └─ exeat   control, archive, ports
//! ```
//!
//! No socket of ours can be reached from outside, and gVisor breaks the host's at a checkpoint, also where the sandbox
//! goes on. So the connection is nothing that anything depends on: it is dialled again for ever.

mod answer;
mod archive;
mod control;
mod files;
mod grpc;
mod inspect;
mod legacy;
mod multipart;
mod place;
mod ports;
mod process_service;
mod rest;
mod sandbox;
mod saved;

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;

use exeat_inside::{Api, limits as shared};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::spawn_local;

use self::answer::Body;
pub(crate) use self::sandbox::Sandbox;
use self::saved::Saved;
use crate::{Forever, limits};

/// What a request needs to know.
#[derive(Clone)]
struct Context {
    sandbox: Rc<Sandbox>,
    /// Set once the connection is lost, before its requests are dropped: a request that is dropped earlier was
    /// cancelled by its caller.
    lost: Rc<Cell<bool>>,
}

/// Dials and serves for ever.
pub(crate) async fn serve(sandbox: Rc<Sandbox>, socket: &Path) -> Forever {
    let mut pause = limits::FIRST_PAUSE;
    let mut saved = Saved::watch();
    loop {
        saved.forget();
        if let Ok(stream) = UnixStream::connect(socket).await {
            pause = limits::FIRST_PAUSE;
            serve_connection(Rc::clone(&sandbox), stream, &mut saved).await;
        } else {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(limits::LONGEST_PAUSE);
        }
    }
}

async fn serve_connection(sandbox: Rc<Sandbox>, stream: UnixStream, saved: &mut Saved) {
    let context = Context { sandbox, lost: Rc::default() };
    let lost = Lost(Rc::clone(&context.lost));
    let service = service_fn(move |request| {
        let context = context.clone();
        async move { Ok::<_, Infallible>(route(context, request).await) }
    });
    let begun = tokio::time::Instant::now();
    let mut connection = pin!(builder().serve_connection(TokioIo::new(stream), service));
    // How it ended makes no difference.
    tokio::select! {
        _ = &mut connection => {}
        () = saved.happened() => {}
    }
    drop(lost);
    // A supervisor that accepts and closes at once must not be dialled in a circle.
    tokio::time::sleep_until(begun + limits::FIRST_PAUSE).await;
}

/// Says that a connection is lost, however that comes.
struct Lost(Rc<Cell<bool>>);

impl Drop for Lost {
    fn drop(&mut self) {
        self.0.set(true);
    }
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
    let api = request.uri().authority().and_then(|authority| Api::of(authority.host()));
    match api {
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
