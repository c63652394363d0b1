//! C3, C5, C7: a publish is judged by all of its body, or it does not leave.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exeat_tests::{Ask, Scenario, Way, text};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

const HOST: &str = "npm.example.com";
const PATH: &str = "/@acme%2fui";
/// Publishing one package, and nothing else.
const PUBLISH: &str = r#"
@id("test/publish")
permit (principal, action == Npm::Action::"publish", resource == Npm::Package::"@acme/ui");
"#;

async fn registry() -> Scenario {
    let config = format!("[integrations.npm]\nhosts = [\"{HOST}\"]\n");
    let builder = Scenario::with_policies(PUBLISH).origin(HOST, text("{}")).config(&config);
    builder.credential(HOST, "publish").start().await
}

/// What `npm publish` sends.
fn document(name: &str, version: &str) -> Value {
    let file = format!("{}-{version}.tgz", name.rsplit('/').next().unwrap());
    json!({
        "_id": name,
        "name": name,
        "dist-tags": { "latest": version },
        "versions": { version: { "name": name, "version": version, "_id": format!("{name}@{version}") } },
        "_attachments": { file: { "content_type": "application/octet-stream", "data": STANDARD.encode("tarball"), "length": 7 } },
    })
}

fn put(body: impl Into<Vec<u8>>) -> Ask {
    Ask::of("PUT", HOST, PATH).header("Content-Type", "application/json").body(body)
}

/// The tool itself: a proper publish leaves, as it was judged. By plain HTTP the host is no registry.
async fn a_proper_publish_leaves(scenario: &Scenario, way: Way) {
    if way.scheme() == "http" {
        return;
    }
    let body = document("@acme/ui", "1.2.3").to_string();
    let answer = way.send(scenario, &put(body.as_str())).await;
    assert_eq!(answer.status, Some(200), "{way}: {}", answer.text());
    let seen = scenario.seen(HOST).pop().unwrap();
    assert_eq!((seen.target.as_str(), &seen.body[..]), ("/@acme%2Fui", body.as_bytes()), "{way}");
}

async fn refused(scenario: &Scenario, way: Way, what: &str, ask: &Ask) {
    let before = scenario.all_seen().len();
    let answer = way.send(scenario, ask).await;
    assert!(answer.is_refusal(), "{way}: {what}: {answer:?}");
    assert_eq!(scenario.all_seen().len(), before, "{way}: {what} reached the registry");
}

pub(crate) async fn a_publish_that_cannot_be_seen_whole_is_refused() {
    let scenario = registry().await;
    let good = document("@acme/ui", "1.2.3").to_string();
    for way in Way::all() {
        a_proper_publish_leaves(&scenario, way).await;
        for encoding in ["gzip", "br", "deflate", "identity, gzip", "x"] {
            refused(&scenario, way, encoding, &put(good.as_str()).header("Content-Encoding", encoding)).await;
        }
        refused(&scenario, way, "no body", &Ask::of("PUT", HOST, PATH).header("Content-Type", "application/json"))
            .await;
        refused(&scenario, way, "an empty body", &put("")).await;
        refused(&scenario, way, "half a body", &put(&good[..good.len() / 2])).await;
        refused(&scenario, way, "a body and more", &put(format!("{good}{good}"))).await;
        let untyped = Ask::of("PUT", HOST, PATH).body(good.as_str());
        refused(&scenario, way, "no type", &untyped).await;
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"] {
            refused(&scenario, way, kind, &untyped.clone().header("Content-Type", kind)).await;
        }
    }
    for way in Way::http1() {
        body_that_breaks_off(&scenario, way, &good).await;
        body_that_is_too_large(&scenario, way).await;
    }
    scenario.saw_what_was_journaled("publishing");
}

/// It says more than it sends, or its chunks do not end, and then the client is gone.
async fn body_that_breaks_off(scenario: &Scenario, way: Way, good: &str) {
    let before = scenario.all_seen().len();
    let chunked = format!("{:x}\r\n{good}\r\n", good.len());
    let framings = [
        (format!("Content-Length: {}", good.len() + 1), good),
        ("Transfer-Encoding: chunked".to_owned(), chunked.as_str()),
    ];
    for (framing, body) in framings {
        let mut wire = way.open(scenario, HOST).await.unwrap();
        let ask = Ask::of("PUT", HOST, PATH).header("Content-Type", "application/json");
        let mut bytes = way.bytes(&ask);
        bytes.truncate(bytes.len() - 2);
        bytes.extend_from_slice(format!("{framing}\r\n\r\n{body}").as_bytes());
        wire.write_all(&bytes).await.unwrap();
        wire.shutdown().await.unwrap();
        exeat_tests::read_answer(&mut wire, "PUT").await;
    }
    assert_eq!(scenario.all_seen().len(), before, "{way}: a body that broke off reached the registry");
}

/// One byte above the limit is refused by its length alone, before it is sent.
async fn body_that_is_too_large(scenario: &Scenario, way: Way) {
    let ask = Ask::of("PUT", HOST, PATH).header("Content-Type", "application/json");
    let mut head = way.bytes(&ask.header("Content-Length", &(64 * 1024 * 1024 + 1).to_string()));
    head.extend_from_slice(b"{");
    let answer = way.raw(scenario, HOST, &head).await;
    let expected = if way.scheme() == "http" { 400 } else { 413 };
    assert_eq!(answer.status, Some(expected), "{way}: {answer:?}");
}

