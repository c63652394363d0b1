//! Sandboxes: what each needs (pod, service, volumes), and what its status says. Everything here but [`observe`] is pure.
//!
//! ```text
//!   Observed ──▶ plan ──▶ effects, done in order, then looked at anew ──▶ nothing left ──▶ status
//! ```
//! A controller that is killed between two effects leaves what the next look starts from.

mod idle;
mod labels;
mod pod;
mod service;
mod status;
#[cfg(test)]
mod tests;
mod volumes;

use std::sync::Arc;
use std::time::Duration;

use exeat_api::{OperatingMode, Sandbox, ShutdownPolicy};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::Key;
use crate::effect::{Effect, Kind};
use crate::owners::{Owned, owned};
use crate::queue::Again;
use crate::views::{Pod, Service, VolumeClaim};
use crate::world::World;

pub(crate) use self::labels::{creator, pod_name};
pub(crate) use self::status::is_ready;

/// Everything that deciding about a sandbox needs to know.
pub(crate) struct Observed<'o> {
    pub(crate) sandbox: &'o Sandbox,
    /// The pod of its name.
    pub(crate) pod: Option<Arc<Pod>>,
    /// How many pods say that they are its.
    pub(crate) pods: usize,
    pub(crate) service: Option<Arc<Service>>,
    /// For each of its volume claim templates, in their order.
    pub(crate) volumes: Vec<Option<Arc<VolumeClaim>>>,
    pub(crate) cluster_domain: &'o str,
    pub(crate) now: Timestamp,
    /// What went wrong in this look, if something did.
    pub(crate) problem: Option<&'o Problem>,
}

/// What keeps a sandbox from being what it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It may work the next time.
    Passing(String),
    /// It never will as it is asked for.
    Lasting(String),
}

/// What is to be done, and when it is to be looked at again.
pub(crate) struct Plan {
    pub(crate) effects: Vec<Effect>,
    pub(crate) problem: Option<Problem>,
    pub(crate) again: Again,
}

/// Looks at what there is.
pub(crate) fn observe<'o>(world: &'o World, sandbox: &'o Sandbox, problem: Option<&'o Problem>) -> Observed<'o> {
    let key = Key::of(sandbox);
    let uid = sandbox.uid().unwrap_or_default();
    let volumes = sandbox.spec.volume_claim_templates.iter();
    Observed {
        sandbox,
        pod: world.pods.get(&key.beside(pod_name(sandbox))),
        pods: world.pods_of(&uid),
        service: world.services.get(&key),
        volumes: volumes.map(|template| world.volumes.get(&key.beside(&volumes::name(template, sandbox)))).collect(),
        cluster_domain: &world.config.cluster_domain,
        now: Timestamp::now(),
        problem,
    }
}

/// What is to be done about what is there, status aside.
pub(crate) fn plan(observed: &Observed<'_>) -> Plan {
    let sandbox = observed.sandbox;
    if sandbox.metadata.deletion_timestamp.is_some() {
        return Plan { effects: Vec::new(), problem: None, again: Again::OnChange };
    }
    if is_expired(sandbox, observed.now) {
        return Plan { effects: expire(observed), problem: None, again: Again::OnChange };
    }
    let mut effects = Vec::new();
    let mut problem = None;
    let mut take = |wanted: Result<Vec<Effect>, Problem>| match wanted {
        Ok(wanted) => effects.extend(wanted),
        Err(why) => problem = problem.take().or(Some(why)),
    };
    take(volumes::plan(observed));
    take(pod::plan(observed));
    take(service::plan(observed));
    take(Ok(idle::plan(observed)));
    Plan { effects, problem, again: next_look(observed) }
}

/// The status that says how it is, as an effect; none where it says so already.
pub(crate) fn status(observed: &Observed<'_>) -> Option<Effect> {
    status::plan(observed)
}

fn is_expired(sandbox: &Sandbox, now: Timestamp) -> bool {
    sandbox.spec.shutdown_time.is_some_and(|time| time.timestamp() <= now)
}

/// Its status says that it is over before anything of it goes, so that nobody takes the one for a failure.
fn expire(observed: &Observed<'_>) -> Vec<Effect> {
    let sandbox = observed.sandbox;
    if !status::says_expired(sandbox) {
        return Vec::new();
    }
    let (key, uid) = (Key::of(sandbox), sandbox.uid().unwrap_or_default());
    let hash = exeat_api::name_hash(&key.name);
    let mut effects = Vec::new();
    if let Some(pod) = &observed.pod
        && owned(&pod.metadata, &uid, &hash) == Owned::Ours
        && pod.metadata.deletion_timestamp.is_none()
    {
        effects.push(Effect::delete(Kind::Pod, Key::of(&**pod), &pod.uid().unwrap_or_default()));
    }
    if let Some(service) = &observed.service
        && owned(&service.metadata, &uid, &hash) == Owned::Ours
        && service.metadata.deletion_timestamp.is_none()
    {
        effects.push(Effect::delete(Kind::Service, key.clone(), &service.uid().unwrap_or_default()));
    }
    if sandbox.spec.shutdown_policy == Some(ShutdownPolicy::Delete) {
        effects.push(Effect::delete(Kind::Sandbox, key, &uid));
    }
    effects
}

fn is_suspended(sandbox: &Sandbox) -> bool {
    sandbox.spec.operating_mode == OperatingMode::Suspended
}

/// The earliest moment at which time alone changes something.
fn next_look(observed: &Observed<'_>) -> Again {
    let until = |time: Timestamp| Duration::try_from(time.duration_since(observed.now)).unwrap_or(Duration::ZERO);
    let expiry = observed.sandbox.spec.shutdown_time.map(|time| until(time.timestamp()));
    let others =
        [expiry, idle::due(observed).map(until), pod::recreation_due(observed).map(until), status::due(observed)];
    others.into_iter().flatten().min().map_or(Again::OnChange, Again::After)
}
