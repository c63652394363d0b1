//! sandboxd as process 1 of pods: restricted, without capabilities, and nobody's root.

use exeat_inside::Api as Door;
use exeat_inside::client::{Command, Inside};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::scene::{Kind, Scene, pod_spec};

/// The image that brings sandboxd, which `make test-cluster` builds and loads.
fn image() -> String {
    let usual = || format!("exeat.dev/exeat:{}", env!("CARGO_PKG_VERSION"));
    std::env::var("EXEAT_CLUSTER_IMAGE").unwrap_or_else(|_| usual())
}

/// A sandbox's spec whose process 1 is sandboxd, with a shell's line beside it if that is not empty. It has no way out.
pub(crate) fn served(line: &str) -> Value {
    json!({ "podTemplate": { "spec": sandboxd(line, &["--no-traffic"]) } })
}

/// A pod's spec as the controller writes it, under the restricted profile of Pod Security.
fn sandboxd(line: &str, flags: &[&str]) -> Value {
    let mut spec = pod_spec(line);
    let mut command = vec!["/run/exeat/bin/exeat-sandboxd"];
    command.extend(flags);
    command.extend(["--serve", "--listen", "0.0.0.0", "--root", "/workspace"]);
    if !line.is_empty() {
        command.extend(["--", "/bin/sh", "-c", line]);
    }
    let restricted = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    let main = &mut spec["containers"][0];
    main["command"] = json!(command);
    main["securityContext"] = restricted.clone();
    main["readinessProbe"] = json!({ "httpGet": { "path": "/", "port": 8888 }, "periodSeconds": 1 });
    main["volumeMounts"] = json!([
        { "name": "exeat", "mountPath": "/run/exeat/bin", "readOnly": true },
        { "name": "workspace", "mountPath": "/workspace" },
    ]);
    let mut install = json!({
        "name": "exeat-sandboxd", "image": image(), "imagePullPolicy": "IfNotPresent",
        "command": ["/exeat-sandboxd", "install", "/run/exeat/bin"],
        "volumeMounts": [{ "name": "exeat", "mountPath": "/run/exeat/bin" }],
    });
    install["securityContext"] = restricted;
    install["securityContext"]["readOnlyRootFilesystem"] = json!(true);
    spec["initContainers"] = json!([install]);
    spec["volumes"] = json!([{ "name": "exeat", "emptyDir": {} }, { "name": "workspace", "emptyDir": {} }]);
    spec["automountServiceAccountToken"] = json!(false);
    spec["enableServiceLinks"] = json!(false);
    spec["dnsPolicy"] = json!("None");
    spec["dnsConfig"] = json!({ "nameservers": ["127.0.0.1"] });
    spec["securityContext"] = json!({
        "runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000,
        "seccompProfile": { "type": "RuntimeDefault" },
        "sysctls": [{ "name": "net.ipv4.ip_unprivileged_port_start", "value": "0" }],
    });
    spec
}

async fn restricted(name: &str) -> Option<Scene> {
    let scene = Scene::open(name).await?;
    let labels = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    let namespaces: Api<DynamicObject> = Api::all_with(scene.client.clone(), &Kind::Namespace.resource());
    namespaces.patch(&scene.namespace, &PatchParams::default(), &Patch::Merge(labels)).await.unwrap();
    Some(scene)
}

pub(crate) async fn inside(scene: &Scene, name: &str) -> Inside {
    let pod = scene.says(Kind::Pod, name, "Ready True ").await;
    let address: std::net::IpAddr = pod["status"]["podIP"].as_str().unwrap().parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    Inside::over(socket.connect((address, Door::Exeat.port()).into()).await.unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_answered_by_nobody_in_particular() {
    let Some(scene) = restricted("names").await else { return };
    // A gateway that is not there, and a token that is not either: the traffic itself is for the gateway's tests.
    let flags = ["--ports", "80,443", "--gateway", "192.0.2.1:3129", "--token-file", "/run/exeat/identity/token"];
    for runtime in ["gvisor", ""] {
        let name = if runtime.is_empty() { "runc" } else { runtime };
        let mut spec = sandboxd("", &flags);
        if runtime.is_empty() {
            spec.as_object_mut().unwrap().remove("runtimeClassName");
        }
        scene.create(Kind::Pod, name, spec).await;
        let inside = inside(&scene, name).await;
        let look = "id -u; grep CapEff /proc/self/status; getent hosts github.com; cat /proc/1/comm; touch /workspace/a && echo wrote";
        let output = inside.execute(&Command::new(["/bin/sh", "-c", look])).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            said, "1000 CapEff: 0000000000000000 127.64.0.1 github.com exeat-sandboxd wrote",
            "{name}: {output:?}"
        );
    }
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_ends_as_its_command_does() {
    let Some(scene) = restricted("ends-inside").await else { return };
    for (name, line, phase, code) in [
        ("well", "exit 0", "Succeeded", 0),
        ("badly", "exit 7", "Failed", 7),
        // Kubernetes makes one dollar sign of two.
        ("killed", "kill -KILL $$$$", "Failed", 137),
    ] {
        let mut spec = sandboxd(line, &["--no-traffic"]);
        spec["restartPolicy"] = json!("Never");
        scene.create(Kind::Pod, name, spec).await;
        let ended = scene.until(Kind::Pod, name, phase, |pod| pod["status"]["phase"] == phase).await;
        let state = &ended["status"]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!(state["exitCode"], code, "{name}: {state}");
    }
    scene.close().await;
}
