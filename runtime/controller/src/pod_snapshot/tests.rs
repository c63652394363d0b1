use std::sync::Arc;

use exeat_api::{PodSnapshot, PodSnapshotManualTrigger, SandboxSnapshot, annotations, labels, name_hash};
use serde_json::{Value, json};

use super::plan::{Observed, mirror, plan};
use crate::effect::{Act, Effect, Kind};

/// What there is of one trigger, and what happens to it.
#[derive(Default)]
struct Scene {
    status: Value,
    pod_snapshot: Option<Value>,
    snapshot: Option<Value>,
}

impl Scene {
    fn plan(&self, sandbox: Option<&str>) -> Vec<Effect> {
        let trigger: PodSnapshotManualTrigger = serde_json::from_value(json!({
            "apiVersion": "podsnapshot.gke.io/v1", "kind": "PodSnapshotManualTrigger",
            "metadata": { "name": "t", "namespace": "n" }, "spec": { "targetPod": "box" }, "status": self.status,
        }))
        .unwrap();
        plan(&Observed {
            trigger: &trigger,
            sandbox,
            pod_snapshot: self.pod_snapshot.clone().map(|known| Arc::new(serde_json::from_value(known).unwrap())),
            snapshot: self.snapshot.clone().map(|known| Arc::new(serde_json::from_value(known).unwrap())),
        })
    }

    /// Does what is to be done, and says to which kinds.
    fn act(&mut self) -> Vec<Kind> {
        let effects = self.plan(Some("site"));
        for Effect { on, act, .. } in &effects {
            match (on, act) {
                (Kind::PodSnapshot, Act::Create(body)) => {
                    let mut body = body.clone();
                    body["metadata"]["uid"] = json!("p-uid");
                    self.pod_snapshot = Some(body);
                }
                (Kind::SandboxSnapshot, Act::Create(body)) => self.snapshot = Some(body.clone()),
                (Kind::PodSnapshotManualTrigger, Act::MergeStatus(patch)) => self.status = patch["status"].clone(),
                (Kind::PodSnapshot, Act::MergeStatus(patch)) => {
                    self.pod_snapshot.as_mut().unwrap()["status"] = patch["status"].clone();
                }
                (Kind::PodSnapshot, Act::Delete { uid, .. }) => {
                    assert_eq!(uid, "p-uid");
                    self.pod_snapshot = None;
                }
                other => panic!("{other:?}"),
            }
        }
        effects.into_iter().map(|effect| effect.on).collect()
    }

    fn says(&mut self, reason: &str, status: &str) {
        let said = json!({
            "type": "Ready", "status": status, "reason": reason, "message": "why",
            "lastTransitionTime": "2023-01-01T00:00:00Z",
        });
        self.snapshot.as_mut().unwrap()["status"] = json!({ "conditions": [said] });
    }
}

#[test]
fn a_trigger_makes_a_snapshot_and_the_one_under_it() {
    let mut scene = Scene::default();
    assert_eq!(scene.act(), [Kind::PodSnapshot]);
    assert_eq!(scene.act(), [Kind::SandboxSnapshot]);
    let made = scene.pod_snapshot.clone().unwrap();
    assert_eq!(made["metadata"]["labels"][labels::NAME_HASH], name_hash("site"));
    assert_eq!(made["metadata"]["annotations"][annotations::ORIGIN_POD], "box");
    let under = scene.snapshot.clone().unwrap();
    assert_eq!((&under["metadata"]["name"], &under["spec"]["sandboxName"]), (&json!("t"), &json!("site")));
    for reason in ["Taking", "Restoring"] {
        scene.says(reason, "False");
        assert_eq!(scene.act(), []);
    }
    scene.says("Taken", "True");
    // First the snapshot is ready, then the trigger says so.
    assert_eq!(scene.act(), [Kind::PodSnapshot, Kind::PodSnapshotManualTrigger]);
    assert_eq!(scene.status["snapshotCreated"], json!({ "name": "t" }));
    assert_eq!(scene.status["conditions"][0]["reason"], "Complete");
    assert_eq!(scene.act(), []);
    assert_eq!(scene.plan(None), [], "the pod may be gone by then");
}

#[test]
fn what_fails_is_said_once_and_leaves_nothing() {
    for reason in ["NotWired", "SandboxNotRunning", "NoSnapshotStore", "TakeFailed"] {
        let mut scene = Scene::default();
        scene.act();
        scene.act();
        scene.says(reason, "False");
        assert_eq!(scene.act(), [Kind::PodSnapshotManualTrigger, Kind::PodSnapshot]);
        assert_eq!(
            (&scene.status["conditions"][0]["status"], &scene.status["conditions"][0]["reason"]),
            (&json!("False"), &json!("Failed"))
        );
        assert_eq!(scene.act(), []);
    }
    assert_eq!(Scene::default().plan(None)[0].on, Kind::PodSnapshotManualTrigger);
    let mut scene = Scene::default();
    scene.act();
    let another = json!({ "metadata": { "name": "t" }, "spec": { "sandboxName": "site" } });
    scene.snapshot = Some(another);
    assert_eq!(scene.act(), [Kind::PodSnapshotManualTrigger, Kind::PodSnapshot]);
}

#[test]
fn it_says_what_the_one_under_it_says() {
    let mut scene = Scene::default();
    scene.act();
    scene.act();
    let read = |scene: &Scene| -> (PodSnapshot, SandboxSnapshot) {
        let read = |known: &Option<Value>| known.clone().unwrap();
        (
            serde_json::from_value(read(&scene.pod_snapshot)).unwrap(),
            serde_json::from_value(read(&scene.snapshot)).unwrap(),
        )
    };
    let (pod_snapshot, snapshot) = read(&scene);
    assert_eq!(mirror(&pod_snapshot, Some(&snapshot)), None);
    scene.says("Taken", "True");
    scene.act();
    let (pod_snapshot, snapshot) = read(&scene);
    assert_eq!(mirror(&pod_snapshot, Some(&snapshot)), None);
    let Some(Effect { act: Act::MergeStatus(patch), .. }) = mirror(&pod_snapshot, None) else {
        panic!("it says nothing")
    };
    assert_eq!(patch["status"]["conditions"][0]["reason"], "SnapshotNotFound");
}
