//! Images through the front door: real registries, real tools, hostile layers, processes that are killed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure here is a failed test")]

mod built;
mod hostile;
mod killed;
mod layers;
mod namespace;
mod program;
mod properties;
mod registry;
mod registry_server;
mod store;
mod tar;
