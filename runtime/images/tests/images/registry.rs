//! Pulling from a real registry.

use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use exeat_images::{BlobFault, Digest, Endpoint, Error, Image, OnProgress, Progress, Registries, Store};
use serde_json::json;

use crate::built::{Built, Form, descriptor, names, reference, store, two_layers, two_layers_as};
use crate::program::{child, copy, has, run};
use crate::registry_server::{Registry, USER};

fn quiet() -> OnProgress {
    Arc::new(|_| {})
}

async fn pull(store: &Store, name: &str, registries: &Registries) -> Result<Image, Error> {
    store.pull(&reference(name), registries, quiet()).await
}

/// A folder with Docker's `config.json`.
fn docker_config(content: &serde_json::Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), content.to_string()).unwrap();
    folder
}

fn with_config(folder: &tempfile::TempDir) -> Registries {
    Registries { docker_config: Some(folder.path().to_owned()), ..Registries::default() }
}

/// No credentials of whoever runs the test.
fn nobody() -> (tempfile::TempDir, Registries) {
    let folder = docker_config(&json!({}));
    let registries = with_config(&folder);
    (folder, registries)
}

#[tokio::test]
async fn an_image_is_pulled_by_tag_and_by_digest_and_its_layers_once() {
    if !has("docker-registry") {
        return;
    }
    let (registry, built) = (Registry::open().await, two_layers());
    registry.push("team/tool", "1", &built).await;
    let (folder, (_config, registries)) = (tempfile::tempdir().unwrap(), nobody());
    let store = store(folder.path());
    let seen: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let tell = Arc::clone(&seen);
    let name = format!("{}/team/tool", registry.address);
    let progress: OnProgress = Arc::new(move |progress| tell.lock().unwrap().push(progress));
    let image = store.pull(&reference(&format!("{name}:1")), &registries, progress).await.unwrap();

    assert_eq!(image.layers, built.layers);
    assert_eq!(fs::read(store.layer_path(&built.layers[1]).join("etc/new")).unwrap(), b"new");
    for layer in &built.layers {
        let last = *seen.lock().unwrap().iter().rfind(|progress| progress.layer == *layer).unwrap();
        assert_eq!(last.done, last.total);
    }
    // Nothing of the layers is fetched again: the registry does not have them any more.
    for blob in &built.stored {
        fs::remove_file(registry.blob_file(blob)).unwrap();
    }
    let digest = Digest::of(&built.manifest);
    let again = pull(&store, &format!("{name}@{digest}"), &registries).await.unwrap();
    assert_eq!((again.layers, again.digest), (image.layers, digest));
    assert_eq!(names(&folder.path().join("work")).len() + names(&folder.path().join("locks")).len(), 0);

    let missing = pull(&store, &format!("{name}:2"), &registries).await.unwrap_err();
    assert!(missing.to_string().contains("404"), "{missing}");
}

#[tokio::test]
async fn an_index_leads_to_this_machine() {
    if !has("docker-registry") {
        return;
    }
    let (registry, built) = (Registry::open().await, two_layers());
    registry.push("tool", "only", &built).await;
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &built.manifest);
    entry["platform"] = json!({"os": "linux", "architecture": crate::built::architecture()});
    let index =
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]});
    registry
        .push_manifest("tool", "1", "application/vnd.oci.image.index.v1+json", index.to_string().as_bytes(), None)
        .await;
    let (folder, (_config, registries)) = (tempfile::tempdir().unwrap(), nobody());
    let image = pull(&store(folder.path()), &format!("{}/tool:1", registry.address), &registries).await.unwrap();
    assert_eq!((image.digest, image.layers), (Digest::of(&built.manifest), built.layers));
}

