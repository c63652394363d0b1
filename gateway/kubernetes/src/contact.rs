//! Whether what is known of the cluster can still be relied on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use exeat_core::{Cause, limits};
use kube::Client;

/// How often the API server is asked for a sign of life.
const EVERY: Duration = Duration::from_secs(10);

/// A watch that is broken is tried again within half a minute. One that gave no error for longer works: success says nothing.
const RETRIED: Duration = Duration::from_secs(45);

/// When the API server was last heard, and which watches are broken since when.
pub(crate) struct Contact(Mutex<Heard>);

struct Heard {
    last: Instant,
    broken: BTreeMap<&'static str, Broken>,
}

struct Broken {
    since: Instant,
    last: Instant,
}

impl Contact {
    pub(crate) fn new() -> Self {
        Contact(Mutex::new(Heard { last: Instant::now(), broken: BTreeMap::new() }))
    }

    /// A watch gave something.
    pub(crate) fn works(&self, kind: &'static str) {
        self.heard().broken.remove(kind);
    }

    /// A watch gave an error. It is tried again.
    pub(crate) fn fails(&self, kind: &'static str) {
        let now = Instant::now();
        let mut heard = self.heard();
        let broken = heard.broken.entry(kind).or_insert(Broken { since: now, last: now });
        if broken.last.elapsed() > RETRIED {
            broken.since = now;
        }
        broken.last = now;
    }

    /// Whether the cluster was seen as it is a short while ago. Claims that were deleted since, and policies that forbid since,
    /// are not known; so after a while nothing counts any more.
    ///
    /// # Errors
    /// [`Cause::IdentityUnavailable`].
    pub(crate) fn check(&self) -> Result<(), Cause> {
        let heard = self.heard();
        if heard.last.elapsed() > limits::CLUSTER_VIEW_AGE {
            return Err(Cause::IdentityUnavailable("the Kubernetes API has not answered for a while".to_owned()));
        }
        let lasting =
            |broken: &Broken| broken.since.elapsed() > limits::CLUSTER_VIEW_AGE && broken.last.elapsed() <= RETRIED;
        match heard.broken.iter().find(|(_, broken)| lasting(broken)) {
            Some((kind, _)) => Err(Cause::IdentityUnavailable(format!("the {kind} of the cluster cannot be watched"))),
            None => Ok(()),
        }
    }

    /// Asks for signs of life for as long as it is polled.
    pub(crate) async fn keep(&self, client: &Client) {
        loop {
            let asked = Instant::now();
            match tokio::time::timeout(limits::API_SERVER_TIME, client.apiserver_version()).await {
                Ok(Ok(_)) => self.heard().last = asked,
                Ok(Err(error)) => tracing::warn!(%error, "the API server gives no sign of life"),
                Err(_) => tracing::warn!("the API server does not answer"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
