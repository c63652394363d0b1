//! What a router has to know of a sandbox, and what follows from it for a request: pure.

use std::net::IpAddr;
use std::time::Duration;

use exeat_api::{Condition, ConditionStatus, ConditionType, OperatingMode, PodMetadata, Reason, annotations, labels};
use exeat_router::{Refusal, Target};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::core::Object;
use serde::{Deserialize, Serialize};

/// A Sandbox as it is watched: of its pod's template only the labels and annotations are read.
pub(crate) type Seen = Object<Spec, Status>;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    operating_mode: OperatingMode,
    pod_template: Template,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Template {
    metadata: PodMetadata,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    conditions: Vec<Condition>,
    #[serde(rename = "podIPs")]
    pod_ips: Vec<String>,
}

/// A sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) uid: String,
    /// The resource version, for changes that nobody may have come before.
    pub(crate) version: String,
    pub(crate) state: State,
    /// After how long without use it is suspended, where it is.
    pub(crate) idle: Option<Duration>,
    /// When it was last said to be in use.
    pub(crate) last_active: Option<Timestamp>,
}

/// Whether it can be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It waits in a pool, or is on its way out: it is nobody's.
    Nobodys,
    /// It runs at this address.
    Awake(IpAddr),
    /// It will run.
    Coming,
    /// Nobody used it, so it was suspended.
    Asleep,
    /// Somebody suspended it.
    Suspended,
    /// Its time is over.
    Expired,
    /// It does not run and will not by itself; why.
    Stopped(String),
}

/// What comes next for a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Enter(IpAddr),
    Wake,
    Wait,
    /// There is no such sandbox, as far as we have heard.
    Missing,
}

impl Known {
    pub(crate) fn of(seen: &Seen) -> Self {
        let annotation = |name: &str| {
            let of_pod = || seen.spec.pod_template.metadata.annotations.get(name);
            seen.annotations().get(name).or_else(of_pod)
        };
        let seconds = annotation(annotations::IDLE_SECONDS).and_then(|text| text.parse().ok());
        Known {
            uid: seen.uid().unwrap_or_default(),
            version: seen.resource_version().unwrap_or_default(),
            state: state(seen),
            idle: seconds.filter(|&seconds| seconds > 0).map(Duration::from_secs),
            last_active: seen.annotations().get(annotations::LAST_ACTIVE).and_then(|time| time.parse().ok()),
        }
    }

    /// What comes next for a request to `target`, whose sandbox this is, if there is one.
    pub(crate) fn next(known: Option<&Known>, target: &Target) -> Result<Step, Refusal> {
        let Some(known) = known.filter(|known| known.state != State::Nobodys) else { return Ok(Step::Missing) };
        if target.uid.as_deref().is_some_and(|uid| uid != known.uid) {
            return Err(Refusal::OtherUid { id: target.id.clone(), uid: known.uid.clone() });
        }
        let id = &target.id;
        match &known.state {
            State::Nobodys => Ok(Step::Missing),
            State::Awake(address) => Ok(Step::Enter(*address)),
            State::Coming => Ok(Step::Wait),
            State::Asleep => Ok(Step::Wake),
            State::Suspended => Err(Refusal::Stopped(format!(
                "the sandbox `{id}` is suspended, and nobody but who suspended it resumes it: set its `spec.operatingMode` to `Running`"
            ))),
            State::Expired => Err(Refusal::Expired(format!("the time of the sandbox `{id}` is over"))),
            State::Stopped(why) => Err(Refusal::Stopped(format!("the sandbox `{id}` does not run: {why}"))),
        }
    }
}

