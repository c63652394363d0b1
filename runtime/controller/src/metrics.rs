//! What is measured, by the names that Agent Sandbox gave it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use exeat_api::{Sandbox, SandboxClaim, annotations, labels};
use jiff::Timestamp;
use kube::ResourceExt;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::owners::created;
use crate::sandbox::is_ready;

/// Upper bounds in milliseconds.
const BUCKETS: [f64; 16] = [
    5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0, 60_000.0,
];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Launch {
    launch_type: String,
    sandbox_template: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Creation {
    namespace: String,
    sandbox_template: String,
    launch_type: String,
    warm_pool: String,
    pod_condition: String,
    created_by: String,
}

type Histograms = Family<Launch, Histogram, fn() -> Histogram>;

/// What has been measured.
pub(crate) struct Metrics {
    registry: Registry,
    startup: Histograms,
    controller_startup: Histograms,
    creation: Histograms,
    claims: Family<Creation, Counter>,
    sandboxes: Gauge,
    /// Claims that are waiting, by their UID, since they were seen.
    seen: Mutex<HashMap<String, Instant>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let histograms = || Histograms::new_with_constructor(|| Histogram::new(BUCKETS));
        let mut registry = Registry::default();
        let (startup, controller_startup, creation) = (histograms(), histograms(), histograms());
        let (claims, sandboxes) = (Family::default(), Gauge::default());
        registry.register(
            "agent_sandbox_claim_startup_latency_ms",
            "From a claim's making to its Ready",
            startup.clone(),
        );
        registry.register(
            "agent_sandbox_claim_controller_startup_latency_ms",
            "From when the controller saw a claim to its Ready",
            controller_startup.clone(),
        );
        registry.register(
            "agent_sandbox_creation_latency_ms",
            "From a sandbox's making to its Ready",
            creation.clone(),
        );
        // The library itself adds `_total`.
        registry.register("agent_sandbox_claim_creation", "Claims that got a sandbox", claims.clone());
        registry.register("agent_sandboxes", "Sandboxes that there are", sandboxes.clone());
        Metrics { registry, startup, controller_startup, creation, claims, sandboxes, seen: Mutex::default() }
    }
}

impl Metrics {
    /// A claim that is not ready has been seen.
    pub(crate) fn claim_seen(&self, claim: &SandboxClaim) {
        if claim.status.as_ref().is_some_and(|status| !status.sandbox.is_empty()) {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < crate::limits::CLAIMS_MEASURED {
            seen.entry(claim.uid().unwrap_or_default()).or_insert_with(Instant::now);
        }
    }

    /// A claim has got a sandbox.
    pub(crate) fn claim_bound(&self, claim: &SandboxClaim, sandbox: &Sandbox, pool: &str) {
        let Launch { launch_type, sandbox_template } = launch(sandbox);
        let created_by = claim.labels().get(labels::CREATED_BY).map(String::as_str).unwrap_or_default();
        let creation = Creation {
            namespace: claim.namespace().unwrap_or_default(),
            sandbox_template,
            launch_type,
            warm_pool: pool.to_owned(),
            pod_condition: if is_ready(sandbox) { "ready" } else { "not_ready" }.to_owned(),
            created_by: crate::sandbox::creator(created_by).to_owned(),
        };
        self.claims.get_or_create(&creation).inc();
    }

    /// A claim has been said to be ready. What is told twice counts once.
    pub(crate) fn claim_ready(&self, claim: &SandboxClaim, sandbox: &Sandbox) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(&claim.uid().unwrap_or_default());
        let Some(seen) = seen else { return };
        let launch = launch(sandbox);
        let milliseconds = |since: Timestamp| (Timestamp::now().duration_since(since).as_secs_f64() * 1_000.0).max(0.0);
        self.controller_startup.get_or_create(&launch).observe(seen.elapsed().as_secs_f64() * 1_000.0);
        // Clients say when they began; what Kubernetes says is to the second.
        let asked =
            claim.annotations().get(annotations::FIRST_REQUESTED).and_then(|time| time.parse::<Timestamp>().ok());
        if let Some(since) = asked.or_else(|| created(claim)) {
            self.startup.get_or_create(&launch).observe(milliseconds(since));
        }
        if launch.launch_type == "cold"
            && let Some(made) = created(sandbox)
        {
            self.creation.get_or_create(&launch).observe(milliseconds(made));
        }
    }

    /// Everything in OpenMetrics' text format. `sandboxes` is how many there are.
    pub(crate) fn text(&self, sandboxes: usize, queues: &[(&str, usize)]) -> String {
        self.sandboxes.set(i64::try_from(sandboxes).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        let end = text.rfind("# EOF").unwrap_or(text.len());
        let mut depths =
            String::from("# HELP exeat_queue_depth Objects that wait for a worker.\n# TYPE exeat_queue_depth gauge\n");
        for (queue, depth) in queues {
            let _ = writeln!(depths, "exeat_queue_depth{{queue=\"{queue}\"}} {depth}");
        }
        text.insert_str(end, &depths);
        text
    }
}

fn launch(sandbox: &Sandbox) -> Launch {
    let launch_type = sandbox.labels().get(labels::LAUNCH_TYPE).cloned().unwrap_or_else(|| "unknown".to_owned());
    let template = sandbox.annotations().get(annotations::TEMPLATE_REF).cloned();
    Launch { launch_type, sandbox_template: template.unwrap_or_else(|| "__unknown__".to_owned()) }
}
