//! What a sandbox's status says. Conditions and reasons are Agent Sandbox's own.

use std::time::Duration;

use exeat_api::{
    Condition, ConditionStatus, ConditionType, Reason, Sandbox, SandboxStatus, Time, annotations, name_hash,
    name_selector,
};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::{Observed, Problem, is_expired, is_suspended, rollback, saved, service, workspace};
use crate::effect::{Act, Effect, Kind};
use crate::owners::{Owned, created, owned};
use crate::views::Pod;
use crate::{Key, limits};

/// Whether it can be used.
pub(crate) fn is_ready(sandbox: &Sandbox) -> bool {
    condition(sandbox, ConditionType::Ready).is_some_and(|ready| ready.status == ConditionStatus::True)
}

/// Since when it has been as ready as it is.
pub(super) fn ready_since(sandbox: &Sandbox) -> Option<Timestamp> {
    condition(sandbox, ConditionType::Ready).map(|ready| ready.last_transition_time.timestamp())
}

/// Since when its pod is known to have ended.
pub(super) fn finished_since(sandbox: &Sandbox) -> Option<Timestamp> {
    condition(sandbox, ConditionType::Finished).map(|finished| finished.last_transition_time.timestamp())
}

/// Whether it is known to be over.
pub(super) fn says_expired(sandbox: &Sandbox) -> bool {
    condition(sandbox, ConditionType::Ready).is_some_and(|ready| ready.reason == Reason::SandboxExpired.as_str())
}

fn condition(sandbox: &Sandbox, of: ConditionType) -> Option<&Condition> {
    sandbox.status.as_ref()?.conditions.iter().find(|condition| condition.of == of.as_str())
}

/// The patch that makes the status say how it is, if it does not yet.
pub(super) fn plan(observed: &Observed<'_>) -> Option<Effect> {
    let sandbox = observed.sandbox;
    if sandbox.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let before = sandbox.status.clone().unwrap_or_default();
    let after = status(observed);
    if before == after || may_wait(observed, &before, &after) {
        return None;
    }
    let patch = json!({ "status": replaced(&before, &after) });
    Some(Effect { on: Kind::Sandbox, key: Key::of(sandbox), act: Act::MergeStatus(patch) })
}

/// A sandbox that is on its way says nothing for a moment: most are ready by then, and each word costs a request. Nor is
/// its machine alone worth one.
fn may_wait(observed: &Observed<'_>, before: &SandboxStatus, after: &SandboxStatus) -> bool {
    if is_true(after, ConditionType::Ready) {
        return false;
    }
    if before.conditions.is_empty() {
        return due(observed).is_some() && observed.problem.is_none();
    }
    let mut same = after.clone();
    same.node_name.clone_from(&before.node_name);
    same.conditions.retain(|condition| condition.of != ConditionType::PodScheduled.as_str());
    let mut known = before.clone();
    known.conditions.retain(|condition| condition.of != ConditionType::PodScheduled.as_str());
    same == known
}

/// When a sandbox that has said nothing yet has to.
pub(super) fn due(observed: &Observed<'_>) -> Option<Duration> {
    let sandbox = observed.sandbox;
    if sandbox.status.as_ref().is_some_and(|status| !status.conditions.is_empty()) || is_suspended(sandbox) {
        return None;
    }
    let age = Duration::try_from(observed.now.duration_since(created(sandbox)?)).unwrap_or_default();
    // Creation times are whole seconds, so a new sandbox may look a second old.
    (limits::QUIET_START + Duration::from_secs(1)).checked_sub(age).filter(|left| !left.is_zero())
}

fn is_true(status: &SandboxStatus, of: ConditionType) -> bool {
    status.conditions.iter().any(|condition| condition.is_true(of))
}

