//! What the gateway counts for those who watch and scale it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use exeat_core::Cause;
use tokio::sync::OwnedSemaphorePermit;

use crate::{Gateway, Guest};

/// Counts of one gateway since it started.
#[derive(Default)]
pub struct Figures {
    in_flight: AtomicUsize,
    allowed: AtomicU64,
    /// By the cause's code. There are as many as causes.
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

/// A request's place among those of its session that are under way, and its part in the count of all.
pub(crate) struct Place {
    figures: Arc<Figures>,
    _session: OwnedSemaphorePermit,
}

impl Place {
    /// A place, where the session has one left.
    pub(crate) fn take(gateway: &Gateway, guest: &Guest) -> Option<Self> {
        let session = Arc::clone(&guest.requests).try_acquire_owned().ok()?;
        Some(gateway.figures().begin(session))
    }
}

impl Figures {
    fn begin(self: &Arc<Self>, session: OwnedSemaphorePermit) -> Place {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Place { figures: Arc::clone(self), _session: session }
    }

    pub(crate) fn allow(&self) {
        self.allowed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, cause: &Cause) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(cause.code()).or_default() += 1;
    }

    /// Requests that have begun and not ended.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The counts as Prometheus reads them (text format, version 0.0.4).
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        let in_flight = self.in_flight();
        let _ = writeln!(text, "# HELP exeat_gateway_requests_in_flight Requests that have begun and not ended.");
        let _ = writeln!(text, "# TYPE exeat_gateway_requests_in_flight gauge");
        let _ = writeln!(text, "exeat_gateway_requests_in_flight {in_flight}");
        let _ = writeln!(text, "# HELP exeat_gateway_requests_total Requests by what was said of them.");
        let _ = writeln!(text, "# TYPE exeat_gateway_requests_total counter");
        let allowed = self.allowed.load(Ordering::Relaxed);
        let _ = writeln!(text, "exeat_gateway_requests_total{{verdict=\"allowed\",cause=\"\"}} {allowed}");
        for (code, count) in self.refused.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(text, "exeat_gateway_requests_total{{verdict=\"refused\",cause=\"{code}\"}} {count}");
        }
        text
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.figures.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn what_begins_and_what_is_said_is_counted() {
        let (figures, places) = (Arc::new(Figures::default()), Arc::new(Semaphore::new(2)));
        let begin = || figures.begin(Arc::clone(&places).try_acquire_owned().unwrap());
        let (first, second) = (begin(), begin());
        drop(first);
        figures.allow();
        figures.refuse(&Cause::Unidentified);
        figures.refuse(&Cause::Unidentified);
        let text = figures.exposition();
        for line in [
            "exeat_gateway_requests_in_flight 1",
            "exeat_gateway_requests_total{verdict=\"allowed\",cause=\"\"} 1",
            "exeat_gateway_requests_total{verdict=\"refused\",cause=\"unidentified\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
        drop(second);
        assert!(figures.exposition().contains("in_flight 0\n"));
    }
}
