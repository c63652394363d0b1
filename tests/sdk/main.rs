//! The SDKs of Agent Sandbox, unmodified, against `exeat up`: Python's in both its kinds and with snapshots, and Go's.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure here is a failed test")]

mod go;
mod http;
mod lab;
mod python;
