//! Manifests of `v1alpha1`, as most of what is written about Agent Sandbox shows them.

use crate::installed::Installed;

/// A sandbox that runs, one that does not, and a claim that names its template.
const MANIFESTS: &str = r#"
apiVersion: agents.x-k8s.io/v1alpha1
kind: Sandbox
metadata: { name: plain }
spec:
  podTemplate:
    spec:
      containers:
      - { name: main, image: "exeat.dev/test/debian:latest", imagePullPolicy: IfNotPresent, command: [sleep, infinity] }
---
apiVersion: agents.x-k8s.io/v1alpha1
kind: Sandbox
metadata: { name: none }
spec:
  replicas: 0
  podTemplate:
    spec:
      containers:
      - { name: main, image: "exeat.dev/test/debian:latest", imagePullPolicy: IfNotPresent, command: [sleep, infinity] }
---
apiVersion: extensions.agents.x-k8s.io/v1alpha1
kind: SandboxTemplate
metadata: { name: python }
spec:
  podTemplate:
    spec:
      containers:
      - { name: main, image: "exeat.dev/test/debian:latest", imagePullPolicy: IfNotPresent, command: [sleep, infinity] }
---
apiVersion: extensions.agents.x-k8s.io/v1alpha1
kind: SandboxWarmPool
metadata: { name: pool }
spec: { replicas: 0, sandboxTemplateRef: { name: python } }
---
apiVersion: extensions.agents.x-k8s.io/v1alpha1
kind: SandboxClaim
metadata: { name: mine }
spec: { sandboxTemplateRef: { name: python } }
"#;

#[tokio::test]
async fn they_work_as_written_and_come_back_as_written() {
    let Some(installed) = Installed::open(&[]).await else { return };
    let file = installed.folder.path().join("older.yaml");
    std::fs::write(&file, MANIFESTS).unwrap();
    let file = file.to_str().unwrap();
    let said = installed.cluster.must(&["create", "-n", &installed.namespace, "-f", file]).await;
    assert!(said.stderr.contains("deprecated"), "{}", said.stderr);
    let ready = "{.status.conditions[?(@.type=='Ready')].status}";
    for (object, path, value) in [
        ("sandboxes.v1alpha1.agents.x-k8s.io/plain", ready, "True"),
        ("sandboxclaims.v1alpha1.extensions.agents.x-k8s.io/mine", ready, "True"),
        ("sandboxes.v1alpha1.agents.x-k8s.io/plain", "{.status.replicas}", "1"),
        ("sandboxes.v1beta1.agents.x-k8s.io/none", "{.spec.operatingMode}", "Suspended"),
        ("sandboxes.v1alpha1.agents.x-k8s.io/none", "{.spec.replicas}", "0"),
        ("sandboxclaims.v1beta1.extensions.agents.x-k8s.io/mine", "{.spec.warmPoolRef.name}", "shadow-pool-python"),
        (
            "sandboxclaims.v1alpha1.extensions.agents.x-k8s.io/mine",
            "{.spec}",
            r#"{"sandboxTemplateRef":{"name":"python"},"warmpool":"default"}"#,
        ),
    ] {
        installed.until(object, path, |said| said == value).await;
    }
    installed.close().await;
}
