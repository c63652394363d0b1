//! What a controller is told. The flags of Agent Sandbox's own controller have their names and defaults.

use std::num::NonZeroU32;
use std::time::Duration;

/// Who runs Agent Sandbox's four kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// We do.
    Instead,
    /// Agent Sandbox's own controller does; we see to the way out of what it runs.
    Beside,
}

/// What a controller is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who runs the four kinds.
    pub mode: Mode,
    /// Whether claims, templates and pools are looked after, or sandboxes alone.
    pub extensions: bool,
    /// Our own namespace: where the gateway is.
    pub namespace: String,
    /// The router's namespace: the only one that is let in to sandboxes.
    pub router_namespace: String,
    /// The cluster's domain, for the names of Services.
    pub cluster_domain: String,
    /// Sandboxes that are worked on at once.
    pub sandbox_workers: usize,
    /// Claims that are worked on at once.
    pub claim_workers: usize,
    /// Pools that are worked on at once.
    pub pool_workers: usize,
    /// Templates that are worked on at once.
    pub template_workers: usize,
    /// The most sandboxes that are made or deleted for a pool in one go.
    pub pool_batch: usize,
    /// The most sandboxes that are made for a pool in a second; no limit without it.
    pub pool_refill_rate: Option<NonZeroU32>,
    /// How long a sandbox in a pool may take to be ready.
    pub pool_grace: Duration,
    /// Domains of labels that claims may give their pods, and their subdomains.
    pub label_domains: Vec<String>,
    /// Where snapshots are kept; none are taken without it.
    pub snapshots: Option<exeat_snapshots::Config>,
    /// Whether they are served as `podsnapshot.gke.io` too, which on GKE is somebody else's.
    pub pod_snapshots: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            mode: Mode::Instead,
            extensions: true,
            namespace: "exeat-system".to_owned(),
            router_namespace: "agent-sandbox-system".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            sandbox_workers: 100,
            claim_workers: 50,
            pool_workers: 1,
            template_workers: 1,
            pool_batch: 300,
            pool_refill_rate: None,
            pool_grace: Duration::from_secs(300),
            label_domains: vec!["sandbox.users.io".to_owned()],
            snapshots: None,
            pod_snapshots: true,
        }
    }
}