/// A merge patch leaves alone what it does not name, so what is gone is named with `null`.
fn replaced(before: &SandboxStatus, after: &SandboxStatus) -> serde_json::Value {
    let mut patch = json!(after);
    if let (Some(fields), Some(known)) = (patch.as_object_mut(), json!(before).as_object()) {
        for gone in known.keys() {
            fields.entry(gone.clone()).or_insert(serde_json::Value::Null);
        }
    }
    patch
}

fn status(observed: &Observed<'_>) -> SandboxStatus {
    let sandbox = observed.sandbox;
    if is_expired(sandbox, observed.now) {
        return expired(observed);
    }
    let pod = own_pod(observed);
    let service = service::of(observed);
    let name = sandbox.name_any();
    let now = |condition: Said| condition.at(observed);
    let mut conditions = vec![now(ready(observed, pod, service.is_some())), now(suspended(observed, pod))];
    conditions.extend(pod.and_then(scheduled).map(now));
    conditions.extend(pod.and_then(|pod| mirrored(pod, ConditionType::PodRestored)).map(now));
    if let Some(to) = workspace::noted(sandbox, annotations::ROLLBACK_TO) {
        let (reason, why) = rollback::progress(observed, to);
        conditions.push(now(Said::new(ConditionType::RolledBack, false, reason, why)));
    }
    conditions.extend(pod.and_then(finished).map(now));
    SandboxStatus {
        service_fqdn: service
            .map(|_| format!("{name}.{}.svc.{}", sandbox.namespace().unwrap_or_default(), observed.cluster_domain))
            .unwrap_or_default(),
        service: service.map(|service| service.name_any()).unwrap_or_default(),
        conditions,
        selector: name_selector(&name),
        pod_ips: pod.map(Pod::addresses).unwrap_or_default(),
        node_name: pod.and_then(|pod| pod.spec.node_name.clone()).unwrap_or_default(),
    }
}

/// What ran is gone; what is known to have finished stays so.
fn expired(observed: &Observed<'_>) -> SandboxStatus {
    let known = observed.sandbox.status.clone().unwrap_or_default();
    let over =
        Said::new(ConditionType::Ready, false, Reason::SandboxExpired, "the sandbox's time is over").at(observed);
    let kept = known.conditions.into_iter().filter(|condition| condition.of == ConditionType::Finished.as_str());
    SandboxStatus { conditions: std::iter::once(over).chain(kept).collect(), ..SandboxStatus::default() }
}

/// The pod that counts: ours.
fn own_pod<'o>(observed: &'o Observed<'_>) -> Option<&'o Pod> {
    let pod = observed.pod.as_deref()?;
    (whose(observed, pod) == Owned::Ours).then_some(pod)
}

fn whose(observed: &Observed<'_>, pod: &Pod) -> Owned {
    let sandbox = observed.sandbox;
    owned(&pod.metadata, &sandbox.uid().unwrap_or_default(), &name_hash(&sandbox.name_any()))
}

/// A condition before it has its time.
struct Said {
    of: ConditionType,
    status: ConditionStatus,
    reason: String,
    message: String,
}

impl Said {
    fn new(of: ConditionType, holds: bool, reason: Reason, message: impl Into<String>) -> Self {
        let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
        Said { of, status, reason: reason.as_str().to_owned(), message: message.into() }
    }

    fn at(self, observed: &Observed<'_>) -> Condition {
        let sandbox = observed.sandbox;
        let before = sandbox.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let condition = Condition {
            of: self.of.as_str().to_owned(),
            status: self.status,
            observed_generation: sandbox.metadata.generation,
            last_transition_time: Time::of(observed.now),
            reason: self.reason,
            message: self.message,
        };
        condition.since(before)
    }
}

