//! In a sandbox without a network: we dial, and serve on the connection that we made.
//!
//! No socket of ours can be reached from outside, and gVisor breaks the host's at a checkpoint, also where the sandbox
//! goes on. So the connection is nothing that anything depends on: it is dialled again for ever.

use std::cell::Cell;
use std::convert::Infallible;
use std::os::fd::AsFd;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::saved::Saved;
use super::{Context, Sandbox, builder, route};
use crate::{Forever, limits};

/// Dials and serves for ever.
pub(super) async fn serve(sandbox: Rc<Sandbox>, socket: &Path) -> Forever {
    let mut pause = limits::FIRST_PAUSE;
    let mut saved = Saved::watch();
    loop {
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
    let context = Context { sandbox, only: None, lost: Rc::default() };
    let lost = Lost(Rc::clone(&context.lost));
    let service = service_fn(move |request| {
        let context = context.clone();
        async move { Ok::<_, Infallible>(route(context, request).await) }
    });
    let begun = tokio::time::Instant::now();
    let Ok(watched) = stream.as_fd().try_clone_to_owned() else { return };
    let mut connection = pin!(builder().serve_connection(TokioIo::new(stream), service));
    // How it ended makes no difference.
    tokio::select! {
        _ = &mut connection => {}
        () = saved.breaks(&watched) => {}
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
