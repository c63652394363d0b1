//! Which of several controllers acts: the one that holds a Lease (coordination.k8s.io/v1).
//!
//! A leader that cannot renew in time ends its process rather than act beside the next one. Times are those of client-go's
//! leader election, by which others are used to them.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// How long a lease holds that is not renewed.
const HOLDS: Duration = Duration::from_secs(15);
/// A leader that has not renewed for so long gives up: before others may take over.
const RENEW_BY: Duration = Duration::from_secs(10);
/// How often it is renewed, and looked at by those who wait.
const EVERY: Duration = Duration::from_secs(2);

/// A lease and who wants it.
pub struct Leadership {
    leases: Api<Lease>,
    name: String,
    me: String,
    held: Notify,
}

impl Leadership {
    /// The lease of this name. `me` must be nobody else's name.
    pub fn new(client: Client, namespace: &str, name: &str, me: &str) -> Self {
        Leadership {
            leases: Api::namespaced(client, namespace),
            name: name.to_owned(),
            me: me.to_owned(),
            held: Notify::new(),
        }
    }

    /// Waits until the lease is ours.
    pub async fn acquire(&self) {
        // Others' clocks are not compared with ours: a lease is over when it has not changed for as long as it holds.
        let mut seen: Option<(String, Instant)> = None;
        loop {
            match self.try_acquire(&mut seen).await {
                Ok(true) => {
                    self.held.notify_one();
                    return;
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, lease = self.name, "the lease cannot be had now"),
            }
            sleep(EVERY).await;
        }
    }

    async fn try_acquire(&self, seen: &mut Option<(String, Instant)>) -> Result<bool, kube::Error> {
        let Some(lease) = self.leases.get_opt(&self.name).await? else {
            let fresh: Lease = Lease {
                metadata: kube::api::ObjectMeta { name: Some(self.name.clone()), ..Default::default() },
                ..Lease::default()
            };
            self.leases.create(&PostParams::default(), &fresh).await?;
            return Ok(false);
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let spec = lease.spec.unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        let transitions = spec.lease_transitions.unwrap_or_default();
        let unchanged_since = match seen {
            Some((known, since)) if *known == version => *since,
            _ => seen.insert((version.clone(), Instant::now())).1,
        };
        let is_over = unchanged_since.elapsed() > HOLDS;
        if !holder.is_empty() && holder != self.me && !is_over {
            return Ok(false);
        }
        let now = MicroTime(Timestamp::now());
        let patch = json!({
            "metadata": { "resourceVersion": version },
            "spec": {
                "holderIdentity": self.me, "leaseDurationSeconds": HOLDS.as_secs(), "acquireTime": now, "renewTime": now,
                "leaseTransitions": transitions + i32::from(holder != self.me),
            },
        });
        match self.leases.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Keeps the lease for as long as that can be done, from when it is ours. Returns once it is lost.
    pub async fn keep(&self) {
        self.held.notified().await;
        let mut renewed = Instant::now();
        while renewed.elapsed() < RENEW_BY {
            sleep(EVERY).await;
            match timeout(RENEW_BY.saturating_sub(renewed.elapsed()), self.renew()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => return,
                Ok(Err(error)) => tracing::warn!(%error, lease = self.name, "the lease could not be renewed"),
                Err(_) => return,
            }
        }
    }

    async fn renew(&self) -> Result<bool, kube::Error> {
        let lease = self.leases.get(&self.name).await?;
        if lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) != Some(&self.me) {
            return Ok(false);
        }
        let patch = json!({
            "metadata": { "resourceVersion": lease.metadata.resource_version },
            "spec": { "renewTime": MicroTime(Timestamp::now()) },
        });
        match self.leases.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(true),
            // Also where somebody else has changed it in between: the next look says whether he has it now.
            Err(error) => Err(error),
        }
    }

    /// Gives the lease away at once, so that nobody waits until it is over.
    pub async fn release(&self) {
        let Ok(lease) = self.leases.get(&self.name).await else { return };
        if lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) != Some(&self.me) {
            return;
        }
        let patch = json!({
            "metadata": { "resourceVersion": lease.metadata.resource_version }, "spec": { "holderIdentity": "" },
        });
        let _ = self.leases.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await;
    }
}
