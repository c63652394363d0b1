use exeat_api::{ObjectMeta, SandboxClaim, SandboxClaimSpec, WarmPoolRef};
use exeat_lifecycle::{Life, Name, Phase, SandboxId, Saved, Shutdown, Spec, Why};
use exeat_supervisor::Sandbox as Record;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::world::Notes;

fn record(phase: Phase) -> Record {
    let spec: Spec = serde_json::from_value(json!({
        "profile": "coder", "user": "me", "root": { "image": "debian" },
        "environment": { "TOKEN": "for the inside alone" }, "resources": { "memory_bytes": 1024, "cpu_millis": 500 },
    }))
    .unwrap();
    Record {
        id: SandboxId::new([1, 2, 3, 4, 5, 6]),
        namespace: Name::parse("default").unwrap(),
        name: Name::parse("pool-abc12").unwrap(),
        created: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        spec,
        life: Life { phase, saved: Saved::default(), next: 3 },
        pool: None,
        claim: Some("c-uid".into()),
        origin: None,
    }
}

fn claim() -> SandboxClaim {
    let metadata = ObjectMeta {
        name: Some("c".into()),
        namespace: Some("default".into()),
        uid: Some("c-uid".into()),
        ..ObjectMeta::default()
    };
    let spec = SandboxClaimSpec {
        warm_pool_ref: WarmPoolRef { name: "pool".into() },
        lifecycle: None,
        additional_pod_metadata: serde_json::from_value(json!({ "labels": { "run": "1" } })).unwrap(),
        env: Vec::new(),
        volume_claim_templates: Vec::new(),
    };
    SandboxClaim { metadata, spec, status: None }
}

fn shown(record: &Record, notes: &Notes) -> (Value, Option<Value>) {
    let (claim, now) = (claim(), "2026-01-02T04:00:00Z".parse().unwrap());
    let showing = Showing { record, notes, claim: Some(&claim), before: None, address: None, now };
    let shown = sandbox(&showing);
    (json!(shown), pod(&showing, &shown))
}

fn check(value: &Value, expected: Expect) {
    expected.assert_eq(&format!("{value:#}"));
}

