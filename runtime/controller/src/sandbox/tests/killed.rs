use exeat_api::annotations;
use proptest::prelude::*;
use serde_json::json;

use super::Cluster;
use super::cluster::merge;

/// What happens around a sandbox.
#[derive(Clone, Debug)]
enum Happening {
    /// The controller looks, and is killed after so many effects.
    Look(usize),
    /// The kubelet does what it does.
    Kubelet,
    /// Somebody asks it to run, or not to.
    Mode(bool),
    /// Somebody wants a Service, wants none, or does not care.
    Service(Option<bool>),
    /// The pod ends by itself.
    Fails,
    /// Somebody deletes the pod, and it is gone at once.
    PodLost,
    /// Snapshots are taken and read back.
    Others,
    /// Somebody wants it to go back to this one.
    Rollback(&'static str),
    /// Somebody wants its next pod to start from this one, or does not care.
    From(Option<&'static str>),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        5 => (0..4_usize).prop_map(Happening::Look),
        3 => Just(Happening::Kubelet),
        1 => any::<bool>().prop_map(Happening::Mode),
        1 => any::<Option<bool>>().prop_map(Happening::Service),
        1 => Just(Happening::Fails),
        1 => Just(Happening::PodLost),
        3 => Just(Happening::Others),
        1 => prop_oneof![Just("one"), Just("two")].prop_map(Happening::Rollback),
        1 => prop_oneof![Just(None), Just(Some("one")), Just(Some("two"))].prop_map(Happening::From),
    ]
}

fn happen(cluster: &mut Cluster, happening: &Happening) {
    match happening {
        Happening::Look(most) => {
            let (effects, problem) = cluster.effects();
            let all = effects.len() <= *most;
            for effect in effects.iter().take(*most) {
                cluster.act(effect);
            }
            if all {
                cluster.say(problem.as_ref());
            }
        }
        Happening::Kubelet => cluster.kubelet(),
        Happening::Mode(runs) => {
            let mode = json!(if *runs { "Running" } else { "Suspended" });
            if cluster.sandbox["spec"]["operatingMode"] != mode {
                cluster.sandbox["spec"]["operatingMode"] = mode;
                let generation = cluster.sandbox["metadata"]["generation"].as_i64().unwrap();
                cluster.sandbox["metadata"]["generation"] = json!(generation + 1);
            }
        }
        Happening::Others => cluster.others(),
        Happening::Rollback(name) => {
            merge(&mut cluster.sandbox, &json!({ "metadata": { "annotations": { annotations::ROLLBACK_TO: name } } }))
        }
        Happening::From(name) => {
            let metadata = json!({ "annotations": { annotations::SNAPSHOT: name } });
            merge(&mut cluster.sandbox, &json!({ "spec": { "podTemplate": { "metadata": metadata } } }))
        }
        Happening::Service(wanted) => merge(&mut cluster.sandbox, &json!({ "spec": { "service": wanted } })),
        Happening::Fails => cluster.set_phase("Failed"),
        Happening::PodLost => cluster.pod = None,
    }
}

proptest! {
    /// `Cluster::act` itself fails the test where something is made twice, or another one is deleted than was meant.
    #[test]
    fn wherever_it_is_killed_it_comes_to_the_same_end(happenings in proptest::collection::vec(happening(), 0..30)) {
        let mut cluster = Cluster::new(json!({
            "volumeClaimTemplates": [{ "metadata": { "name": "a" }, "spec": {} }, { "metadata": { "name": "b" }, "spec": {} }],
        }));
        for happening in &happenings {
            happen(&mut cluster, happening);
        }
        cluster.settle();
        let suspended = cluster.sandbox["spec"]["operatingMode"] == "Suspended";
        let failed = cluster.pod.as_ref().is_some_and(|pod| pod["status"]["phase"] == "Failed");
        prop_assert_eq!(cluster.pod.is_none(), suspended);
        prop_assert_eq!(cluster.volumes.len(), 2);
        if let Some(wanted) = cluster.sandbox["spec"].get("service").and_then(serde_json::Value::as_bool) {
            prop_assert_eq!(cluster.service.is_some(), wanted);
        }
        let ready = match (suspended, failed) {
            (true, _) => "False SandboxSuspended",
            (false, true) => "False PodFailed",
            (false, false) => "True DependenciesReady",
        };
        prop_assert_eq!(cluster.condition("Ready"), ready);
    }

    /// The same for a sandbox whose workspace goes with its pod: it never runs with less than it left, and comes to rest.
    #[test]
    fn wherever_it_is_killed_no_workspace_is_lost(happenings in proptest::collection::vec(happening(), 0..40)) {
        let mut cluster = Cluster::wired(json!({}));
        cluster.has_snapshot("one");
        cluster.has_snapshot("two");
        for happening in &happenings {
            happen(&mut cluster, happening);
        }
        let asked = cluster.sandbox["metadata"]["annotations"][annotations::ROLLBACK_TO].as_str().map(ToOwned::to_owned);
        cluster.settle();
        let suspended = cluster.sandbox["spec"]["operatingMode"] == "Suspended";
        let failed = cluster.pod.as_ref().is_some_and(|pod| pod["status"]["phase"] == "Failed");
        prop_assert_eq!(cluster.pod.is_none(), suspended);
        let noted = &cluster.sandbox["metadata"]["annotations"];
        if !failed {
            for over in [annotations::ROLLBACK_TO, annotations::BEFORE_ROLLBACK, annotations::RESTORING] {
                prop_assert!(noted[over].is_null(), "{over} stays: {noted}");
            }
            if let Some(asked) = asked {
                prop_assert_eq!(&noted[annotations::LAST_SNAPSHOT], &asked);
            }
        }
        if let (Some(pod), false) = (&cluster.pod, failed) {
            let starts_from = &pod["metadata"]["annotations"][annotations::SNAPSHOT];
            prop_assert!(starts_from.is_null() || !pod["restored"].is_null(), "it runs with less than it left");
        }
    }
}
