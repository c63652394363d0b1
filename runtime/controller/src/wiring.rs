//! Pods that have the gateway as their only way out: what makes a pod one.
//!
//! ```text
//!   init: exeat-sandboxd install ──▶ /run/exeat/bin   (a volume of the pod's own)
//!   first container: exeat-sandboxd --gateway … --serve -- what it ran before
//!   DNS: 127.0.0.1, which is sandboxd        token: of this pod, for the gateway alone        CA: the gateway's
//! ```
//!
//! It is done when a pod is admitted, so that it does not matter who makes the pod: our own controller, Agent Sandbox's,
//! or a person. What is here makes tools work; the wall is the network policy.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exeat_api::{ConditionType, PodMetadata, labels};
use exeat_inside::{Api, environment, trust};
use serde_json::{Value, json};

use crate::tenant::{CERTIFICATE, CERTIFICATE_KEY};

/// The init container that brings sandboxd along, and the volume that it brings it to.
pub const SANDBOXD: &str = "exeat-sandboxd";
/// The volume with the pod's token and the gateway's certificate.
pub const IDENTITY: &str = "exeat-identity";
/// Whom the pod's token is for.
pub const AUDIENCE: &str = "exeat-gateway";
/// The runtime class of pods that name none.
pub const RUNTIME_CLASS: &str = "gvisor";

const BIN: &str = "/run/exeat/bin";
const IDENTITY_FOLDER: &str = "/run/exeat/identity";
pub(crate) const WORKSPACE: &str = "/workspace";
/// What no sandbox may reach, as every pod's environment has it: the pod starts once it cannot.
const API_SERVER: &str = "$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)";
/// How long a token holds; kubelets renew it when four fifths of that are over.
const TOKEN_SECONDS: u32 = 3600;
/// Who runs in a pod that says nothing about that: nobody in particular, and not root.
const USER: u32 = 1000;
/// How long sandboxd may take to answer before the pod is taken for one that hangs.
const STARTUP_SECONDS: u32 = 120;
/// The ports of sandboxd's APIs, by the names that they have in Services.
const PORTS: [(&str, u16); 3] = [("exeat-legacy", 8888), ("exeat-rest", 8080), ("exeat-grpc", 9090)];

/// What pods are wired to.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// Where the gateway takes connections of sandboxes: an address, because the pod has no other DNS than its own.
    pub gateway: SocketAddr,
    /// The image with sandboxd in it.
    pub image: String,
    /// The ports that are carried for every name.
    pub ports: Vec<u16>,
}

/// The profile of the agent in a pod, by its label. A pod with one is wired to the gateway.
pub fn profile(metadata: &PodMetadata) -> Option<&str> {
    metadata.labels.get(labels::PROFILE).map(String::as_str).filter(|profile| !profile.is_empty())
}

/// Answers an AdmissionReview (admission.k8s.io/v1) about a pod that is being made: one with a profile is wired, the others
/// are left as they are.
pub fn review(wiring: &Wiring, review: &Value) -> Value {
    let request = &review["request"];
    let pod = &request["object"];
    let metadata = serde_json::from_value::<PodMetadata>(pod["metadata"].clone()).unwrap_or_default();
    let mut response = json!({ "uid": request["uid"], "allowed": true });
    if profile(&metadata).is_some() {
        let mut spec = pod["spec"].clone();
        match wiring.wire(&mut spec) {
            Ok(()) => {
                let patch = json!([{ "op": "replace", "path": "/spec", "value": spec }]);
                response["patchType"] = json!("JSONPatch");
                response["patch"] = json!(STANDARD.encode(patch.to_string()));
            }
            Err(why) => {
                response["allowed"] = json!(false);
                response["status"] = json!({ "code": 422, "message": why });
            }
        }
    }
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
}

/// Fields that would lead around the wall.
const HOST: [&str; 3] = ["hostNetwork", "hostPID", "hostIPC"];

