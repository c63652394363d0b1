//! Sandboxes: what each needs (pod, service, volumes), and what its status says. Everything here but [`observe`] is pure.
//!
//! ```text
//!   Observed ──▶ plan ──▶ effects, done in order, then looked at anew ──▶ nothing left ──▶ status
//! ```
//! A controller that is killed between two effects leaves what the next look starts from.

mod idle;
mod labels;
mod pod;
mod rollback;
mod saved;
mod service;
mod status;
#[cfg(test)]
mod tests;
mod volumes;
pub(crate) mod workspace;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use exeat_api::{OperatingMode, Reason, Sandbox, SandboxSnapshot, ShutdownPolicy, annotations};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use crate::Key;
use crate::effect::{Effect, Kind};
use crate::owners::{Owned, owned};
use crate::queue::Again;
use crate::views::{Pod, Service, VolumeClaim};
use crate::world::World;

pub(crate) use self::labels::{creator, pod_name};
pub(crate) use self::rollback::restored;
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
    /// The snapshots that it has to do with, by their names.
    pub(crate) snapshots: BTreeMap<String, Arc<SandboxSnapshot>>,
    /// Whether there is anywhere to keep one.
    pub(crate) has_store: bool,
    pub(crate) cluster_domain: &'o str,
    pub(crate) now: Timestamp,
    /// What went wrong in this look, if something did.
    pub(crate) problem: Option<&'o Problem>,
}

impl Observed<'_> {
    /// A snapshot of this name.
    fn snapshot(&self, name: &str) -> Option<&SandboxSnapshot> {
        self.snapshots.get(name).map(|snapshot| &**snapshot)
    }

    /// Whether it can be gone back to this snapshot.
    pub(crate) fn usable(&self, name: &str) -> Result<(), (Reason, String)> {
        workspace::usable(self.has_store, self.snapshot(name), name)
    }

    /// The names of the snapshots that deciding needs to know.
    fn names(&self) -> Vec<String> {
        let sandbox = self.sandbox;
        let noted = [annotations::ROLLBACK_TO, annotations::BEFORE_ROLLBACK, annotations::RESTORING];
        let noted = noted.into_iter().filter_map(|annotation| workspace::noted(sandbox, annotation));
        let pod = self.pod.as_deref();
        let pending = pod.and_then(|pod| workspace::pending(sandbox, pod));
        let named = noted.chain(workspace::origin(sandbox)).chain(pending).map(ToOwned::to_owned);
        named.chain(pod.and_then(|pod| saved::name(self, pod))).collect()
    }
}

/// What keeps a sandbox from being what it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It may work the next time.
    Passing(String),
    /// It never will as it is asked for.
    Lasting(String),
    /// It will once a snapshot is there that it starts from: why it is not, in a word and for people.
    Waiting(Reason, String),
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
    let mut observed = Observed {
        sandbox,
        pod: world.pods.get(&key.beside(pod_name(sandbox))),
        pods: world.pods_of(&uid),
        service: world.services.get(&key),
        volumes: volumes.map(|template| world.volumes.get(&key.beside(&volumes::name(template, sandbox)))).collect(),
        snapshots: BTreeMap::new(),
        has_store: world.config.snapshots.is_some(),
        cluster_domain: &world.config.cluster_domain,
        now: Timestamp::now(),
        problem,
    };
    let names = observed.names().into_iter();
    let known = names.filter_map(|name| Some((name.clone(), world.snapshots.get(&key.beside(&name))?)));
    observed.snapshots = known.collect();
    observed
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
    let back = rollback::plan(observed);
    // Where a sandbox goes back before it has a pod, that decides what its pod starts from.
    if observed.pod.is_none() && !back.is_empty() {
        return Plan { effects: back, problem: None, again: next_look(observed) };
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
    take(Ok(back));
    take(Ok(forget(observed)));
    Plan { effects, problem, again: next_look(observed) }
}

/// A snapshot that pods are not asked to start from any more can be asked for again.
fn forget(observed: &Observed<'_>) -> Vec<Effect> {
    let sandbox = observed.sandbox;
    if workspace::asked(sandbox).is_some() || !sandbox.annotations().contains_key(annotations::RESTORED) {
        return Vec::new();
    }
    vec![Effect::annotate(sandbox, json!({ annotations::RESTORED: null }))]
}

/// Whether nobody waits for what is to be done: it fills up a pool, or a claim uses it already and only labels are to follow.
pub(crate) fn can_wait(observed: &Observed<'_>) -> bool {
    let sandbox = observed.sandbox;
    let is_pooled = sandbox.labels().contains_key(exeat_api::labels::WARM_POOL);
    match &observed.pod {
        None => is_pooled,
        Some(pod) => {
            let was_pooled = !is_pooled && pod.labels().contains_key(exeat_api::labels::WARM_POOL);
            was_pooled && is_ready(sandbox) && workspace::noted(sandbox, annotations::RESTORING).is_none()
        }
    }
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
        effects.push(Effect::delete(Kind::Pod, &**pod));
    }
    if let Some(service) = &observed.service
        && owned(&service.metadata, &uid, &hash) == Owned::Ours
        && service.metadata.deletion_timestamp.is_none()
    {
        effects.push(Effect::delete(Kind::Service, &**service));
    }
    if sandbox.spec.shutdown_policy == Some(ShutdownPolicy::Delete) {
        effects.push(Effect::delete(Kind::Sandbox, sandbox));
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