/// Two parsers, two documents. What the gateway reads must be what the registry reads.
pub(crate) async fn json_of_two_meanings_is_refused() {
    let scenario = registry().await;
    let good = document("@acme/ui", "1.2.3").to_string();
    let other = document("left-over", "1.2.3").to_string();
    let twice = |key: &str, value: &str| good.replacen('{', &format!("{{\"{key}\":{value},"), 1);
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut bodies: Vec<(&str, Vec<u8>)> = vec![
        ("name twice", twice("name", "\"left-over\"").into()),
        ("name twice, escaped", twice("n\\u0061me", "\"left-over\"").into()),
        ("_id twice", twice("_id", "\"left-over\"").into()),
        ("versions twice", twice("versions", "{}").into()),
        ("_attachments twice", twice("_attachments", "{}").into()),
        ("dist-tags twice", twice("dist-tags", "{\"latest\":\"9.9.9\"}").into()),
        ("a byte order mark", [b"\xef\xbb\xbf", good.as_bytes()].concat()),
        ("UTF-16", utf16),
        ("another document behind", [good.as_bytes(), other.as_bytes()].concat()),
        ("a NUL behind", [good.as_bytes(), b"\0"].concat()),
        ("a comment", [b"/* */", good.as_bytes()].concat()),
        ("a lone surrogate", twice("x", "\"\\ud800\"").into()),
        ("NaN", twice("x", "NaN").into()),
        ("an array around it", format!("[{good}]").into()),
        ("the document of another package", other.into()),
    ];
    for (what, pointer, value) in disagreeing() {
        let mut document = document("@acme/ui", "1.2.3");
        *document.pointer_mut(pointer).unwrap() = value;
        bodies.push((what, document.to_string().into()));
    }
    for way in Way::all() {
        a_proper_publish_leaves(&scenario, way).await;
        for (what, body) in &bodies {
            refused(&scenario, way, what, &put(body.as_slice())).await;
        }
    }
    scenario.saw_what_was_journaled("JSON");
}

/// Two places of one document that name two things.
fn disagreeing() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("name of another", "/name", json!("left-over")),
        ("name in upper case", "/name", json!("@ACME/ui")),
        ("name that is no text", "/name", json!(["@acme/ui"])),
        ("_id of another", "/_id", json!("left-over")),
        ("a version's name of another", "/versions/1.2.3/name", json!("left-over")),
        ("a version's version of another", "/versions/1.2.3/version", json!("6.6.6")),
        ("a version's _id of another", "/versions/1.2.3/_id", json!("left-over@1.2.3")),
        ("a tag for a version that is not there", "/dist-tags/latest", json!("6.6.6")),
        ("versions that are a list", "/versions", json!([])),
        ("a tarball of another", "/_attachments", json!({ "left-over-1.2.3.tgz": { "data": "eA==" } })),
    ]
}

/// Publishing is permitted; what else changes what a name stands for, or who may, is not.
pub(crate) async fn every_variant_of_publishing_is_refused() {
    let scenario = registry().await;
    let json = |ask: Ask| ask.header("Content-Type", "application/json");
    let versions = json!({ "1.2.3": { "name": "@acme/ui", "version": "1.2.3", "deprecated": "no" } });
    let deprecate = json!({ "_id": "@acme/ui", "name": "@acme/ui", "versions": versions });
    let owners = json!({ "_id": "@acme/ui", "maintainers": [{ "name": "mallory" }] });
    let unpublish = json!({ "_id": "@acme/ui", "name": "@acme/ui", "versions": {} });
    let other = document("@acme/other", "1.0.0");
    let variants = [
        ("another package", json(Ask::of("PUT", HOST, "/@acme%2fother")).body(other.to_string())),
        ("deprecate", put(deprecate.to_string())),
        ("owners", put(owners.to_string())),
        ("unpublish a version", json(Ask::of("PUT", HOST, "/@acme%2fui/-rev/1-a")).body(unpublish.to_string())),
        ("unpublish all", Ask::of("DELETE", HOST, "/@acme%2fui/-rev/1-a")),
        ("unpublish a tarball", Ask::of("DELETE", HOST, "/@acme%2fui/-/ui-1.2.3.tgz/-rev/1-a")),
        ("dist-tag add", json(Ask::of("PUT", HOST, "/-/package/@acme%2fui/dist-tags/latest")).body("\"0.0.1\"")),
        ("dist-tag rm", Ask::of("DELETE", HOST, "/-/package/@acme%2fui/dist-tags/latest")),
        ("access", json(Ask::of("POST", HOST, "/-/package/@acme%2fui/access")).body("{\"access\":\"public\"}")),
        ("token", json(Ask::of("POST", HOST, "/-/npm/v1/tokens")).body("{}")),
        ("login", json(Ask::of("PUT", HOST, "/-/user/org.couchdb.user:mallory")).body("{}")),
        (
            "a trailing slash",
            json(Ask::of("PUT", HOST, "/@acme%2fui/")).body(document("@acme/ui", "1.0.0").to_string()),
        ),
        ("an unknown route", json(Ask::of("PUT", HOST, "/-/something/new")).body("{}")),
    ];
    for way in Way::all() {
        for (what, ask) in &variants {
            refused(&scenario, way, what, ask).await;
        }
    }
    assert_eq!(scenario.all_connections(), 0);
}
