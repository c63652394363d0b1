//! The chart without a cluster, and what a cluster says of it.

use std::process::Command as Blocking;

use exeat_tests::run;
use tokio::process::Command;

use crate::cluster::Cluster;
use crate::helm::{Helm, repository};

#[tokio::test]
async fn helm_finds_nothing_wrong() {
    let Some(helm) = Helm::find() else { return };
    let lint = helm.lint().await;
    assert_eq!(lint.code, 0, "{}", lint.said());
}

#[tokio::test]
async fn the_manifests_are_current() {
    let Some(_) = Helm::find() else { return };
    let folder = repository().join("deploy/manifests");
    let fresh = run(Command::new(folder.join("generate")).arg("-")).await;
    assert_eq!(fresh.code, 0, "{}", fresh.stderr);
    let kept = std::fs::read_to_string(folder.join("exeat.yaml")).unwrap();
    let different = kept.lines().zip(fresh.stdout.lines()).position(|(kept, fresh)| kept != fresh);
    assert!(kept == fresh.stdout, "deploy/manifests/exeat.yaml is not current (line {different:?}): `make generate`");
}

#[tokio::test]
async fn wrong_values_are_refused_with_their_field() {
    let Some(helm) = Helm::find() else { return };
    for (set, said) in [
        ("gateway.replica=1", "at '/gateway': additional properties 'replica' not allowed"),
        ("controller.mode=both", "at '/controller/mode': value must be one of 'instead', 'beside'"),
        ("controller.flags.sandbox-workers=3", "at '/controller/flags': additional properties 'sandbox-workers'"),
        ("controller.flags.sandbox-concurrent-workers=0", "at '/controller/flags/sandbox-concurrent-workers': minimum"),
        ("snapshots.store=disk", "at '/snapshots/store': value must be one of 'volume', 's3', 'none'"),
        ("snapshots.store=s3", "snapshots.s3.bucket is needed"),
        ("gateway.secrets[0].name=token", "at '/gateway/secrets/0': missing property 'namespace'"),
        ("gateway.policies.coder=x", "at '/gateway/policies': additional properties 'coder' not allowed"),
        ("router.replicas=two", "at '/router/replicas': got string, want integer"),
        ("image.digest=sha256:1", "at '/image/digest'"),
        ("networkPolicy.metricsFrom[0].pods=x", "at '/networkPolicy/metricsFrom/0': additional properties 'pods'"),
        ("runtimeClasses.classes.own.create=true", "at '/runtimeClasses/classes/own': missing property 'handler'"),
        // It would end a text in a CEL expression.
        ("admission.exemptUsers[0]=a'b", "at '/admission/exemptUsers/0'"),
    ] {
        let template = helm.template(&["--set", set]).await;
        assert_ne!(template.code, 0, "{set}");
        assert!(template.stderr.contains(said), "{set}: {}", template.stderr);
    }
}

#[tokio::test]
async fn values_change_what_they_say() {
    let Some(helm) = Helm::find() else { return };
    let beside = ["--set", "controller.mode=beside"];
    let none = ["--set", "snapshots.store=none"];
    let s3 = ["--set", "snapshots.store=s3,snapshots.s3.bucket=b,snapshots.s3.prefix=p,snapshots.s3.secret=s"];
    let scaled = ["--set", "gateway.autoscaling.enabled=true,router.autoscaling.enabled=true"];
    let secrets = ["--set", "gateway.secrets[0].namespace=team-a,gateway.secrets[0].name=token"];
    let flags =
        ["--set", "controller.flags.sandbox-warm-pool-readiness-grace-period=2m,controller.flags.kube-api-qps=2.5"];
    let forward = ["--set", "router.portForwardNamespaces[0]=team-a"];
    for (values, there, absent) in [
        (&[] as &[&str], "name: sandboxes.agents.x-k8s.io", "kind: HorizontalPodAutoscaler"),
        (&[], "--snapshot-store=file:///var/lib/exeat/snapshots", "handler: kata-qemu"),
        (&none, "handler: runsc", "--snapshot-store"),
        (&beside, "--mode=beside", "name: sandboxes.agents.x-k8s.io\n"),
        (&beside, "'system:serviceaccount:agent-sandbox-system:agent-sandbox-controller'", "sandboxes/status]"),
        (&s3, "--snapshot-store=s3://b/p", "kind: PersistentVolumeClaim"),
        (&scaled, "metric: { name: exeat_gateway_requests_in_flight }", "replicas: 1\n"),
        (&scaled, "metric: { name: exeat_router_requests_in_flight }", "replicas: 1\n"),
        (&secrets, "resourceNames: [\"token\"]", "HorizontalPodAutoscaler"),
        (&flags, "- --kube-api-qps=2.5", "sandbox-concurrent-workers"),
        (&forward, "name: \"exeat:port-forward\"", "HorizontalPodAutoscaler"),
        (&["--set", "crds.install=false"], "kind: StatefulSet", "kind: CustomResourceDefinition"),
        (&["--set", "router.namespace=routers"], "- --router-namespace=routers", "agent-sandbox-system"),
        (&["--set", "router.enabled=false"], "kind: StatefulSet", "sandbox-router-svc"),
        (&["--set", "admission.enabled=false"], "kind: StatefulSet", "kind: ValidatingAdmissionPolicy"),
        (&["--set", "serviceMonitor.enabled=true"], "kind: ServiceMonitor", "HorizontalPodAutoscaler"),
        (&["--set", "runtimeClasses.classes.kata-clh.create=true"], "handler: kata-clh", "handler: kata-qemu"),
        (&["--set", "image.digest="], "image: exeat.dev/exeat:", "image: exeat.dev/exeat@"),
    ] {
        let rendered = helm.template(values).await;
        assert_eq!(rendered.code, 0, "{values:?}: {}", rendered.stderr);
        assert!(rendered.stdout.contains(there), "{values:?}: `{there}` is missing");
        assert!(!rendered.stdout.contains(absent), "{values:?}: `{absent}` is there");
    }
}

/// The API server takes every object, and Pod Security's strictest profile every pod.
#[tokio::test]
async fn a_cluster_takes_it() {
    let (Some(helm), Some(cluster)) = (Helm::find(), Cluster::find()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yaml");
    // In namespaces that are there already, since what is tried on a namespace that is only tried finds none.
    let name = format!("exeat-test-{}-chart", std::process::id());
    cluster.must(&["create", "namespace", &name]).await;
    let _gone = scopeguard(&name);
    cluster.must(&["label", "namespace", &name, "pod-security.kubernetes.io/enforce=restricted"]).await;
    // With everything that the defaults leave out and any cluster knows.
    let more = "gateway.autoscaling.enabled=true,router.autoscaling.enabled=true,snapshots.store=volume";
    let values = format!("router.namespace={name},router.createNamespace=false,{more}");
    let rendered = helm.template(&["--namespace", &name, "--set", &values]).await;
    assert_eq!(rendered.stdout.matches("\nkind: HorizontalPodAutoscaler\n").count(), 2);
    std::fs::write(&file, rendered.stdout).unwrap();
    let file = file.to_str().unwrap();
    let applied = cluster.must(&["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", file]).await;
    assert!(!applied.stderr.contains("violate"), "{}", applied.stderr);
}

/// Deletes a namespace when it is dropped.
fn scopeguard(name: &str) -> impl Drop + use<> {
    struct Gone(String);
    impl Drop for Gone {
        fn drop(&mut self) {
            let _ = Blocking::new("kubectl").args(["delete", "namespace", "--wait=false", &self.0]).output();
        }
    }
    Gone(name.to_owned())
}
