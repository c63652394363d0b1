//! What is in `deploy/`: a chart that renders and refuses, manifests that are current, and admission as a cluster does it.
//! Needs helm; and for all that a cluster says, `KUBECONFIG`, and an installation that the tests make, share and remove.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure here is a failed test")]

mod admission;
mod chart;
mod cluster;
mod helm;
mod installed;
mod older;
mod peer;
mod plugin;
mod sdk;
mod story;
mod uninstalled;
