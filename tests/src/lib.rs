//! What the tests of the front door share: a real `exeat up` between real clients and origins that write down what they saw.
//!
//! ```text
//!   Way::send / Way::open ──▶ exeat up (its own process, state, policies) ──▶ Origin: TLS and plain, on loopback
//!            21 ways in                      │
//!                                            └──▶ journal ──▶ Scenario::intents, Scenario::refusals
//! ```
//!
//! Start with [`Scenario`], then [`Way`] (how a request comes in) and [`Ask`] (what it asks). Everything listens on ports that
//! the system chooses, every wait has an end, and every process ends with the value that started it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure here is a failed test")]

mod disk;
mod exchange;
mod leftovers;
mod origin;
mod programs;
mod records;
mod relay;
mod scenario;
mod sdks;
mod ways;

pub use disk::Disk;
pub use exchange::{Answer, Ask, read_answer, refusal_code};
pub use leftovers::left_over;
pub use origin::{Handler, Origin, fed, handler, text};
pub use programs::{Ran, exeat, find, is_root, run, runsc, sandboxd, skip};
pub use records::{decision, of_type};
pub use relay::Relay;
pub use scenario::{Builder, CREDENTIAL, PERMIT, Scenario, TOKEN};
pub use sdks::{go_sdk, python_sdk};
pub use ways::{Way, Wire, tls};

use std::time::Duration;

/// No single exchange here takes longer, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` gives something, and fails the test with `what` where it does not in time.
pub async fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = std::time::Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} and not: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The same for a condition that has to be asked for: over a connection, of another program.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let start = std::time::Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} and not: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