#[tokio::test]
async fn credentials_come_from_dockers_configuration() {
    if !has("docker-registry") {
        return;
    }
    let registry = Registry::with_password().await;
    registry.push("tool", "1", &two_layers()).await;
    let folder = tempfile::tempdir().unwrap();
    let (store, name) = (store(folder.path()), format!("{}/tool:1", registry.address));

    let (_config, registries) = nobody();
    let error = pull(&store, &name, &registries).await.unwrap_err().to_string();
    assert!(error.contains("run `docker login`"), "{error}");

    let auth = |secret: &str| {
        let auth = BASE64_STANDARD.encode(format!("{}:{secret}", USER.0));
        docker_config(&json!({"auths": {format!("http://{}/v2/", registry.address): {"auth": auth}}}))
    };
    let wrong = auth("wrong");
    let error = pull(&store, &name, &with_config(&wrong)).await.unwrap_err().to_string();
    assert!(error.contains("401") && !error.contains("wrong"), "{error}");
    pull(&store, &name, &with_config(&auth(USER.1))).await.unwrap();

    // Under another name, and with a key of its own in the configuration.
    let keyed = docker_config(&json!({"auths": {"elsewhere": {"username": USER.0, "password": USER.1}}}));
    let endpoint = Endpoint {
        address: Some(registry.address.clone()),
        credentials: Some("elsewhere".into()),
        ..Endpoint::default()
    };
    let registries = Registries { endpoints: HashMap::from([("named.test".into(), endpoint)]), ..with_config(&keyed) };
    assert_eq!(pull(&store, "named.test/tool:1", &registries).await.unwrap().reference.registry(), "named.test");
}

/// Pulls an image of which the registry's disk has something else than was pushed.
async fn damaged(change: impl Fn(&mut Vec<u8>)) -> (Error, Digest) {
    let (registry, built) = (Registry::open().await, two_layers());
    registry.push("tool", "1", &built).await;
    let file = registry.blob_file(&built.stored[0]);
    let mut bytes = fs::read(&file).unwrap();
    change(&mut bytes);
    fs::write(&file, bytes).unwrap();
    let (folder, (_config, registries)) = (tempfile::tempdir().unwrap(), nobody());
    let store = store(folder.path());
    let error = pull(&store, &format!("{}/tool:1", registry.address), &registries).await.unwrap_err();
    assert!(!store.layer_path(&built.layers[0]).exists() && store.list().unwrap().is_empty());
    // The other layer may be at work yet; once it is done, nothing is left.
    drop(self::store(folder.path()));
    assert!(!names(&folder.path().join("work")).iter().any(|name| name.starts_with(&built.layers[0].hex())));
    (error, built.stored[0])
}

#[tokio::test]
async fn what_the_registry_damages_is_refused() {
    if !has("docker-registry") {
        return;
    }
    let (error, blob) = damaged(|bytes| *bytes.last_mut().unwrap() ^= 1).await;
    assert!(matches!(error, Error::Blob { digest, fault: BlobFault::Digest { .. } } if digest == blob), "{error}");
    let (error, blob) = damaged(|bytes| bytes.truncate(30)).await;
    assert!(
        matches!(error, Error::Blob { digest, fault: BlobFault::Short { found: 30, .. } } if digest == blob),
        "{error}"
    );
    let (error, blob) = damaged(|bytes| bytes.push(0)).await;
    assert!(matches!(error, Error::Blob { digest, fault: BlobFault::Long { .. } } if digest == blob), "{error}");
}

#[tokio::test]
async fn what_skopeo_pushes_is_pulled() {
    if !has("docker-registry") || !has("skopeo") {
        return;
    }
    let (registry, layout) = (Registry::with_password().await, tempfile::tempdir().unwrap());
    let built = two_layers_as(Form::Gzip);
    built.layout(layout.path());
    let from = format!("oci:{}", layout.path().display());
    let to = format!("docker://{}/tool:1", registry.address);
    let login = format!("{}:{}", USER.0, USER.1);
    let options = ["--insecure-policy", "copy", "--dest-tls-verify=false", "--format=v2s2"];
    run(Command::new("skopeo").args(options).args(["--dest-creds", &login, &from, &to]));
    let config = docker_config(&json!({"auths": {&registry.address: {"username": USER.0, "password": USER.1}}}));
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let image = pull(&store, &format!("{}/tool:1", registry.address), &with_config(&config)).await.unwrap();
    assert_eq!(image.layers, built.layers);
}

