//! What is in the journal when things go wrong: killed gateways, damaged files, full disks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure here is a failed test")]

mod full_disk;
mod index;
mod journal_damage;
mod killed;
mod sandboxes;
