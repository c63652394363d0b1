//! Watching: a line for each change, until the client has seen enough (Kubernetes API concepts, "Efficient detection of
//! changes").

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use exeat_router::Body;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, timeout_at};

use crate::objects::Objects;
use crate::resource::Resource;
use crate::route::Query;

/// What is watched.
pub(crate) struct Watch {
    pub(crate) objects: Arc<Objects>,
    pub(crate) resource: Resource,
    pub(crate) namespace: Option<String>,
    pub(crate) query: Query,
    /// Its place among all watches.
    pub(crate) place: OwnedSemaphorePermit,
}

impl Watch {
    /// An answer that goes on until the watch ends.
    pub(crate) fn response(self) -> Response<Body> {
        // One line in hand: the rest stays in `Objects`, so that a slow reader holds nothing.
        let (sender, receiver) = channel(1);
        tokio::spawn(self.run(sender));
        let body: Body = Lines(receiver).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    async fn run(self, lines: Sender<Bytes>) {
        let end = Instant::now() + self.query.timeout;
        let ended = timeout_at(end, self.follow(&lines));
        let gone = lines.closed();
        tokio::select! { _ = ended => {}, () = gone => {} }
        drop(self.place);
    }

    /// Returns when the client is gone, or has to begin anew.
    async fn follow(&self, lines: &Sender<Bytes>) -> Option<()> {
        let (namespace, selector) = (self.namespace.as_deref(), &self.query.selector);
        let mut newest = self.objects.subscribe();
        let mut version = self.query.since;
        if version == 0 {
            let (now, objects) = self.objects.list(self.resource, namespace, selector);
            for object in objects {
                lines.send(line("ADDED", &object)).await.ok()?;
            }
            version = now;
            if self.query.marks_initial {
                lines.send(line("BOOKMARK", &self.mark(version))).await.ok()?;
            }
        }
        loop {
            newest.borrow_and_update();
            match self.objects.after(version, self.resource, namespace, selector) {
                Ok((next, events)) => {
                    version = next;
                    for event in &events {
                        lines.send(line(event.change.as_str(), &event.object)).await.ok()?;
                    }
                    // There may be more than one batch.
                    if !events.is_empty() {
                        continue;
                    }
                }
                Err(failure) => return lines.send(line("ERROR", &failure.status())).await.ok(),
            }
            newest.changed().await.ok()?;
        }
    }

    /// Says that everything that was there has been told.
    fn mark(&self, version: u64) -> Value {
        json!({
            "apiVersion": self.resource.api_version(), "kind": self.resource.kind(),
            "metadata": {
                "resourceVersion": version.to_string(), "annotations": { "k8s.io/initial-events-end": "true" },
            },
        })
    }
}

fn line(change: &str, object: &Value) -> Bytes {
    Bytes::from(json!({ "type": change, "object": object }).to_string() + "\n")
}

struct Lines(Receiver<Bytes>);

impl http_body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