impl Wiring {
    /// Makes a pod's spec that of a wired pod. What it had of ours is replaced, so that doing it twice is doing it once.
    ///
    /// # Errors
    /// The field that no wired pod can have, and why.
    pub fn wire(&self, spec: &mut Value) -> Result<(), String> {
        if let Some(field) = HOST.iter().find(|field| spec[**field] == true) {
            return Err(format!(
                "`spec.{field}` is true: a sandbox whose only way out is the gateway cannot use the host's"
            ));
        }
        if spec["containers"].as_array().is_none_or(Vec::is_empty) {
            return Err("`spec.containers` is empty".to_owned());
        }
        pod(spec);
        self.volumes(spec);
        self.first(spec);
        self.main(&mut spec["containers"][0]);
        for list in ["initContainers", "containers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                secure(container);
            }
        }
        Ok(())
    }

    fn volumes(&self, spec: &mut Value) {
        put(spec, "volumes", json!({ "name": SANDBOXD, "emptyDir": { "sizeLimit": "64Mi" } }));
        put(
            spec,
            "volumes",
            json!({ "name": IDENTITY, "projected": { "defaultMode": 0o444, "sources": [
                { "serviceAccountToken": { "audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token" } },
                { "configMap": { "name": CERTIFICATE, "items": [{ "key": CERTIFICATE_KEY, "path": CERTIFICATE_KEY }] } },
            ] } }),
        );
        let has_workspace =
            spec["volumes"].as_array().into_iter().flatten().any(|volume| volume["name"] == "workspace");
        if !has_workspace && !mounts_at(&spec["containers"][0], WORKSPACE) {
            put(spec, "volumes", json!({ "name": "workspace", "emptyDir": {} }));
        }
    }

    /// The init container comes first: others may need what it brings. It marks a workspace that is still to be restored, so that
    /// sandboxd starts nothing before it is.
    fn first(&self, spec: &mut Value) {
        let mut install = json!({
            "name": SANDBOXD, "image": self.image, "command": ["/exeat-sandboxd", "install", BIN, "--until-closed", API_SERVER],
            "volumeMounts": [{ "name": SANDBOXD, "mountPath": BIN }],
            "resources": { "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "memory": "64Mi" } },
        });
        let gate = json!({ "conditionType": ConditionType::PodRestored.as_str() });
        if spec["readinessGates"].as_array().is_some_and(|gates| gates.contains(&gate)) {
            put_word(&mut install, "--unrestored");
            put_word(&mut install, WORKSPACE);
            put_mount(&mut install, workspace(&spec["containers"][0]));
        }
        let mut containers = spec["initContainers"].as_array().cloned().unwrap_or_default();
        containers.retain(|container| container["name"] != SANDBOXD);
        containers.insert(0, install);
        spec["initContainers"] = containers.into();
    }

    /// The first container is the sandbox: sandboxd is its first process, and runs what it ran before.
    fn main(&self, container: &mut Value) {
        let before = words(&container["command"]);
        let is_wired = before.first().is_some_and(|first| first.starts_with(BIN));
        if !is_wired {
            let ports = self.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
            let mut command: Vec<String> =
                [&format!("{BIN}/exeat-sandboxd"), "--ports", &ports, "--gateway", &self.gateway.to_string()]
                    .map(ToString::to_string)
                    .to_vec();
            command.extend(
                [
                    "--token-file",
                    &format!("{IDENTITY_FOLDER}/token"),
                    "--serve",
                    "--listen",
                    "0.0.0.0",
                    "--root",
                    WORKSPACE,
                ]
                .map(ToOwned::to_owned),
            );
            // Arguments without a command are the image's own, which nobody knows here.
            if !before.is_empty() {
                command.push("--".to_owned());
                command.extend(before);
                command.extend(words(&container["args"]));
            }
            container["command"] = json!(command);
            if let Some(fields) = container.as_object_mut() {
                fields.remove("args");
            }
        }
        let bundle = format!("{IDENTITY_FOLDER}/{CERTIFICATE_KEY}");
        for (name, value) in environment::in_pod(&bundle, WORKSPACE) {
            let is_set = container["env"].as_array().into_iter().flatten().any(|variable| variable["name"] == *name);
            if !is_set {
                put(container, "env", json!({ "name": name, "value": value }));
            }
        }
        put_mount(container, json!({ "name": SANDBOXD, "mountPath": BIN, "readOnly": true }));
        put_mount(container, json!({ "name": IDENTITY, "mountPath": IDENTITY_FOLDER, "readOnly": true }));
        for place in trust::PLACES {
            put_mount(
                container,
                json!({ "name": IDENTITY, "mountPath": place, "subPath": CERTIFICATE_KEY, "readOnly": true }),
            );
        }
        if !mounts_at(container, WORKSPACE) {
            put_mount(container, workspace(container));
        }
        // Whoever is told that a sandbox is ready can speak to it. It is asked until it first answers, and never again.
        default(
            container,
            "startupProbe",
            json!({
                "tcpSocket": { "port": Api::Exeat.port() }, "periodSeconds": 1, "failureThreshold": STARTUP_SECONDS,
            }),
        );
        for (name, port) in PORTS {
            let is_there =
                container["ports"].as_array().into_iter().flatten().any(|known| known["containerPort"] == port);
            if !is_there {
                put(container, "ports", json!({ "name": name, "containerPort": port, "protocol": "TCP" }));
            }
        }
    }
}

