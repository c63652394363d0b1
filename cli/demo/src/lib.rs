//! Real origins on loopback, for `exeat demo` and for the tests, which write down what they saw.
//!
//! ```text
//!   client ──TLS──▶ Recorder ──▶ git http-backend   (GitOrigin)
//!                      │    ├──▶ Verdaccio          (NpmOrigin)
//!                      │    └──▶ a closure          (HttpOrigin)
//!                      ▼
//!                 Vec<Seen>: each request as it arrived
//! ```
//!
//! Start with [`Authority`], whose certificates the origins show, then [`Recorder`] (the part in front of each
//! origin) and the three origins. Nothing here stands in for a service's logic: a push that landed is in a real
//! repository, a package that was published can be installed. Origins stop when they are dropped.
//!
//! Architecture Invariant: this crate knows nothing of the gateway. What it reports is what reached the outside.

mod authority;
mod body;
mod cgi;
mod child;
mod error;
mod git;
mod http_origin;
mod npm;
mod recorder;
mod seen;
mod stage;
mod step;
mod story;
mod verdaccio;

pub use authority::{Authority, Issued};
pub use body::{Body, empty, full};
pub use error::Error;
pub use git::{GitOrigin, Login};
pub use http_origin::HttpOrigin;
pub use npm::NpmOrigin;
pub use recorder::Recorder;
pub use seen::{KEPT_BODY_BYTES, REMEMBERED_REQUESTS, Seen};
pub use stage::{Props, Ran, Stage};
pub use step::Step;
pub use story::play;
