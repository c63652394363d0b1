//! Snapshots through the front door: real folders, a real S3, hostile archives, processes that are killed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure here is a failed test")]

mod damage;
mod differences;
mod hostile;
mod killed;
mod made;
mod moto;
mod names;
mod properties;
mod proxy;
mod s3;
mod sizes;
#[path = "../../../images/tests/images/tar.rs"]
mod tar;
