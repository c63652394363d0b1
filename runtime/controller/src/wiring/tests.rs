use super::*;

fn wiring() -> Wiring {
    Wiring { gateway: ([10, 96, 0, 7], 3129).into(), image: "exeat:test".to_owned(), ports: vec![80, 443] }
}

fn wired(spec: Value) -> Value {
    let mut spec = spec;
    wiring().wire(&mut spec).unwrap();
    spec
}

#[test]
fn the_first_container_runs_what_it_ran_behind_sandboxd() {
    let spec = wired(json!({ "containers": [
        { "name": "agent", "image": "debian", "command": ["python3"], "args": ["-m", "agent"] },
        { "name": "side", "image": "debian", "command": ["sleep", "1"] },
    ] }));
    let command = words(&spec["containers"][0]["command"]);
    let split = command.iter().position(|word| word == "--").unwrap();
    assert_eq!(command[split + 1..], ["python3", "-m", "agent"]);
    assert!(
        command
            .join(" ")
            .contains("--ports 80,443 --gateway 10.96.0.7:3129 --token-file /run/exeat/identity/token --serve")
    );
    assert!(spec["containers"][0]["args"].is_null());
    assert_eq!(words(&spec["containers"][1]["command"]), ["sleep", "1"]);
}

#[test]
fn doing_it_twice_is_doing_it_once() {
    let once = wired(json!({
        "containers": [{ "name": "agent", "image": "debian", "command": ["sh"], "env": [{ "name": "HOME", "value": "/root" }] }],
        "volumes": [{ "name": "exeat-identity", "hostPath": { "path": "/" } }],
    }));
    assert_eq!(wired(once.clone()), once);
    let identity: Vec<&Value> =
        once["volumes"].as_array().unwrap().iter().filter(|volume| volume["name"] == IDENTITY).collect();
    assert_eq!(identity.len(), 1);
    assert_eq!(identity[0]["projected"]["sources"][0]["serviceAccountToken"]["audience"], AUDIENCE);
}

#[test]
fn what_a_template_says_of_its_user_and_its_runtime_stays() {
    let spec = wired(json!({
        "runtimeClassName": "kata-qemu", "securityContext": { "runAsUser": 7 },
        "containers": [{ "name": "agent", "volumeMounts": [{ "name": "work", "mountPath": "/workspace" }] }],
        "volumes": [{ "name": "work", "persistentVolumeClaim": { "claimName": "work-a" } }],
    }));
    assert_eq!((&spec["runtimeClassName"], &spec["securityContext"]["runAsUser"]), (&json!("kata-qemu"), &json!(7)));
    assert!(spec["volumes"].as_array().unwrap().iter().all(|volume| volume["name"] != "workspace"));
    assert_eq!(wired(json!({ "containers": [{ "name": "a" }] }))["runtimeClassName"], RUNTIME_CLASS);
}

#[test]
fn no_token_of_the_api_server_and_no_dns_of_the_cluster() {
    let spec = wired(
        json!({ "containers": [{ "name": "a" }], "automountServiceAccountToken": true, "dnsPolicy": "ClusterFirst" }),
    );
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!((&spec["dnsPolicy"], &spec["dnsConfig"]["nameservers"]), (&json!("None"), &json!(["127.0.0.1"])));
    assert_eq!(spec["containers"][0]["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
}

#[test]
fn a_pod_that_starts_from_a_snapshot_marks_its_workspace_first() {
    let gates = json!([{ "conditionType": "PodRestored" }]);
    let spec = wired(json!({ "containers": [{ "name": "a", "command": ["sh"] }], "readinessGates": gates }));
    let install = &spec["initContainers"][0];
    assert_eq!(words(&install["command"])[5..], ["--unrestored", "/workspace"]);
    assert_eq!(install["volumeMounts"][1], json!({ "name": "workspace", "mountPath": "/workspace" }));
    assert_eq!(wired(spec.clone()), spec);
    let plain = wired(json!({ "containers": [{ "name": "a", "command": ["sh"] }] }));
    assert_eq!(plain["initContainers"][0]["volumeMounts"].as_array().unwrap().len(), 1);
}

#[test]
fn what_leads_around_the_wall_is_named() {
    for field in HOST {
        let mut spec = json!({ "containers": [{ "name": "a" }], field: true });
        assert!(wiring().wire(&mut spec).unwrap_err().contains(field));
    }
    assert!(wiring().wire(&mut json!({})).unwrap_err().contains("containers"));
}

fn reviewed(labels: Value, spec: Value) -> Value {
    let pod = json!({ "metadata": { "name": "a", "labels": labels }, "spec": spec });
    review(&wiring(), &json!({ "request": { "uid": "u", "object": pod } }))["response"].clone()
}

#[test]
fn a_pod_with_a_profile_is_wired_when_it_is_admitted_and_no_other_is_touched() {
    let spec = json!({ "containers": [{ "name": "a", "image": "b" }] });
    let answer = reviewed(json!({ "exeat.dev/profile": "coder" }), spec.clone());
    assert_eq!((&answer["uid"], &answer["allowed"]), (&json!("u"), &json!(true)));
    let patch: Value = serde_json::from_slice(&STANDARD.decode(answer["patch"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(patch[0]["path"], "/spec");
    assert_eq!(patch[0]["value"], wired(spec.clone()));
    assert_eq!(reviewed(json!({ "team": "a" }), spec.clone()), json!({ "uid": "u", "allowed": true }));
    assert_eq!(reviewed(Value::Null, spec), json!({ "uid": "u", "allowed": true }));
    let refused = reviewed(json!({ "exeat.dev/profile": "coder" }), json!({ "hostNetwork": true, "containers": [{}] }));
    assert_eq!(refused["allowed"], false);
    assert!(refused["status"]["message"].as_str().unwrap().contains("hostNetwork"));
    assert!(review(&wiring(), &Value::Null)["response"]["allowed"] == true, "what is no review is nobody's pod");
}
