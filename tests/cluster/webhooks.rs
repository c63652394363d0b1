//! The webhooks as an API server asks them: by a Service, with a certificate that it was told to trust.

use std::net::SocketAddr;
use std::sync::Arc;

use exeat_admission::{Certificate, SECRET, Validator, Webhooks, publish_root, serve};
use exeat_policy::Source;
use exeat_tests::skip;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::gateway::READ;
use crate::scene::{Kind, Scene};

/// Webhooks on this machine, behind a Service of the scene's namespace.
struct Served {
    configuration: String,
    stop: CancellationToken,
}

impl Served {
    async fn start(scene: &Scene) -> Option<Served> {
        let Ok(host) = std::env::var("EXEAT_CLUSTER_HOST") else {
            skip("EXEAT_CLUSTER_HOST, this machine's address as the API server sees it");
            return None;
        };
        let listener = TcpListener::bind((host.as_str(), 0)).await.unwrap();
        expose(scene, listener.local_addr().unwrap()).await;
        let certificate = Certificate::open(&scene.client, &scene.namespace, "exeat-webhook").await.unwrap();
        let integrations = exeat_integrations::all(&exeat_integrations::Config::default()).unwrap();
        let known = integrations.known.iter().chain([&integrations.any]).map(|known| &**known);
        let validator = Validator::new(Source::without_folder(known), Arc::new(scene.client.clone()));
        let (stop, tls) = (CancellationToken::new(), certificate.serving());
        tokio::spawn(serve(listener, tls, Arc::new(Webhooks::new(validator)), stop.clone()));
        let configuration = configure(scene).await;
        publish_root(&scene.client, certificate.root(), &[], &configuration).await.unwrap();
        Some(Served { configuration, stop })
    }

    async fn stop(self, scene: &Scene) {
        let configurations = configurations(scene);
        configurations.delete(&self.configuration, &DeleteParams::default()).await.unwrap();
        self.stop.cancel();
    }
}

/// A Service whose one endpoint is outside the cluster.
async fn expose(scene: &Scene, address: SocketAddr) {
    let name = "exeat-webhook";
    let service = json!({
        "metadata": { "name": name },
        "spec": { "ports": [{ "name": "webhook", "port": 443, "targetPort": address.port() }] },
    });
    let slice = json!({
        "addressType": "IPv4",
        "metadata": { "name": name, "labels": { "kubernetes.io/service-name": name } },
        "ports": [{ "name": "webhook", "port": address.port() }],
        "endpoints": [{ "addresses": [address.ip().to_string()] }],
    });
    scene.make(Kind::Service, service).await;
    scene.make(Kind::EndpointSlice, slice).await;
}

fn configurations(scene: &Scene) -> Api<DynamicObject> {
    Api::all_with(scene.client.clone(), &Kind::ValidatingWebhookConfiguration.resource())
}

/// Only what is made in the scene's namespace is asked about: others test beside it.
async fn configure(scene: &Scene) -> String {
    let rule = json!({
        "apiGroups": ["exeat.dev"], "apiVersions": ["v1alpha1"], "operations": ["CREATE", "UPDATE"],
        "resources": ["egresspolicies", "credentials"],
    });
    let webhook = json!({
        "name": "policies.exeat.dev", "rules": [rule], "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "failurePolicy": "Fail", "timeoutSeconds": 10,
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": scene.namespace } },
        "clientConfig": { "service": { "namespace": scene.namespace, "name": "exeat-webhook", "path": "/validate" } },
    });
    let object = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": scene.namespace }, "webhooks": [webhook],
    });
    configurations(scene).create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    scene.namespace.clone()
}

/// What the API server says against an object. What it stores is taken away again, and nothing is said.
async fn try_to_store(scene: &Scene, kind: Kind, name: &str, spec: Value) -> String {
    let (resource, api) = (kind.resource(), scene.api(kind));
    let object = json!({
        "apiVersion": resource.api_version, "kind": resource.kind, "metadata": { "name": name }, "spec": spec,
    });
    match api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await {
        Ok(_) => {
            api.delete(name, &DeleteParams::default()).await.unwrap();
            String::new()
        }
        Err(kube::Error::Api(status)) => status.message.clone(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_not_stored_and_it_says_where() {
    let Some(scene) = Scene::open("webhooks").await else { return };
    let Some(served) = Served::start(&scene).await else { return scene.close().await };
    // The API server learns of the configuration, and the node of the Service, within a moment.
    let begun = std::time::Instant::now();
    while !try_to_store(&scene, Kind::EgressPolicy, "probe", json!({ "cedar": "permit" })).await.contains("spec.cedar")
    {
        assert!(begun.elapsed() < exeat_tests::PATIENCE, "the webhook is never asked");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    scene.create(Kind::EgressPolicy, "agents", json!({ "cedar": READ })).await;
    let line = "@id(\"x\")\npermit (principal, action == GitHub::Action::\"git/pusj\", resource);";
    let said = try_to_store(&scene, Kind::EgressPolicy, "wrong", json!({ "cedar": line })).await;
    assert!(said.contains(&format!("spec.cedar: EgressPolicy {}/wrong:2:", scene.namespace)), "{said}");
    assert!(said.contains("git/pusj"), "{said}");
    let said = try_to_store(&scene, Kind::EgressPolicy, "again", json!({ "cedar": READ })).await;
    assert!(said.contains("`test/read` is given twice") && said.contains("/agents"), "{said}");
    let spec = json!({
        "hosts": ["127.1"], "inject": { "bearer": {} }, "secretRef": { "name": "token", "key": "token" },
    });
    let said = try_to_store(&scene, Kind::Credential, "deploy", spec).await;
    assert!(said.contains("credential `deploy`, `hosts`"), "{said}");

    // Who comes second serves with the same certificate.
    let secret = scene.get(Kind::Secret, SECRET).await.unwrap();
    Certificate::open(&scene.client, &scene.namespace, "exeat-webhook").await.unwrap();
    assert_eq!(scene.get(Kind::Secret, SECRET).await.unwrap(), secret);
    served.stop(&scene).await;
    scene.close().await;
}
