//! Objects that are right and wrong, as an API server asks about them.

use std::future::{Future, ready};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use exeat_api::EgressPolicy;
use exeat_policy::Source;
use serde_json::{Value, json};

use super::{Neighbours, Validator};

const READ: &str = "@id(\"read\") permit (principal, action in Exeat::Action::\"read\", resource);";

/// A namespace with these policies, or one that cannot be read.
struct Stored(Result<Vec<Value>, String>);

impl Neighbours for Stored {
    fn of<'a>(
        &'a self, namespace: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<EgressPolicy>, String>> + Send + 'a>> {
        assert_eq!(namespace, "team-a");
        let read = |stored: &Vec<Value>| {
            stored.iter().map(|policy| serde_json::from_value(policy.clone()).unwrap()).collect::<Vec<_>>()
        };
        Box::pin(ready(self.0.as_ref().map(read).map_err(Clone::clone)))
    }
}

fn validator(stored: Result<Vec<Value>, String>) -> Validator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/base");
    let integrations = exeat_integrations::all(&exeat_integrations::Config::default()).unwrap();
    let known = integrations.known.iter().chain([&integrations.any]).map(|known| &**known);
    Validator::new(Source::new(folder, known), Arc::new(Stored(stored)))
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "exeat.dev/v1alpha1", "kind": kind,
        "metadata": { "namespace": "team-a", "name": name, "uid": "uid", "generation": 1 }, "spec": spec,
    })
}

fn policy(name: &str, cedar: &str) -> Value {
    object("EgressPolicy", name, json!({ "cedar": cedar }))
}

async fn ask(validator: &Validator, operation: &str, object: Value, old: Value) -> Value {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": operation, "object": object, "oldObject": old,
            "kind": { "group": "exeat.dev", "version": "v1alpha1", "kind": object["kind"] },
            "resource": { "group": "exeat.dev", "version": "v1alpha1", "resource": "egresspolicies" },
            "name": object["metadata"]["name"], "namespace": "team-a", "userInfo": {}, "dryRun": false, "options": null,
        },
    });
    let answer = validator.answer(serde_json::from_value(review).unwrap()).await;
    let answer = serde_json::to_value(answer).unwrap();
    assert_eq!(answer["response"]["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!((&answer["apiVersion"], &answer["kind"]), (&json!("admission.k8s.io/v1"), &json!("AdmissionReview")));
    answer["response"].clone()
}

#[tokio::test]
async fn a_policy_is_refused_in_cedars_words_with_line_and_column() {
    let stored =
        vec![policy("other", "@id(\"write\") permit (principal, action in Exeat::Action::\"mutate\", resource);")];
    let validator = validator(Ok(stored));
    assert_eq!(ask(&validator, "CREATE", policy("agents", READ), Value::Null).await["allowed"], true);
    let rows = [
        (
            "does not parse",
            "@id(\"x\")\npermit (principal, action, resource)",
            "spec.cedar: EgressPolicy team-a/agents:2:",
        ),
        (
            "an action that is none",
            "@id(\"x\") permit (\n principal,\n  action == GitHub::Action::\"git/pusj\", resource);",
            "git/pusj",
        ),
        (
            "an attribute that is none",
            "@id(\"x\") permit (principal, action, resource) when { context.nothing };",
            "nothing",
        ),
        ("without a name", "permit (principal, action, resource);", "needs a name"),
        ("a template", "@id(\"x\") permit (principal == ?principal, action, resource);", "templates"),
        (
            "a name of another object",
            "@id(\"write\") permit (principal, action, resource);",
            "EgressPolicy team-a/other",
        ),
        ("a name of the folder", "@id(\"base/no-admin\") permit (principal, action, resource);", "base.cedar"),
    ];
    for (what, cedar, said) in rows {
        let answer = ask(&validator, "CREATE", policy("agents", cedar), Value::Null).await;
        assert_eq!(answer["allowed"], false, "{what}");
        assert_eq!(answer["status"]["code"], 422, "{what}");
        let message = answer["status"]["message"].as_str().unwrap();
        assert!(message.starts_with("spec.cedar: ") && message.contains(said), "{what}: {message}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_another_is_not_held_against_this_one() {
    let validator = validator(Ok(vec![policy("broken", "permit"), policy("agents", "permit")]));
    assert_eq!(ask(&validator, "UPDATE", policy("agents", READ), policy("agents", "permit")).await["allowed"], true);
}

#[tokio::test]
async fn what_is_as_it_was_or_is_going_is_let_through() {
    let validator = validator(Err("down".to_owned()));
    let broken = policy("agents", "permit");
    let mut labelled = broken.clone();
    labelled["metadata"]["labels"] = json!({ "a": "b" });
    assert_eq!(ask(&validator, "UPDATE", labelled, broken.clone()).await["allowed"], true);
    let mut going = policy("agents", "other");
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(ask(&validator, "UPDATE", going, broken).await["allowed"], true);
}

#[tokio::test]
async fn where_nobody_knows_the_others_nothing_is_stored() {
    let answer = ask(&validator(Err("down".to_owned())), "CREATE", policy("agents", READ), Value::Null).await;
    assert_eq!((&answer["allowed"], &answer["status"]["code"]), (&json!(false), &json!(503)));
    assert!(answer["status"]["message"].as_str().unwrap().contains("down"));
}

#[tokio::test]
async fn a_credential_that_nothing_could_use_is_refused() {
    let validator = validator(Ok(Vec::new()));
    let spec = |change: fn(&mut Value)| {
        let mut spec = json!({
            "hosts": ["github.com"], "actions": ["github:*"], "inject": { "bearer": {} },
            "secretRef": { "name": "token", "key": "token" },
        });
        change(&mut spec);
        object("Credential", "deploy", spec)
    };
    assert_eq!(ask(&validator, "CREATE", spec(|_| {}), Value::Null).await["allowed"], true);
    assert_eq!(ask(&validator, "CREATE", spec(|spec| spec["actions"] = json!([])), Value::Null).await["allowed"], true);
    let rows: [(fn(&mut Value), &str); 5] = [
        (|spec| spec["hosts"] = json!(["127.1"]), "`hosts`"),
        (|spec| spec["hosts"] = json!([]), "`hosts`"),
        (|spec| spec["actions"] = json!(["reed"]), "`actions`"),
        (|spec| spec["inject"] = json!({ "header": { "name": "host" } }), "`inject`"),
        (|spec| spec["inject"] = json!({ "basic": { "username": "a:b" } }), "`inject`"),
    ];
    for (change, key) in rows {
        let answer = ask(&validator, "CREATE", spec(change), Value::Null).await;
        let message = answer["status"]["message"].as_str().unwrap();
        assert!(answer["allowed"] == false && message.contains(key), "{key}: {message}");
    }
}