#[tokio::test]
async fn plain_http_is_for_loopback_and_for_those_named_insecure() {
    if !has("docker-registry") {
        return;
    }
    let registry = Registry::open().await;
    registry.push("tool", "1", &two_layers()).await;
    let port = registry.address.rsplit_once(':').unwrap().1;
    let (folder, (_config, mut registries)) = (tempfile::tempdir().unwrap(), nobody());
    let store = store(folder.path());
    // The same socket by an address that is not written as a loopback's.
    let other = format!("0.0.0.0:{port}");
    let name = format!("{other}/tool:1");
    let error = pull(&store, &name, &registries).await.unwrap_err();
    assert!(matches!(error, Error::Registry { .. }), "{error}");
    registries.endpoints.insert(other, Endpoint { insecure_plain_http: true, ..Endpoint::default() });
    pull(&store, &name, &registries).await.unwrap();
}

#[tokio::test]
async fn nobody_answering_is_an_error_after_a_few_tries() {
    let (folder, (_config, registries)) = (tempfile::tempdir().unwrap(), nobody());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("{}/tool:1", listener.local_addr().unwrap());
    drop(listener);
    let error = pull(&store(folder.path()), &name, &registries).await.unwrap_err();
    assert!(matches!(error, Error::Registry { .. }), "{error}");
}

/// A certificate for 127.0.0.1 that only who is told so trusts.
fn certificate(folder: &std::path::Path) -> serde_json::Value {
    let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
    let settings =
        "[req]\ndistinguished_name=name\n[name]\n[own]\nbasicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1\n";
    fs::write(folder.join("openssl.cnf"), settings).unwrap();
    run(Command::new("openssl")
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=registry"])
        .args(["-config", "openssl.cnf", "-extensions", "own", "-keyout", "key.pem", "-out", "certificate.pem"]));
    json!({"certificate": certificate, "key": key})
}

#[tokio::test]
async fn an_extra_ca_counts_for_its_registry_only() {
    if !has("docker-registry") || !has("openssl") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let tls = certificate(place.path());
    let registry = Registry::start(tempfile::tempdir().unwrap(), json!({}), tls.clone()).await;
    let built: Built = two_layers();
    registry.push("tool", "1", &built).await;
    let ca = fs::read(tls["certificate"].as_str().unwrap()).unwrap();
    let (folder, (_config, mut registries)) = (tempfile::tempdir().unwrap(), nobody());
    let store = store(folder.path());
    let endpoint = |ca| Endpoint { address: Some(registry.address.clone()), ca, ..Endpoint::default() };
    let other = tempfile::tempdir().unwrap();
    let wrong = fs::read(certificate(other.path())["certificate"].as_str().unwrap()).unwrap();
    registries.endpoints.insert("wrong.test".into(), endpoint(Some(wrong)));
    registries.endpoints.insert("right.test".into(), endpoint(Some(ca)));
    let error = pull(&store, "wrong.test/tool:1", &registries).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(pull(&store, "right.test/tool:1", &registries).await.unwrap().layers, built.layers);
}

/// Answers every request with a token, as a token service would for everybody who asks with [`USER`]'s password.
async fn token_service(listener: tokio::net::TcpListener, token: String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let password = BASE64_STANDARD.encode(format!("{}:{}", USER.0, USER.1));
    while let Ok((mut client, _)) = listener.accept().await {
        let mut request = vec![0; 16 * 1024];
        let read = client.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..read]);
        let asked = request.contains("service=exeat") && request.contains("scope=repository%3Atool%3Apull");
        let status = if asked && request.contains(&password) { "200 OK" } else { "401 Unauthorized" };
        let body = json!({"token": if status == "200 OK" { &token } else { "" }}).to_string();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        client.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// A token that the registry verifies: signed by the key of a certificate that it trusts (RFC 7515, `x5c`).
