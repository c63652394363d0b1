//! sandboxd's second mode, through its front door: the real program, and the client that the supervisor uses.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what went wrong by failing")]

mod control;
mod files;
mod processes;
mod reconnect;
mod scene;
mod snapshots;
mod terminal;
