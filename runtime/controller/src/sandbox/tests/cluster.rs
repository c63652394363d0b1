//! A cluster of one sandbox: an API server without a network, and a kubelet.

use std::collections::BTreeMap;
use std::sync::Arc;

use exeat_api::{Sandbox, VolumeClaimTemplate};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::{Observed, Problem, can_wait, plan, restored, status, volumes, workspace};
use crate::effect::{Act, Effect, Kind};

/// Everything that there is.
pub(super) struct Cluster {
    pub(super) sandbox: Value,
    pub(super) pod: Option<Value>,
    pub(super) service: Option<Value>,
    pub(super) volumes: BTreeMap<String, Value>,
    pub(super) snapshots: BTreeMap<String, Value>,
    pub(super) has_store: bool,
    /// What has been read back, in this order.
    pub(super) restored: Vec<String>,
    pub(super) now: Timestamp,
    pub(super) sandbox_is_gone: bool,
    uids: u32,
}

impl Cluster {
    /// A sandbox of this spec, a second old, that nobody has looked at.
    pub(super) fn new(spec: Value) -> Self {
        let mut all = json!({ "podTemplate": { "spec": { "containers": [{ "name": "main", "image": "a" }] } } });
        merge(&mut all, &spec);
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let sandbox = json!({
            "apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox",
            "metadata": {
                "name": "box", "namespace": "n", "uid": "box-uid", "resourceVersion": "1", "generation": 1,
                "creationTimestamp": (now - SignedDuration::from_secs(10)).to_string(),
            },
            "spec": all,
        });
        Cluster {
            sandbox,
            pod: None,
            service: None,
            volumes: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            has_store: false,
            restored: Vec::new(),
            now,
            sandbox_is_gone: false,
            uids: 0,
        }
    }

    pub(super) fn typed(&self) -> Sandbox {
        serde_json::from_value(self.sandbox.clone()).unwrap()
    }

    /// What a controller wants done now.
    pub(super) fn effects(&self) -> (Vec<Effect>, Option<Problem>) {
        self.observed(&self.typed(), None, |observed| {
            let plan = plan(observed);
            (plan.effects, plan.problem)
        })
    }

    /// Whether what there is to do can be done later.
    pub(super) fn can_wait(&self) -> bool {
        self.observed(&self.typed(), None, can_wait)
    }