/// What is said about the pod as a whole.
fn pod(spec: &mut Value) {
    if spec["runtimeClassName"].as_str().is_none_or(str::is_empty) {
        spec["runtimeClassName"] = json!(RUNTIME_CLASS);
    }
    spec["automountServiceAccountToken"] = json!(false);
    // Addresses of Services are nothing that a sandbox can reach, and tell it what else there is.
    spec["enableServiceLinks"] = json!(false);
    spec["dnsPolicy"] = json!("None");
    spec["dnsConfig"] = json!({ "nameservers": ["127.0.0.1"] });
    let own = &mut spec["securityContext"];
    default(own, "runAsNonRoot", json!(true));
    default(own, "runAsUser", json!(USER));
    default(own, "runAsGroup", json!(USER));
    default(own, "fsGroup", json!(USER));
    default(own, "seccompProfile", json!({ "type": "RuntimeDefault" }));
    // Names are answered at port 53, and carried at 80 and 443, by somebody who is not root.
    let sysctls = own["sysctls"].as_array().cloned().unwrap_or_default();
    let unprivileged = json!({ "name": "net.ipv4.ip_unprivileged_port_start", "value": "0" });
    let mut sysctls: Vec<Value> = sysctls.into_iter().filter(|sysctl| sysctl["name"] != unprivileged["name"]).collect();
    sysctls.push(unprivileged);
    own["sysctls"] = sysctls.into();
}

/// The restricted profile of Pod Security, where a container says nothing else.
fn secure(container: &mut Value) {
    let own = &mut container["securityContext"];
    default(own, "allowPrivilegeEscalation", json!(false));
    default(own, "capabilities", json!({ "drop": ["ALL"] }));
}

fn default(object: &mut Value, field: &str, value: Value) {
    if object[field].is_null() {
        object[field] = value;
    }
}

/// Adds an entry to a list of named ones, in place of the one of its name.
fn put(object: &mut Value, list: &str, entry: Value) {
    let mut entries = object[list].as_array().cloned().unwrap_or_default();
    place(&mut entries, "name", entry);
    object[list] = entries.into();
}

/// Puts an entry where the one of the same name is, or at the end.
fn place(entries: &mut Vec<Value>, name: &str, entry: Value) {
    match entries.iter_mut().find(|known| known[name] == entry[name]) {
        Some(known) => *known = entry,
        None => entries.push(entry),
    }
}

/// Adds a mount, in place of the one at its path.
fn put_mount(container: &mut Value, mount: Value) {
    let mut mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
    place(&mut mounts, "mountPath", mount);
    container["volumeMounts"] = mounts.into();
}

fn put_word(container: &mut Value, word: &str) {
    if let Some(words) = container["command"].as_array_mut() {
        words.push(json!(word));
    }
}

/// The mount of the workspace: the container's own, or ours.
fn workspace(container: &Value) -> Value {
    let mut mounts = container["volumeMounts"].as_array().into_iter().flatten();
    let own = mounts.find(|mount| mount["mountPath"] == WORKSPACE);
    own.cloned().unwrap_or_else(|| json!({ "name": "workspace", "mountPath": WORKSPACE }))
}

fn mounts_at(container: &Value, path: &str) -> bool {
    container["volumeMounts"].as_array().into_iter().flatten().any(|mount| mount["mountPath"] == path)
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(ToOwned::to_owned)).collect()
}

#[cfg(test)]
mod tests;