fn state(seen: &Seen) -> State {
    let status = seen.status.as_ref();
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.of == ConditionType::Ready.as_str());
    if seen.labels().contains_key(labels::WARM_POOL) || seen.metadata.deletion_timestamp.is_some() {
        return State::Nobodys;
    }
    let why = |reason: Reason| ready.filter(|ready| ready.reason == reason.as_str());
    if why(Reason::SandboxExpired).is_some() {
        return State::Expired;
    }
    if seen.spec.operating_mode == OperatingMode::Suspended {
        let by_itself = seen.annotations().get(annotations::SUSPENDED_BY).is_some_and(|by| by == "idle");
        return if by_itself { State::Asleep } else { State::Suspended };
    }
    // What was said about an earlier spec may be about a pod that is gone.
    let Some(ready) =
        ready.filter(|ready| ready.observed_generation.is_none_or(|of| Some(of) >= seen.metadata.generation))
    else {
        return State::Coming;
    };
    let over = [Reason::PodSucceeded, Reason::PodFailed, Reason::InvalidConfiguration];
    if over.iter().any(|reason| ready.reason == reason.as_str()) {
        return State::Stopped(ready.message.clone());
    }
    let address = status.and_then(|status| status.pod_ips.first()?.parse().ok()).filter(is_a_pods);
    match address {
        Some(address) if ready.status == ConditionStatus::True => State::Awake(address),
        _ => State::Coming,
    }
}

