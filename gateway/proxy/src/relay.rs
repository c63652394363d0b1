//! The response on its way back: streamed, metered, and settled in the journal before the client sees its end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use exeat_journal::{Event, Journal};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::figures::Place;

/// What the gateway answers with.
pub(crate) enum Relayed {
    /// Its own answer.
    Own(Option<Bytes>),
    /// An origin's.
    Origin(Box<Metered>),
}

impl Relayed {
    pub(crate) fn empty() -> Self {
        Relayed::Own(None)
    }
}

/// An origin's body, counted, with the account that is settled at its end.
pub(crate) struct Metered {
    body: Incoming,
    account: Option<Account>,
    settling: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// The last frame, held until the account is settled: who has seen the end of a response finds it in the journal.
    last: Option<Frame<Bytes>>,
}

impl Metered {
    pub(crate) fn new(body: Incoming, account: Account) -> Self {
        Metered { body, account: Some(account), settling: None, last: None }
    }

    fn settle(&mut self, error: Option<&str>) {
        if let Some(account) = self.account.take() {
            self.settling = Some(Box::pin(account.settle(error.map(str::to_owned))));
        }
    }
}

/// What is written when a permitted request is over.
pub(crate) struct Account {
    pub(crate) journal: Journal,
    pub(crate) intent: u64,
    pub(crate) began: Instant,
    pub(crate) status: Option<u16>,
    pub(crate) sent: Arc<AtomicU64>,
    pub(crate) received: u64,
    /// Its place among the requests under way.
    pub(crate) _place: Place,
}

impl Account {
    /// Writes the outcome. Where that fails the intent stays without one, which reads "unknown".
    pub(crate) async fn settle(self, error: Option<String>) {
        let outcome = Event::Outcome {
            intent: self.intent,
            status: self.status,
            error,
            sent_bytes: self.sent.load(Ordering::Relaxed),
            received_bytes: self.received,
            duration_us: u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX),
        };
        if let Err(error) = self.journal.append_soon(outcome).await {
            tracing::error!(intent = self.intent, %error, "an outcome could not be recorded");
        }
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let metered = match &mut *self {
            Relayed::Own(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Relayed::Origin(metered) => metered,
        };
        loop {
            if let Some(settling) = &mut metered.settling {
                ready!(settling.as_mut().poll(cx));
                metered.settling = None;
            }
            if metered.account.is_none() {
                return Poll::Ready(metered.last.take().map(Ok));
            }
            match ready!(Pin::new(&mut metered.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                    if let Some(account) = &mut metered.account {
                        account.received += length;
                    }
                    // A body of known length is not asked for more than that.
                    if !metered.body.is_end_stream() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    metered.last = Some(frame);
                    metered.settle(None);
                }
                Some(Err(error)) => {
                    metered.settle(Some("the origin broke off its response"));
                    return Poll::Ready(Some(Err(io::Error::other(error))));
                }
                None => metered.settle(None),
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Relayed::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Relayed::Origin(metered) => metered.body.size_hint(),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Relayed::Own(None))
    }
}

impl Drop for Metered {
    /// A client that goes away drops the body; the outcome is still written, by a task that can wait for the journal.
    fn drop(&mut self) {
        let unfinished = self.settling.take().or_else(|| {
            let account = self.account.take()?;
            Some(Box::pin(account.settle(Some("the client went away".to_owned()))))
        });
        if let (Some(settling), Ok(runtime)) = (unfinished, tokio::runtime::Handle::try_current()) {
            runtime.spawn(settling);
        }
    }
}
