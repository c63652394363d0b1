//! What a router counts.

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    code: u16,
}

/// The counts of one router since it started.
pub(crate) struct Figures {
    registry: Registry,
    /// By the answer's status. There are as many as statuses.
    answers: Family<Answer, Counter>,
    in_flight: Gauge,
}

/// A request that has begun and not ended.
pub(crate) struct Flight(Gauge);

impl Default for Figures {
    fn default() -> Self {
        let (answers, in_flight) = (Family::default(), Gauge::default());
        let mut registry = Registry::default();
        // The library itself adds `_total`.
        registry.register("exeat_router_requests", "Requests by the status of their answer", answers.clone());
        registry.register(
            "exeat_router_requests_in_flight",
            "Requests that have begun and not ended, and connections that have changed their protocol",
            in_flight.clone(),
        );
        Figures { registry, answers, in_flight }
    }
}

impl Figures {
    pub(crate) fn begin(&self) -> Flight {
        self.in_flight.inc();
        Flight(self.in_flight.clone())
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        self.answers.get_or_create(&Answer { code: status.as_u16() }).inc();
    }

    /// In Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
