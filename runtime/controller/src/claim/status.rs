//! What a claim's status says: mostly what its sandbox's says.

use exeat_api::{
    BoundSandbox, Condition, ConditionStatus, ConditionType, Reason, Sandbox, SandboxClaim, SandboxClaimStatus, Time,
    annotations,
};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::Unbound;
use crate::Key;
use crate::effect::{Act, Effect, Kind};
use crate::sandbox::{is_ready, workspace};

/// What the claim says of itself.
pub(super) fn own_conditions(claim: &SandboxClaim) -> &[Condition] {
    claim.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
}

/// Whether the claim is known to be over.
pub(super) fn says_expired(claim: &SandboxClaim) -> bool {
    own_conditions(claim).iter().any(|condition| condition.reason == Reason::ClaimExpired.as_str())
}

/// Whether whoever made the claim knows that it can be used.
pub(super) fn says_ready(claim: &SandboxClaim) -> bool {
    own_conditions(claim).iter().any(|condition| condition.is_true(ConditionType::Ready))
}

/// The patch that makes the status say how it is; none where it does.
pub(super) fn plan(
    claim: &SandboxClaim, bound: Result<&Sandbox, &Unbound>, expired: bool, now: Timestamp,
) -> Option<Effect> {
    let before = claim.status.clone().unwrap_or_default();
    let after = status(claim, &before, bound, expired, now);
    if before == after {
        return None;
    }
    let mut patch = json!({ "status": { "conditions": after.conditions } });
    // What is not there is `null`: a merge patch leaves alone what it does not name.
    patch["status"]["sandbox"] = if after.sandbox.is_empty() {
        Value::Null
    } else {
        json!({ "name": after.sandbox.name, "podIPs": (!after.sandbox.pod_ips.is_empty()).then_some(&after.sandbox.pod_ips) })
    };
    Some(Effect { on: Kind::SandboxClaim, key: Key::of(claim), act: Act::MergeStatus(patch) })
}

fn status(
    claim: &SandboxClaim, before: &SandboxClaimStatus, bound: Result<&Sandbox, &Unbound>, expired: bool, now: Timestamp,
) -> SandboxClaimStatus {
    let of = |of: ConditionType, from: &[Condition]| from.iter().find(|condition| condition.of == of.as_str()).cloned();
    let own = bound.map(conditions).unwrap_or_default();
    let ready = ready(claim, bound, now).since(&before.conditions);
    // What has finished stays so when its sandbox is taken away because of it.
    let finished = match bound {
        Ok(_) => of(ConditionType::Finished, own),
        Err(_) if expired => of(ConditionType::Finished, &before.conditions),
        Err(_) => None,
    };
    let sandbox = match bound {
        Ok(sandbox) => BoundSandbox {
            name: sandbox.name_any(),
            pod_ips: sandbox.status.as_ref().map(|status| status.pod_ips.clone()).unwrap_or_default(),
        },
        Err(_) if expired => BoundSandbox::default(),
        // What failed on the way says nothing about the sandbox that the claim has.
        Err(_) => before.sandbox.clone(),
    };
    SandboxClaimStatus { conditions: finished.into_iter().chain([ready]).collect(), sandbox }
}

fn conditions(sandbox: &Sandbox) -> &[Condition] {
    sandbox.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
}

fn ready(claim: &SandboxClaim, bound: Result<&Sandbox, &Unbound>, now: Timestamp) -> Condition {
    let said = |reason: Reason, message: &str| Condition {
        of: ConditionType::Ready.as_str().to_owned(),
        status: ConditionStatus::False,
        observed_generation: claim.metadata.generation,
        last_transition_time: Time::of(now),
        reason: reason.as_str().to_owned(),
        message: message.to_owned(),
    };
    match bound {
        Err(unbound) => said(unbound.reason, &unbound.message),
        Ok(sandbox) if sandbox.metadata.deletion_timestamp.is_some() => {
            said(Reason::SandboxMissing, "the claim's sandbox is being deleted")
        }
        // What the sandbox says is of before it was taken out of its pool.
        Ok(sandbox) if let Some(from) = restoring(sandbox).filter(|_| is_ready(sandbox)) => {
            said(Reason::Restoring, &format!("the workspace is being restored from the snapshot `{from}`"))
        }
        Ok(sandbox) => {
            let ready = conditions(sandbox).iter().find(|condition| condition.of == ConditionType::Ready.as_str());
            ready.map_or_else(
                || said(Reason::SandboxNotReady, "the sandbox is being made"),
                |ready| Condition { observed_generation: claim.metadata.generation, ..ready.clone() },
            )
        }
    }
}

fn restoring(sandbox: &Sandbox) -> Option<&str> {
    workspace::noted(sandbox, annotations::RESTORING)
}