    fn observed<R>(&self, sandbox: &Sandbox, problem: Option<&Problem>, look: impl FnOnce(&Observed<'_>) -> R) -> R {
        let read = |value: &Value| serde_json::from_value(value.clone()).unwrap();
        let volume = |template: &VolumeClaimTemplate| {
            let name = volumes::name(template, sandbox);
            self.volumes.get(&name).map(|volume| Arc::new(serde_json::from_value(volume.clone()).unwrap()))
        };
        let snapshot = |known: &Value| Arc::new(serde_json::from_value(known.clone()).unwrap());
        look(&Observed {
            sandbox,
            pod: self.pod.as_ref().map(|pod| Arc::new(read(pod))),
            pods: usize::from(
                self.pod.as_ref().is_some_and(|pod| pod["metadata"]["ownerReferences"][0]["uid"] == "box-uid"),
            ),
            service: self.service.as_ref().map(|service| Arc::new(serde_json::from_value(service.clone()).unwrap())),
            volumes: sandbox.spec.volume_claim_templates.iter().map(volume).collect(),
            snapshots: self.snapshots.iter().map(|(name, known)| (name.clone(), snapshot(known))).collect(),
            has_store: self.has_store,
            cluster_domain: "cluster.local",
            now: self.now,
            problem,
        })
    }

    /// One effect, done.
    pub(super) fn act(&mut self, effect: &Effect) {
        if let (Act::Delete { uid, .. }, Kind::Sandbox) = (&effect.act, effect.on) {
            assert_eq!(*uid, self.sandbox["metadata"]["uid"]);
            self.sandbox_is_gone = true;
            return;
        }
        self.uids += 1;
        let fresh = format!("uid-{}", self.uids);
        let name = effect.key.name.to_string();
        let slot: &mut Option<Value> = match effect.on {
            Kind::Pod => &mut self.pod,
            Kind::Service => &mut self.service,
            Kind::PersistentVolumeClaim => {
                let Act::Create(body) = &effect.act else { panic!("{effect}") };
                assert!(self.volumes.insert(name, with_uid(body, &fresh)).is_none(), "{effect}: it is there already");
                return;
            }
            Kind::SandboxSnapshot => {
                let Act::Create(body) = &effect.act else { panic!("{effect}") };
                assert!(self.snapshots.insert(name, with_uid(body, &fresh)).is_none(), "{effect}: it is there already");
                return;
            }
            Kind::Sandbox => {
                match &effect.act {
                    Act::Merge(patch) | Act::MergeStatus(patch) => merge(&mut self.sandbox, patch),
                    _ => panic!("{effect}"),
                }
                return;
            }
            _ => panic!("{effect}"),
        };
        match &effect.act {
            Act::Create(body) => {
                assert!(slot.is_none(), "{effect}: it is there already");
                *slot = Some(with_uid(body, &fresh));
            }
            Act::Apply(body) => match slot {
                Some(known) => merge(known, body),
                None => *slot = Some(with_uid(body, &fresh)),
            },
            Act::Merge(patch) => merge(slot.as_mut().unwrap(), patch),
            Act::Delete { uid, .. } => {
                let known = slot.as_mut().unwrap();
                assert_eq!(*uid, known["metadata"]["uid"], "{effect}: it is another one");
                if effect.on == Kind::Pod {
                    known["metadata"]["deletionTimestamp"] = json!(self.now.to_string());
                } else {
                    *slot = None;
                }
            }
            Act::MergeStatus(_) | Act::Condition { .. } => panic!("{effect}"),
        }
    }

    /// What kubelets do by themselves: pods that are to go are gone, the others run.
    pub(super) fn kubelet(&mut self) {
        match &mut self.pod {
            Some(pod) if !pod["metadata"]["deletionTimestamp"].is_null() => self.pod = None,
            Some(pod) if pod["status"]["phase"].is_null() => self.set_phase("Running"),
            _ => {}
        }
    }

    /// A cluster of one wired sandbox whose workspace goes with its pod, and a store.
    pub(super) fn wired(spec: Value) -> Self {
        let mut all = json!({ "podTemplate": { "metadata": { "labels": { "exeat.dev/profile": "coder" } } } });
        merge(&mut all, &spec);
        Cluster { has_store: true, ..Cluster::new(all) }
    }

    /// A snapshot that is whole.
    pub(super) fn has_snapshot(&mut self, name: &str) {
        let snapshot = json!({
            "apiVersion": "exeat.dev/v1alpha1", "kind": "SandboxSnapshot",
            "metadata": { "name": name, "namespace": "n", "uid": name }, "spec": { "sandboxName": "box" },
        });
        self.snapshots.insert(name.to_owned(), snapshot);
        self.takes(name);
    }

    /// The other controllers' part: this snapshot is taken.
    pub(super) fn takes(&mut self, name: &str) {
        let Some(snapshot) = self.snapshots.get_mut(name) else { return };
        let ready = json!({
            "type": "Ready", "status": "True", "reason": "Taken", "message": "", "lastTransitionTime": "2023-01-01T00:00:00Z",
        });
        snapshot["status"] = json!({ "conditions": [ready], "digest": "sha256:0" });
    }

    /// The other controllers' part: snapshots are taken, and a running pod's workspace is read back.
    pub(super) fn others(&mut self) {
        for name in self.snapshots.keys().cloned().collect::<Vec<_>>() {
            self.takes(&name);
        }
        let sandbox = self.typed();
        let work = self.observed(&sandbox, None, |observed| {
            let pending = observed.pod.as_deref().and_then(|pod| workspace::pending(sandbox_of(observed), pod));
            let runs = observed.pod.as_ref().is_some_and(|pod| pod.status.phase.as_deref() == Some("Running"));
            pending
                .filter(|name| runs && observed.usable(name).is_ok())
                .map(|name| (name.to_owned(), restored(observed, name)))
        });
        let (Some((name, noted)), Some(pod)) = (work, &mut self.pod) else { return };
        merge(&mut self.sandbox, &json!({ "metadata": { "annotations": noted } }));
        let said = json!({ "type": "PodRestored", "status": "True", "reason": "Restored", "message": name });
        self.restored.push(name);
        pod["restored"] = said;
        self.set_phase("Running");
    }

    /// The pod is in this phase, and ready where it runs.
    pub(super) fn set_phase(&mut self, phase: &str) {
        let Some(pod) = &mut self.pod else { return };
        let restored = pod["restored"].clone();
        let waits = !pod["spec"]["readinessGates"].is_null() && restored.is_null();
        let ready = if phase == "Running" && !waits { "True" } else { "False" };
        pod["spec"]["nodeName"] = json!("node");
        pod["status"] = json!({
            "phase": phase, "podIPs": [{ "ip": "10.0.0.1" }],
            "conditions": [{ "type": "PodScheduled", "status": "True" }, { "type": "Ready", "status": ready }],
        });
        if let (Some(conditions), false) = (pod["status"]["conditions"].as_array_mut(), restored.is_null()) {
            conditions.push(restored);
        }
    }

    /// Looks until there is nothing left to do, with the kubelet in between, then says how it is.
    pub(super) fn settle(&mut self) {
        for _ in 0..20 {
            if self.sandbox_is_gone {
                return;
            }
            let (effects, problem) = self.effects();
            for effect in &effects {
                self.act(effect);
            }
            self.say(problem.as_ref());
            self.kubelet();
            self.others();
        }
        assert_eq!(self.effects().0, [], "it comes to rest");
    }

    /// Writes the status.
    pub(super) fn say(&mut self, problem: Option<&Problem>) {
        let sandbox = self.typed();
        let effect = self.observed(&sandbox, problem, status);
        if let Some(effect) = effect {
            self.act(&effect);
        }
        let again = self.typed();
        let rest = self.observed(&again, problem, status);
        assert_eq!(rest, None, "what has been said is not said again");
    }

    /// A condition as `status reason`.
    pub(super) fn condition(&self, of: &str) -> String {
        let conditions = self.sandbox["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|condition| condition["type"] == of);
        found.map_or_else(String::new, |condition| {
            format!("{} {}", condition["status"].as_str().unwrap(), condition["reason"].as_str().unwrap())
        })
    }
}

fn sandbox_of<'o>(observed: &Observed<'o>) -> &'o Sandbox {
    observed.sandbox
}

fn with_uid(body: &Value, uid: &str) -> Value {
    let mut body = body.clone();
    body["metadata"]["uid"] = json!(uid);
    body
}

/// RFC 7396.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(object) = target.as_object_mut() else { return };
    for (name, value) in fields {
        if value.is_null() {
            object.shift_remove(name);
        } else {
            merge(object.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