/// Whether a pod can have this address. Who could write another into a status could lead the router elsewhere.
fn is_a_pods(address: &IpAddr) -> bool {
    let special = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some(),
    };
    !special && !address.is_loopback() && !address.is_unspecified() && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::{Value, json};

    use super::*;

    fn seen(change: impl FnOnce(&mut Value)) -> Known {
        let mut sandbox = json!({
            "apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox",
            "metadata": {
                "name": "a", "namespace": "team", "uid": "u", "resourceVersion": "7", "generation": 3,
                "labels": {}, "annotations": {},
            },
            "spec": { "podTemplate": { "spec": { "containers": [] } }, "operatingMode": "Running" },
            "status": {
                "podIPs": ["10.1.2.3"],
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "DependenciesReady", "message": "the pod is ready",
                    "observedGeneration": 3, "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            },
        });
        change(&mut sandbox);
        Known::of(&serde_json::from_value(sandbox).unwrap())
    }

    fn ready(sandbox: &mut Value, status: &str, reason: &str) {
        sandbox["status"]["conditions"][0]["status"] = json!(status);
        sandbox["status"]["conditions"][0]["reason"] = json!(reason);
    }

    #[test]
    fn a_sandbox_is_entered_where_it_is_and_only_when_it_is_there() {
        let awake = State::Awake([10, 1, 2, 3].into());
        let suspend = |sandbox: &mut Value| sandbox["spec"]["operatingMode"] = json!("Suspended");
        type Case = (&'static str, State, Box<dyn Fn(&mut Value)>);
        let table: Vec<Case> = vec![
            ("ready", awake.clone(), Box::new(|_| {})),
            (
                "a spec without a mode runs",
                awake.clone(),
                Box::new(|s| {
                    s["spec"].as_object_mut().unwrap().remove("operatingMode");
                }),
            ),
            (
                "a condition that names no generation counts",
                awake,
                Box::new(|s| {
                    s["status"]["conditions"][0].as_object_mut().unwrap().remove("observedGeneration");
                }),
            ),
            ("of a pool", State::Nobodys, Box::new(|s| s["metadata"]["labels"][labels::WARM_POOL] = json!("x"))),
            (
                "deleted",
                State::Nobodys,
                Box::new(|s| {
                    s["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                }),
            ),
            (
                "without a status",
                State::Coming,
                Box::new(|s| {
                    s.as_object_mut().unwrap().remove("status");
                }),
            ),
            ("not ready", State::Coming, Box::new(|s| ready(s, "False", "DependenciesNotReady"))),
            ("unknown", State::Coming, Box::new(|s| ready(s, "Unknown", "ReconcilerError"))),
            ("ready for an earlier spec", State::Coming, Box::new(|s| s["metadata"]["generation"] = json!(4))),
            ("without an address", State::Coming, Box::new(|s| s["status"]["podIPs"] = json!([]))),
            (
                "at an address that no pod has",
                State::Coming,
                Box::new(|s| {
                    s["status"]["podIPs"] = json!(["169.254.169.254"]);
                }),
            ),
            ("suspended", State::Suspended, Box::new(suspend)),
            (
                "suspended by itself",
                State::Asleep,
                Box::new(move |s| {
                    suspend(s);
                    s["metadata"]["annotations"][annotations::SUSPENDED_BY] = json!("idle");
                }),
            ),
            (
                "suspended by something else",
                State::Suspended,
                Box::new(move |s| {
                    suspend(s);
                    s["metadata"]["annotations"][annotations::SUSPENDED_BY] = json!("budget");
                }),
            ),
            ("resumed a moment ago", State::Coming, Box::new(|s| ready(s, "False", "SandboxSuspended"))),
            ("expired", State::Expired, Box::new(|s| ready(s, "False", "SandboxExpired"))),
            ("ended", State::Stopped("the pod is ready".into()), Box::new(|s| ready(s, "False", "PodSucceeded"))),
        ];
        for (what, state, change) in table {
            assert_eq!(seen(change).state, state, "{what}");
        }
    }

    #[test]
    fn addresses_that_lead_elsewhere_are_no_pods() {
        for address in
            ["127.0.0.1", "0.0.0.0", "::1", "::", "224.0.0.1", "fe80::1", "::ffff:127.0.0.1", "255.255.255.255"]
        {
            assert!(!is_a_pods(&address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "192.168.7.7", "100.64.0.1", "fd00::1", "2001:db8::1"] {
            assert!(is_a_pods(&address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn what_is_asked_of_the_router_is_on_the_sandbox_or_its_template() {
        let idle = |sandbox: &mut Value, seconds: &str| {
            sandbox["spec"]["podTemplate"]["metadata"] =
                json!({ "annotations": { annotations::IDLE_SECONDS: seconds } });
        };
        assert_eq!(seen(|_| {}).idle, None);
        assert_eq!(seen(|s| idle(s, "90")).idle, Some(Duration::from_secs(90)));
        for nonsense in ["0", "-1", "soon", ""] {
            assert_eq!(seen(|s| idle(s, nonsense)).idle, None, "{nonsense}");
        }
        let own = seen(|s| {
            idle(s, "90");
            s["metadata"]["annotations"][annotations::IDLE_SECONDS] = json!("5");
        });
        assert_eq!(own.idle, Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_refusal_is_for_good_where_waiting_does_not_help() {
        let known = |state| Known { uid: "u".into(), version: "1".into(), state, idle: None, last_active: None };
        let target = |uid: Option<&str>| Target { namespace: "team".into(), id: "a".into(), uid: uid.map(Into::into) };
        let next = |state, uid| Known::next(Some(&known(state)), &target(uid)).map_err(|refusal| refusal.status());
        let address: IpAddr = [10, 1, 2, 3].into();
        assert_eq!(Known::next(None, &target(None)).unwrap(), Step::Missing);
        assert_eq!(next(State::Nobodys, Some("other")), Ok(Step::Missing));
        assert_eq!(next(State::Awake(address), Some("u")), Ok(Step::Enter(address)));
        assert_eq!(next(State::Awake(address), Some("other")), Err(StatusCode::CONFLICT));
        assert_eq!(next(State::Coming, None), Ok(Step::Wait));
        assert_eq!(next(State::Asleep, None), Ok(Step::Wake));
        assert_eq!(next(State::Asleep, Some("other")), Err(StatusCode::CONFLICT));
        assert_eq!(next(State::Suspended, None), Err(StatusCode::CONFLICT));
        assert_eq!(next(State::Expired, None), Err(StatusCode::GONE));
        assert_eq!(next(State::Stopped("x".into()), None), Err(StatusCode::CONFLICT));
    }
}
