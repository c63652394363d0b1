//! Bad input: every mistake has its exit code, and a message that says where it is and what to do. Nothing is half started.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure here is a failed test")]

mod check;
mod configuration;
mod policies;
mod state;
