//! Who is who: everything that agrees, and one thing changed at a time.

use std::net::IpAddr;

use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NOBODY, Standing, Stranger, proof, stand_at};
use crate::facts::{ClaimFacts, Key, PodFacts, SandboxFacts, SlimClaim, SlimPod};
use crate::view::{Change, Objects};

const PEER: &str = "10.244.0.7";

/// A pod of a claimed sandbox, and all that the cluster holds about it, as JSON to be changed.
#[derive(Clone)]
struct Scene {
    review: Value,
    pod: Value,
    sandbox: Value,
    claim: Value,
    peer: IpAddr,
}

impl Scene {
    /// A warm sandbox that `alice` has claimed.
    fn claimed() -> Self {
        let owner = |kind: &str, group: &str, name: &str, uid: &str| json!([{ "apiVersion": format!("{group}/v1beta1"), "kind": kind, "name": name, "uid": uid, "controller": true }]);
        Scene {
            review: json!({
                "authenticated": true, "audiences": ["exeat-gateway"],
                "user": {
                    "username": "system:serviceaccount:team-a:default",
                    "extra": {
                        "authentication.kubernetes.io/pod-name": ["agent-1"],
                        "authentication.kubernetes.io/pod-uid": ["pod-uid"],
                    },
                },
            }),
            pod: json!({
                "metadata": {
                    "namespace": "team-a", "name": "agent-1", "uid": "pod-uid",
                    "labels": { "exeat.dev/profile": "coder" },
                    "ownerReferences": owner("Sandbox", "agents.x-k8s.io", "agent-1", "sandbox-uid"),
                },
                "status": { "phase": "Running", "podIPs": [{ "ip": PEER }, { "ip": "fd00::7" }] },
            }),
            sandbox: json!({
                "metadata": {
                    "namespace": "team-a", "name": "agent-1", "uid": "sandbox-uid",
                    "labels": { "agents.x-k8s.io/claim-uid": "claim-uid-0123" },
                    "ownerReferences": owner("SandboxClaim", "extensions.agents.x-k8s.io", "mine", "claim-uid-0123"),
                },
            }),
            claim: json!({
                "metadata": {
                    "namespace": "team-a", "name": "mine", "uid": "claim-uid-0123",
                    "annotations": { "exeat.dev/user": "alice" },
                },
                "status": { "sandbox": { "name": "agent-1" } },
            }),
            peer: PEER.parse().unwrap(),
        }
    }

    /// One that waits in a pool.
    fn pooled() -> Self {
        let mut scene = Scene::claimed();
        scene.sandbox["metadata"]["labels"] = json!({ "agents.x-k8s.io/warm-pool-sandbox": "pool" });
        scene.sandbox["metadata"]["ownerReferences"][0]["kind"] = json!("SandboxWarmPool");
        scene.claim = Value::Null;
        scene
    }

