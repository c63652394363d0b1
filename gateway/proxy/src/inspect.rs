//! Reading as much of a body as its integration must see, and no more: the rest streams through.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use exeat_core::{Cause, HeadProgress, Inspect, Unreadable, limits};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A request's body: what has been read of it, and what still streams.
pub(crate) struct Inspected {
    /// What was read, decoded of its framing. It is what was judged, and it is sent byte for byte.
    pub(crate) seen: Bytes,
    /// How much of `seen` was to be judged; bytes behind it arrived with it.
    pub(crate) judged: usize,
    /// The rest, where there is one.
    pub(crate) rest: Option<Incoming>,
    /// The room that `seen` takes, given back when the body is sent or dropped.
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

impl Inspected {
    /// What the integration asked to see.
    pub(crate) fn judged(&self) -> &[u8] {
        &self.seen[..self.judged]
    }

    /// Whether nothing is left to stream: all of the body has been seen.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_none()
    }
}

/// Reads what `inspect` asks for.
pub(crate) async fn inspect(inspect: Inspect, body: Incoming, room: &Arc<Semaphore>) -> Result<Inspected, Cause> {
    if body.is_end_stream() {
        return ended(inspect, Bytes::new(), None);
    }
    let limit = match inspect {
        Inspect::Nothing => return Ok(Inspected { seen: Bytes::new(), judged: 0, rest: Some(body), _room: None }),
        Inspect::Whole => limits::INSPECTED_BODY_BYTES,
        Inspect::Head(_) => limits::INSPECTED_HEAD_BYTES,
    };
    if matches!(inspect, Inspect::Whole) && body.size_hint().lower() > limit as u64 {
        return Err(Cause::BodyTooLarge(limit));
    }
    read(inspect, limit, body, Room { all: room, held: None }).await
}

async fn read(inspect: Inspect, limit: usize, mut body: Incoming, mut room: Room<'_>) -> Result<Inspected, Cause> {
    let mut seen = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(limits::BODY_IDLE_TIME, body.frame()).await.map_err(|_| Cause::BodyTimeout)?;
        let Some(frame) = frame else { return ended(inspect, seen.freeze(), room.held) };
        let frame = frame.map_err(|error| Unreadable::malformed(format!("the body is malformed: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        room.hold(data.len())?;
        seen.extend_from_slice(&data);
        if let Inspect::Head(parse) = inspect
            && let Some(judged) = progress(parse(&seen))?
        {
            return Ok(Inspected { seen: seen.freeze(), judged, rest: Some(body), _room: room.held });
        }
        if seen.len() > limit {
            return Err(Cause::BodyTooLarge(limit));
        }
    }
}

/// The body is over: a head that is not complete by now never will be.
fn ended(inspect: Inspect, seen: Bytes, room: Option<OwnedSemaphorePermit>) -> Result<Inspected, Cause> {
    let judged = match inspect {
        Inspect::Head(parse) if !seen.is_empty() => match progress(parse(&seen))? {
            Some(judged) => judged,
            None => return Err(Unreadable::malformed("the body ends too early").into()),
        },
        _ => seen.len(),
    };
    Ok(Inspected { seen, judged, rest: None, _room: room })
}

fn progress(progress: HeadProgress) -> Result<Option<usize>, Cause> {
    match progress {
        HeadProgress::Incomplete => Ok(None),
        HeadProgress::Complete(judged) => Ok(Some(judged)),
        HeadProgress::Invalid(why) => Err(Unreadable::malformed(why).into()),
    }
}

/// Memory for held bodies, bounded over all sessions.
struct Room<'a> {
    all: &'a Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Room<'_> {
    fn hold(&mut self, bytes: usize) -> Result<(), Cause> {
        let bytes = u32::try_from(bytes).map_err(|_| Cause::Overloaded)?;
        let more = Arc::clone(self.all).try_acquire_many_owned(bytes).map_err(|_| Cause::Overloaded)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}
