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
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        5 => (0..4_usize).prop_map(Happening::Look),
        3 => Just(Happening::Kubelet),
        1 => any::<bool>().prop_map(Happening::Mode),
        1 => any::<Option<bool>>().prop_map(Happening::Service),
        1 => Just(Happening::Fails),
        1 => Just(Happening::PodLost),
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
            cluster.sandbox["spec"]["operatingMode"] = json!(if *runs { "Running" } else { "Suspended" })
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
}