fn signed_token(folder: &std::path::Path) -> String {
    let base64url = base64::prelude::BASE64_URL_SAFE_NO_PAD;
    let der = Command::new("openssl")
        .current_dir(folder)
        .args(["x509", "-in", "certificate.pem", "-outform", "der"])
        .output();
    let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [BASE64_STANDARD.encode(der.unwrap().stdout)]});
    let access = json!([{"type": "repository", "name": "tool", "actions": ["pull", "push"]}]);
    let claims = json!({
        "iss": "issuer", "sub": USER.0, "aud": "exeat", "exp": 4_000_000_000_u64, "nbf": 0, "iat": 0, "jti": "1", "access": access,
    });
    let encode = |value: &serde_json::Value| base64url.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    fs::write(folder.join("signed"), &signed).unwrap();
    let signature =
        run(Command::new("openssl").current_dir(folder).args(["dgst", "-sha256", "-sign", "key.pem", "signed"]));
    format!("{signed}.{}", base64url.encode(signature.stdout))
}

#[tokio::test]
async fn a_token_is_fetched_where_the_registry_wants_one() {
    if !has("docker-registry") || !has("openssl") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let certificate = certificate(place.path())["certificate"].clone();
    let token = signed_token(place.path());
    let service = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let realm = format!("http://{}/token", service.local_addr().unwrap());
    let serving = tokio::spawn(token_service(service, token.clone()));
    let auth =
        json!({"token": {"realm": realm, "service": "exeat", "issuer": "issuer", "rootcertbundle": certificate}});
    let registry = Registry::start(tempfile::tempdir().unwrap(), auth, json!({})).await;
    registry.push_as("tool", "1", &two_layers(), Some(&token)).await;

    let folder = tempfile::tempdir().unwrap();
    let (store, name) = (store(folder.path()), format!("{}/tool:1", registry.address));
    let error = pull(&store, &name, &nobody().1).await.unwrap_err().to_string();
    assert!(error.contains("token service refuses"), "{error}");
    let config = docker_config(&json!({"auths": {&registry.address: {"username": USER.0, "password": USER.1}}}));
    pull(&store, &name, &with_config(&config)).await.unwrap();
    serving.abort();
}

#[test]
fn a_credential_helper_is_asked() {
    if !has("docker-registry") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (text, helper) = (place.path().join("text"), place.path().join("docker-credential-exeat-test"));
    let answer = json!({"Username": USER.0, "Secret": USER.1});
    // It answers for the registry that is named on its input.
    fs::write(
        &text,
        format!("#!/bin/sh\n[ \"$1\" = get ] && read -r host; [ \"$host\" = helped.test ] && echo '{answer}'\n"),
    )
    .unwrap();
    copy(&text, &helper);
    fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let output = run(Command::new(std::env::current_exe().unwrap())
        .args(child("registry::child_asks_a_helper"))
        .env("PATH", format!("{}:{path}", place.path().display())));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the child's test did not run");
}

#[tokio::test]
#[ignore = "the child's part of the test above"]
async fn child_asks_a_helper() {
    let registry = Registry::with_password().await;
    registry.push("tool", "1", &two_layers()).await;
    let endpoint = Endpoint { address: Some(registry.address.clone()), ..Endpoint::default() };
    let config = docker_config(&json!({"credHelpers": {"helped.test": "exeat-test"}}));
    let mut registries = with_config(&config);
    registries.endpoints.insert("helped.test".into(), endpoint);
    let folder = tempfile::tempdir().unwrap();
    pull(&store(folder.path()), "helped.test/tool:1", &registries).await.unwrap();
}