#[test]
fn a_running_sandbox() {
    let (sandbox, pod) = shown(&record(Phase::Running { generation: 2 }), &Notes::default());
    check(
        &sandbox,
        expect![[r#"
        {
          "apiVersion": "agents.x-k8s.io/v1beta1",
          "kind": "Sandbox",
          "metadata": {
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "generation": 1,
            "labels": {
              "agents.x-k8s.io/claim-uid": "c-uid",
              "agents.x-k8s.io/sandbox-name-hash": "5c8f595d"
            },
            "name": "pool-abc12",
            "namespace": "default",
            "ownerReferences": [
              {
                "apiVersion": "extensions.agents.x-k8s.io/v1beta1",
                "controller": true,
                "kind": "SandboxClaim",
                "name": "c",
                "uid": "c-uid"
              }
            ],
            "uid": "sb-010203040506"
          },
          "spec": {
            "podTemplate": {
              "metadata": {
                "labels": {
                  "run": "1"
                }
              },
              "spec": {
                "containers": [
                  {
                    "name": "sandbox",
                    "image": "debian",
                    "resources": {
                      "limits": {
                        "cpu": "500m",
                        "memory": "1024"
                      }
                    }
                  }
                ],
                "runtimeClassName": "gvisor"
              }
            },
            "operatingMode": "Running"
          },
          "status": {
            "conditions": [
              {
                "type": "Ready",
                "status": "True",
                "lastTransitionTime": "2026-01-02T04:00:00Z",
                "reason": "DependenciesReady",
                "message": "it runs"
              },
              {
                "type": "Suspended",
                "status": "False",
                "lastTransitionTime": "2026-01-02T04:00:00Z",
                "reason": "NotSuspended",
                "message": "it is not suspended"
              }
            ],
            "selector": "agents.x-k8s.io/sandbox-name-hash=5c8f595d"
          }
        }"#]],
    );
    check(
        &pod.unwrap(),
        expect![[r#"
        {
          "apiVersion": "v1",
          "kind": "Pod",
          "metadata": {
            "name": "pool-abc12",
            "namespace": "default",
            "uid": "sb-010203040506.3",
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "labels": {
              "agents.x-k8s.io/sandbox-name-hash": "5c8f595d",
              "run": "1"
            },
            "annotations": {},
            "ownerReferences": [
              {
                "apiVersion": "agents.x-k8s.io/v1beta1",
                "kind": "Sandbox",
                "name": "pool-abc12",
                "uid": "sb-010203040506",
                "controller": true
              }
            ]
          },
          "spec": {
            "containers": [
              {
                "name": "sandbox",
                "image": "debian",
                "resources": {
                  "limits": {
                    "cpu": "500m",
                    "memory": "1024"
                  }
                }
              }
            ],
            "runtimeClassName": "gvisor"
          },
          "status": {
            "phase": "Running",
            "conditions": [
              {
                "type": "PodScheduled",
                "status": "True",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
                "reason": "DependenciesReady",
                "message": "it is on this machine"
              },
              {
                "type": "Ready",
                "status": "True",
                "lastTransitionTime": "2026-01-02T04:00:00Z",
                "reason": "DependenciesReady",
                "message": "it runs"
              }
            ]
          }
        }"#]],
    );
}

/// What clients conclude from: whether it shall run, whether it is ready and why not, whether there is a pod.
#[test]
fn the_life_of_a_sandbox_as_clients_see_it() {
    let suspended = Notes { suspended: true, ..Notes::default() };
    let paused = Phase::Resting { why: Why::Paused };
    let mut table = String::new();
    for (title, phase, notes) in [
        ("being made", Phase::Creating { generation: 0 }, &Notes::default()),
        ("running", Phase::Running { generation: 0 }, &Notes::default()),
        ("pausing", Phase::Pausing { generation: 0 }, &Notes::default()),
        ("paused by itself", paused.clone(), &Notes::default()),
        ("suspended", paused, &suspended),
        ("waking", Phase::Starting { generation: 1, why: Why::Paused }, &Notes::default()),
        ("out of memory", Phase::Resting { why: Why::OutOfMemory }, &Notes::default()),
        ("being deleted", Phase::Deleting, &Notes::default()),
    ] {
        let (sandbox, pod) = shown(&record(phase), notes);
        let condition = |number: usize| {
            let condition = &sandbox["status"]["conditions"][number];
            format!("{}={} {}", condition["type"], condition["status"], condition["reason"]).replace('"', "")
        };
        let mode = sandbox["spec"]["operatingMode"].as_str().unwrap();
        let pod = pod.map_or("no pod".to_owned(), |pod| pod["status"]["phase"].as_str().unwrap().to_owned());
        table += &format!("{title}: {mode}, {}, {}, {pod}\n", condition(0), condition(1));
    }
    expect![[r#"
        being made: Running, Ready=False DependenciesNotReady, Suspended=False NotSuspended, Pending
        running: Running, Ready=True DependenciesReady, Suspended=False NotSuspended, Running
        pausing: Running, Ready=True DependenciesReady, Suspended=False NotSuspended, Running
        paused by itself: Running, Ready=True DependenciesReady, Suspended=False NotSuspended, Running
        suspended: Suspended, Ready=False SandboxSuspended, Suspended=True PodTerminated, no pod
        waking: Running, Ready=True DependenciesReady, Suspended=False NotSuspended, Running
        out of memory: Running, Ready=True DependenciesReady, Suspended=False NotSuspended, Running
        being deleted: Running, Ready=False DependenciesNotReady, Suspended=False NotSuspended, Running
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_sandbox_whose_time_is_over_is_not_ready() {
    let mut record = record(Phase::Resting { why: Why::Paused });
    let at = "2026-01-02T03:30:00Z".parse().unwrap();
    record.spec.shutdown = Some(Shutdown { at, policy: exeat_lifecycle::ExpiryPolicy::Retain });
    let (sandbox, _) = shown(&record, &Notes::default());
    assert_eq!(sandbox["status"]["conditions"][0]["reason"], "SandboxExpired");
    assert_eq!(sandbox["spec"]["shutdownTime"], "2026-01-02T03:30:00Z");
    assert_eq!(sandbox["spec"]["shutdownPolicy"], "Retain");
}

#[test]
fn a_restored_pod_says_from_what() {
    let notes = Notes { restored: Some("snap-0102030405ff".into()), ..Notes::default() };
    let (_, pod) = shown(&record(Phase::Running { generation: 2 }), &notes);
    let conditions = pod.unwrap()["status"]["conditions"].clone();
    let restored =
        conditions.as_array().unwrap().iter().find(|condition| condition["type"] == "PodRestored").unwrap().clone();
    assert_eq!(restored["status"], "True");
    assert!(restored["message"].as_str().unwrap().contains("snap-0102030405ff"));
}

#[test]
fn a_claim_gets_its_sandbox_and_its_readiness_at_once() {
    let (claim, now) = (claim(), "2026-01-02T04:00:00Z".parse().unwrap());
    let record = record(Phase::Running { generation: 2 });
    let notes = Notes::default();
    let shown =
        sandbox(&Showing { record: &record, notes: &notes, claim: Some(&claim), before: None, address: None, now });
    check(
        &json!(bound(&claim, &shown)),
        expect![[r#"
        {
          "conditions": [
            {
              "type": "Ready",
              "status": "True",
              "lastTransitionTime": "2026-01-02T04:00:00Z",
              "reason": "DependenciesReady",
              "message": "it runs"
            }
          ],
          "sandbox": {
            "name": "pool-abc12"
          }
        }"#]],
    );
}