fn ready(observed: &Observed<'_>, pod: Option<&Pod>, has_service: bool) -> Said {
    let not = |reason, message: &str| Said::new(ConditionType::Ready, false, reason, message);
    match observed.problem {
        Some(Problem::Passing(why)) => return not(Reason::ReconcilerError, why),
        Some(Problem::Lasting(why)) => return not(Reason::InvalidConfiguration, why),
        Some(Problem::Waiting(reason, why)) => return not(*reason, why),
        None => {}
    }
    if is_suspended(observed.sandbox) {
        let going = if pod.is_some() { "the sandbox is being suspended" } else { "the sandbox is suspended" };
        return not(Reason::SandboxSuspended, going);
    }
    if observed.pods > 1 {
        return not(
            Reason::MultiplePods,
            "more than one pod is owned by this sandbox: delete those that it does not need",
        );
    }
    let phase = pod.and_then(|pod| pod.status.phase.as_deref()).unwrap_or("Pending");
    match (pod, phase) {
        (None, _) => return not(Reason::DependenciesNotReady, "the pod does not exist yet"),
        (Some(_), "Succeeded") => return not(Reason::PodSucceeded, "the pod has ended well"),
        (Some(_), "Failed") => return not(Reason::PodFailed, "the pod has failed"),
        (Some(pod), _) if pod.metadata.deletion_timestamp.is_some() => {
            return not(Reason::DependenciesNotReady, "the pod is being taken away");
        }
        (Some(pod), _) if let Some((reason, why)) = workspace::missing(observed, pod) => return not(reason, &why),
        (Some(pod), _) if !pod.is_ready() => {
            return not(Reason::DependenciesNotReady, &format!("the pod is {phase} and not ready"));
        }
        (Some(pod), _) if pod.status.pod_ips.is_empty() => {
            return not(Reason::DependenciesNotReady, "the pod is ready and has no address yet");
        }
        (Some(_), _) => {}
    }
    if observed.sandbox.spec.service == Some(true) && !has_service {
        return not(Reason::DependenciesNotReady, "the pod is ready; the service does not exist yet");
    }
    Said::new(ConditionType::Ready, true, Reason::DependenciesReady, "the pod is ready")
}

fn suspended(observed: &Observed<'_>, pod: Option<&Pod>) -> Said {
    let said = |holds, reason, message: &str| Said::new(ConditionType::Suspended, holds, reason, message);
    if !is_suspended(observed.sandbox) {
        return said(false, Reason::NotSuspended, "the sandbox shall run");
    }
    match (pod, observed.pod.as_deref().map(|pod| whose(observed, pod))) {
        (Some(_), _) if observed.problem.is_some() => {
            let unknown = said(false, Reason::PodStateUnknown, "it is not known whether the pod is going");
            Said { status: ConditionStatus::Unknown, ..unknown }
        }
        (Some(pod), _) => {
            let saving = saved::said(observed, pod);
            said(false, Reason::PodTerminating, saving.as_deref().unwrap_or("the pod is being taken away"))
        }
        (None, Some(_)) => said(false, Reason::PodNotOwned, "the pod of this name is another's and stays"),
        (None, None) => said(true, Reason::PodTerminated, "the pod is gone; volumes are kept"),
    }
}

fn scheduled(pod: &Pod) -> Option<Said> {
    mirrored(pod, ConditionType::PodScheduled)
}

/// A condition of the pod, as the pod has it.
fn mirrored(pod: &Pod, of: ConditionType) -> Option<Said> {
    let known = pod.condition(of.as_str())?;
    let status = match known.status.as_str() {
        "True" => ConditionStatus::True,
        "False" => ConditionStatus::False,
        _ => ConditionStatus::Unknown,
    };
    // A condition needs a reason, and kubelets give none for what is so.
    let reason = known.reason.clone().filter(|reason| !reason.is_empty()).unwrap_or_else(|| of.as_str().to_owned());
    Some(Said { of, status, reason, message: known.message.clone().unwrap_or_default() })
}

fn finished(pod: &Pod) -> Option<Said> {
    let said = |reason, message: &str| Some(Said::new(ConditionType::Finished, true, reason, message));
    match pod.status.phase.as_deref() {
        Some("Succeeded") => said(Reason::PodSucceeded, "the pod has ended well"),
        Some("Failed") => said(Reason::PodFailed, "the pod has failed"),
        _ => None,
    }
}
