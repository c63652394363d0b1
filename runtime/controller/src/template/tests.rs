use exeat_api::{SandboxTemplate, labels, name_hash};
use serde_json::{Value, json};

use super::{plan, policy};
use crate::Config;
use crate::effect::{Act, Kind};
use crate::views::NetworkPolicy;

fn template(spec: Value) -> SandboxTemplate {
    let mut all = json!({ "podTemplate": { "metadata": {}, "spec": { "containers": [] } } });
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "metadata": { "name": "t", "namespace": "n", "uid": "u", "labels": { labels::TEMPLATE_REF_HASH: name_hash("t") } },
        "spec": all,
    }))
    .unwrap()
}

fn wired(spec: Value) -> SandboxTemplate {
    let mut template = template(spec);
    template.spec.pod_template.metadata.labels.insert(labels::PROFILE.to_owned(), "coder".to_owned());
    template
}

/// The policy as the API server would have it.
fn known(template: &SandboxTemplate, owner: &str) -> NetworkPolicy {
    let mut policy = policy::wanted(template, &Config::default());
    policy["metadata"]["ownerReferences"][0]["uid"] = json!(owner);
    policy["metadata"]["uid"] = json!("policy-uid");
    serde_json::from_value(policy).unwrap()
}

#[test]
fn the_policy_is_made_kept_and_taken_away() {
    let managed = template(json!({}));
    let effects = plan(&managed, None, &Config::default()).unwrap();
    assert!(matches!((&effects[0].on, &effects[0].act), (Kind::NetworkPolicy, Act::Apply(_))));
    let kept = known(&managed, "u");
    assert_eq!(plan(&managed, Some(&kept), &Config::default()).unwrap(), []);
    let mut drifted = kept.clone();
    drifted.spec["egress"] = json!([{}]);
    assert_eq!(plan(&managed, Some(&drifted), &Config::default()).unwrap().len(), 1);
    let unmanaged = template(json!({ "networkPolicyManagement": "Unmanaged" }));
    assert!(matches!(plan(&unmanaged, Some(&kept), &Config::default()).unwrap()[0].act, Act::Delete { .. }));
    assert_eq!(plan(&unmanaged, Some(&known(&managed, "other")), &Config::default()).unwrap(), [], "another's stays");
    assert!(plan(&managed, Some(&known(&managed, "other")), &Config::default()).is_err());
}

#[test]
fn a_wired_template_leads_to_the_gateway_whatever_it_says() {
    for spec in [json!({}), json!({ "networkPolicy": { "egress": [{}], "ingress": [] } })] {
        let policy = policy::wanted(&wired(spec), &Config::default());
        let egress = policy["spec"]["egress"].as_array().unwrap();
        assert_eq!(egress.len(), 1);
        assert_eq!(egress[0]["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"], "gateway");
        assert_eq!(egress[0]["ports"], json!([{ "port": 3129, "protocol": "TCP" }]));
    }
}

#[test]
fn another_template_has_agent_sandboxs_policy_or_its_own() {
    let usual = policy::wanted(&template(json!({})), &Config::default());
    assert_eq!(usual["spec"]["egress"][0]["to"][0]["ipBlock"]["cidr"], "0.0.0.0/0");
    assert_eq!(usual["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"]["app"], "sandbox-router");
    let own = policy::wanted(&template(json!({ "networkPolicy": { "egress": [{ "to": [] }] } })), &Config::default());
    assert_eq!(own["spec"]["egress"], json!([{ "to": [] }]));
    assert!(own["spec"].get("ingress").is_none(), "nothing comes in");
    let elsewhere = Config { router_namespace: "routers".to_owned(), ..Config::default() };
    let from = &policy::wanted(&template(json!({})), &elsewhere)["spec"]["ingress"][0]["from"][0];
    assert_eq!(from["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], "routers");
}
