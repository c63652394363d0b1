//! What has become of a claim.

use exeat_api::{BoundSandbox, Condition, ConditionType, Reason, Sandbox, SandboxClaim, SandboxClaimStatus, Time};
use jiff::Timestamp;

use crate::metadata::name;

/// A claim with its sandbox, whose readiness it shares: both in one status.
pub(crate) fn bound(claim: &SandboxClaim, sandbox: &Sandbox) -> SandboxClaimStatus {
    let status = sandbox.status.clone().unwrap_or_default();
    let before = claim.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let ready = status.conditions.into_iter().filter(|condition| condition.of == ConditionType::Ready.as_str());
    SandboxClaimStatus {
        conditions: ready.map(|condition| condition.since(before)).collect(),
        sandbox: BoundSandbox { name: name(&sandbox.metadata).to_owned(), pod_ips: status.pod_ips },
    }
}

/// A claim that has no sandbox it could use, and why not.
pub(crate) fn failed(claim: &SandboxClaim, reason: Reason, message: &str, now: Timestamp) -> SandboxClaimStatus {
    let before = claim.status.clone().unwrap_or_default();
    let ready = Condition::new(ConditionType::Ready, false, reason, message, Time::of(now)).since(&before.conditions);
    SandboxClaimStatus { conditions: vec![ready], sandbox: before.sandbox }
}

/// Whether a claim's time is over.
pub(crate) fn over(claim: &SandboxClaim, now: Timestamp) -> bool {
    let time = claim.spec.lifecycle.as_ref().and_then(|lifecycle| lifecycle.shutdown_time);
    time.is_some_and(|time| time.timestamp() <= now)
}
