//! On a real Kubernetes: `make cluster-up`, then `make test-cluster`. Without a cluster every test here is skipped, and says so.
//!
//! One controller serves all tests, out of the cluster, as `exeat controller` does for anybody with a kubeconfig. Tests that
//! stop or kill it, or run another one, have the cluster for themselves ([`scene::Scene::alone`]).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure here is a failed test")]

mod bad;
mod claims;
mod compatible;
mod conditions;
mod gateway;
mod inside;
mod leaders;
mod lives;
#[path = "../../runtime/snapshots/tests/snapshots/moto.rs"]
mod moto;
mod pools;
mod router;
mod scene;
mod snapshots;
mod webhooks;
mod wire;
