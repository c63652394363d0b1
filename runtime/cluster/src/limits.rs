//! Everything that waits or grows here, and how far.

use std::num::NonZeroUsize;
use std::time::Duration;

const fn number(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

/// How long one call of the API server may take.
pub(crate) const CALL_TIME: Duration = Duration::from_secs(10);
/// Reviews that are asked for at once. More wait, and fail with the call's time.
pub(crate) const CALLS: usize = 64;
/// A token, in bytes. Kubernetes' have about 1 KiB; those of identity providers may have some more.
pub(crate) const TOKEN_BYTES: usize = 16 * 1024;
/// Tokens that are remembered, with whose they are: some ten megabytes.
pub(crate) const TOKENS: NonZeroUsize = number(8_192);
/// How long it is remembered whose a token is, unless it expires before.
pub(crate) const TOKEN_TIME: Duration = Duration::from_secs(60);
/// How long it is remembered that a token is nobody's.
pub(crate) const STRANGER_TIME: Duration = Duration::from_secs(5);
/// Answers that are remembered about who may enter what.
pub(crate) const PERMITS: NonZeroUsize = number(32_768);
/// How long somebody may still enter who may no more.
pub(crate) const PERMIT_TIME: Duration = Duration::from_secs(10);
/// How long somebody may not yet enter who may.
pub(crate) const DENIAL_TIME: Duration = Duration::from_secs(2);
/// How long a sandbox is looked for that is not known: its client may have heard of it before we did.
pub(crate) const LAG_TIME: Duration = Duration::from_millis(500);
/// How long a pod may take to accept a connection. It is in the same cluster.
pub(crate) const DIAL_TIME: Duration = Duration::from_secs(5);
/// Sandboxes for which it is remembered that they have been told to wake.
pub(crate) const WAKING: NonZeroUsize = number(1_024);
/// How often a sandbox that is in use is said to be, at most …
pub(crate) const REPORT_PAUSE: Duration = Duration::from_secs(60);
/// … and how many times at least in the time after which it would be suspended.
pub(crate) const REPORTS_PER_IDLE_TIME: u32 = 3;
/// How often it is looked which sandboxes that is due for.
pub(crate) const REPORT_TICK: Duration = Duration::from_secs(1);
/// Reports that are under way at once.
pub(crate) const REPORTS: usize = 16;