    /// One that somebody made without a claim.
    fn made_directly() -> Self {
        let mut scene = Scene::claimed();
        scene.sandbox["metadata"] = json!({ "namespace": "team-a", "name": "agent-1", "uid": "sandbox-uid" });
        scene.claim = Value::Null;
        scene
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn objects(&self) -> Objects {
        let mut objects = Objects::default();
        let key = |object: &Value| {
            let word = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
            Key { namespace: word("namespace"), name: word("name") }
        };
        if !self.pod.is_null() {
            let pod: SlimPod = serde_json::from_value(self.pod.clone()).unwrap();
            objects.change_pods(Change::Is(key(&self.pod), PodFacts::of(&pod)));
        }
        if !self.sandbox.is_null() {
            let metadata = serde_json::from_value(self.sandbox["metadata"].clone()).unwrap();
            objects.sandboxes.take(Change::Is(key(&self.sandbox), SandboxFacts::of(&metadata)));
        }
        if !self.claim.is_null() {
            let claim: SlimClaim = serde_json::from_value(self.claim.clone()).unwrap();
            objects.change_claims(Change::Is(key(&self.claim), ClaimFacts::of(&claim)));
        }
        objects
    }

    fn stand(&self) -> Result<Standing, Stranger> {
        let review: TokenReviewStatus = serde_json::from_value(self.review.clone()).unwrap();
        stand_at(&self.objects(), &proof(&review)?, self.peer)
    }
}

#[test]
fn a_claimed_sandbox_is_its_claims_session() {
    let standing = Scene::claimed().stand().unwrap();
    let (session, facts) = (standing.who.session(), standing.who.facts());
    assert_eq!(session.id, "team-a/agent-1@claim-ui");
    assert_eq!((session.profile.as_str(), session.user.as_str()), ("coder", "alice"));
    assert_eq!(session.teams, ["team-a"]);
    assert_eq!((facts.namespace.as_deref(), facts.sandbox.as_deref()), (Some("team-a"), Some("agent-1")));
    assert_eq!((facts.claim_uid.as_deref(), facts.workflow), (Some("claim-uid-0123"), None));
    assert_eq!(standing.ground.len(), 3);
    let other_family = Scene::claimed().with(|scene| scene.peer = "fd00::7".parse().unwrap());
    assert_eq!(other_family.stand().unwrap().who, standing.who);
}

#[test]
fn what_a_claim_says_wins_over_what_its_pod_says() {
    let scene = Scene::claimed().with(|scene| {
        scene.claim["metadata"]["labels"] =
            json!({ "exeat.dev/profile": "reviewer", "exeat.dev/workflow": "release-9" });
        scene.claim["metadata"]["annotations"] = Value::Null;
    });
    let who = scene.stand().unwrap().who;
    assert_eq!((who.profile.as_str(), who.user.as_str()), ("reviewer", NOBODY));
    assert_eq!(who.workflow.as_deref(), Some("release-9"));
}

#[test]
fn a_sandbox_that_nothing_manages_is_bound_by_its_label() {
    let scene = Scene::claimed().with(|scene| scene.sandbox["metadata"]["ownerReferences"] = Value::Null);
    assert_eq!(scene.stand().unwrap().who.claim_uid.as_deref(), Some("claim-uid-0123"));
}

#[test]
fn a_sandbox_made_directly_is_a_session_of_its_own() {
    let who = Scene::made_directly().stand().unwrap().who;
    assert_eq!(who.session().id, "team-a/agent-1@sandbox-");
    assert_eq!((who.claim_uid, who.user.as_str(), who.profile.as_str()), (None, NOBODY, "coder"));
}

#[test]
fn a_sandbox_in_a_pool_has_no_rights() {
    let unclaimed = Stranger::Unclaimed(Key::new("team-a", "agent-1"));
    assert_eq!(Scene::pooled().stand().unwrap_err(), unclaimed);
    let by_label = Scene::pooled().with(|scene| scene.sandbox["metadata"]["ownerReferences"] = Value::Null);
    assert_eq!(by_label.stand().unwrap_err(), unclaimed);
    let by_owner = Scene::pooled().with(|scene| scene.sandbox["metadata"]["labels"] = Value::Null);
    assert_eq!(by_owner.stand().unwrap_err(), unclaimed);
}

/// One thing changed in what agrees: nobody, and what is said of it. `true` where it may still become known.
#[test]
fn whatever_does_not_agree_is_nobody() {
    type Attack = (&'static str, fn(&mut Scene), bool, &'static str);
    let attacks: &[Attack] = &[
        ("a token that does not count", |s| s.review = json!({ "authenticated": false }), false, "not one that counts"),
        ("an answer that says nothing", |s| s.review = json!({}), false, "not one that counts"),
        (
            "a token for the API server",
            |s| s.review["audiences"] = json!(["https://kubernetes.default.svc"]),
            false,
            "for somebody else",
        ),
        ("a token without an audience", |s| s.review["audiences"] = Value::Null, false, "for somebody else"),
        ("a person's token", |s| s.review["user"]["username"] = json!("alice"), false, "not bound to a pod"),
        (
            "a token of a service account alone",
            |s| s.review["user"]["extra"] = Value::Null,
            false,
            "not bound to a pod",
        ),
        (
            "a token bound to two pods",
            |s| s.review["user"]["extra"]["authentication.kubernetes.io/pod-uid"] = json!(["pod-uid", "other"]),
            false,
            "not bound to a pod",
        ),
        (
            "the token of another pod",
            |s| s.review["user"]["extra"]["authentication.kubernetes.io/pod-name"] = json!(["agent-2"]),
            true,
            "`team-a/agent-2` is not known",
        ),
        (
            "the token of a pod of the same name in another namespace",
            |s| s.review["user"]["username"] = json!("system:serviceaccount:team-b:default"),
            true,
            "`team-b/agent-1` is not known",
        ),
        (
            "the right token from another address",
            |s| s.peer = "10.244.0.8".parse().unwrap(),
            false,
            "is not at 10.244.0.8",
        ),
        (
            "a pod that was made again under the same name",
            |s| s.pod["metadata"]["uid"] = json!("new"),
            true,
            "another pod",
        ),
        ("a pod that is not known", |s| s.pod = Value::Null, true, "is not known"),
        ("a pod that has succeeded", |s| s.pod["status"]["phase"] = json!("Succeeded"), false, "has ended"),
        ("a pod that has failed", |s| s.pod["status"]["phase"] = json!("Failed"), false, "has ended"),
        ("a pod without an address yet", |s| s.pod["status"]["podIPs"] = json!([]), true, "no address of its own"),
        (
            "a pod with its node's address",
            |s| s.pod["spec"]["hostNetwork"] = json!(true),
            true,
            "no address of its own",
        ),
        ("a pod that nobody manages", |s| s.pod["metadata"]["ownerReferences"] = Value::Null, false, "is no sandbox's"),
        (
            "a pod of a Deployment",
            |s| s.pod["metadata"]["ownerReferences"][0]["kind"] = json!("ReplicaSet"),
            false,
            "is no sandbox's",
        ),
        (
            "a pod of another group's Sandbox",
            |s| s.pod["metadata"]["ownerReferences"][0]["apiVersion"] = json!("evil.example/v1beta1"),
            false,
            "is no sandbox's",
        ),
        (
            "a pod whose owner does not manage it",
            |s| s.pod["metadata"]["ownerReferences"][0]["controller"] = json!(false),
            false,
            "is no sandbox's",
        ),
        (
            "a pod of a Sandbox that was made again",
            |s| s.pod["metadata"]["ownerReferences"][0]["uid"] = json!("old"),
            true,
            "sandbox `team-a/agent-1` of this pod is not known",
        ),
        ("a Sandbox that is not known", |s| s.sandbox = Value::Null, true, "of this pod is not known"),
        (
            "a second pod that names the Sandbox as its owner",
            |s| {
                s.pod["metadata"]["name"] = json!("agent-1-copy");
                s.review["user"]["extra"]["authentication.kubernetes.io/pod-name"] = json!(["agent-1-copy"]);
            },
            false,
            "not the one of the sandbox",
        ),
        ("a claim that is not known", |s| s.claim = Value::Null, true, "the claim of `team-a/agent-1` is not known"),
        ("a claim of another UID", |s| s.claim["metadata"]["uid"] = json!("other"), true, "is not known"),
        (
            "a label with the UID of another claim",
            |s| s.sandbox["metadata"]["labels"]["agents.x-k8s.io/claim-uid"] = json!("other"),
            false,
            "labelled with the UID of another",
        ),
        (
            "a pool's Sandbox with somebody's claim written on it",
            |s| s.sandbox["metadata"]["ownerReferences"][0]["kind"] = json!("SandboxWarmPool"),
            false,
            "labelled with the UID of another",
        ),
        (
            "a claim that has another sandbox",
            |s| s.claim["status"]["sandbox"]["name"] = json!("agent-9"),
            false,
            "has another sandbox",
        ),
        ("a claim that has no sandbox yet", |s| s.claim["status"] = json!({}), true, "has no sandbox yet"),
        (
            "a claim that is being deleted",
            |s| s.claim["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
            false,
            "is being deleted",
        ),
        (
            "a claim in another namespace",
            |s| s.claim["metadata"]["namespace"] = json!("team-b"),
            false,
            "another namespace",
        ),
        ("no profile anywhere", |s| s.pod["metadata"]["labels"] = Value::Null, false, "has no profile"),
    ];
    for (what, attack, may_become_known, said) in attacks {
        let mut scene = Scene::claimed();
        attack(&mut scene);
        let stranger = scene.stand().expect_err(what);
        assert_eq!(stranger.may_become_known(), *may_become_known, "{what}");
        let message = exeat_core::Cause::from(stranger).to_string();
        assert!(message.contains(said), "{what}: {message}");
    }
}

#[test]
fn what_is_stood_on_is_told_when_it_changes() {
    let scene = Scene::claimed();
    let mut objects = scene.objects();
    let review: TokenReviewStatus = serde_json::from_value(scene.review.clone()).unwrap();
    let standing = stand_at(&objects, &proof(&review).unwrap(), scene.peer).unwrap();
    let changed = |standing: &Standing| standing.ground.iter().filter(|ground| ground.is_cancelled()).count();

    // The same again is no change.
    let pod: SlimPod = serde_json::from_value(scene.pod.clone()).unwrap();
    objects.change_pods(Change::Is(Key::new("team-a", "agent-1"), PodFacts::of(&pod)));
    assert_eq!(changed(&standing), 0);
    objects.change_claims(Change::Gone(Key::new("team-a", "mine")));
    assert_eq!(changed(&standing), 1);
    objects.change_pods(Change::All(std::collections::HashMap::new()));
    assert_eq!(changed(&standing), 2);
    assert!(objects.pod_at(scene.peer).is_none());
}

/// The parts of a scene that can be taken from another one.
const PARTS: usize = 5;

proptest! {
    /// However the objects of two sandboxes are mixed, somebody is known only where all are of one, and then as that one.
    #[test]
    fn nobody_is_known_by_parts_of_two(parts in proptest::collection::vec(any::<bool>(), PARTS)) {
        let (one, other) = (Scene::claimed(), Scene::claimed().with(|scene| {
            for part in [&mut scene.review, &mut scene.pod, &mut scene.sandbox, &mut scene.claim] {
                let text = part.to_string().replace("agent-1", "agent-2").replace("-uid", "-diu").replace("alice", "bob");
                let text = text.replace("pod-diu\":[", "pod-uid\":[").replace("claim-diu\":", "claim-uid\":");
                *part = serde_json::from_str(&text.replace("10.244.0.7", "10.244.0.8").replace("fd00::7", "fd00::8")).unwrap();
            }
            scene.peer = "10.244.0.8".parse().unwrap();
        }));
        prop_assert_eq!(other.stand().unwrap().who.user, "bob");
        let pick = |at: usize| if parts[at] { &other } else { &one };
        let mixed = Scene {
            review: pick(0).review.clone(),
            pod: pick(1).pod.clone(),
            sandbox: pick(2).sandbox.clone(),
            claim: pick(3).claim.clone(),
            peer: pick(4).peer,
        };
        let all_of_one = parts.iter().all(|part| *part == parts[0]);
        match mixed.stand() {
            Ok(standing) => {
                prop_assert!(all_of_one);
                prop_assert_eq!(standing.who.user, if parts[0] { "bob" } else { "alice" });
            }
            Err(_) => prop_assert!(!all_of_one),
        }
    }
}
