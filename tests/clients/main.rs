//! Real clients, unmodified: the whole demo, `exeat run`, curl, Python and Node, by every way that each of them can take.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure here is a failed test")]

mod curl;
mod demo;
mod python;
mod sandboxed;
