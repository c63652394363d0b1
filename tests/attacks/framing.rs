//! B1, B2, B4: bytes that servers read in two ways leave in one, or not at all.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use exeat_tests::{Answer, Ask, Scenario, Way};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

const HOST: &str = "api.example.com";

/// The test cases of the crate http_desync_guardian (Apache-2.0, Copyright Amazon.com, Inc.); `corpus/convert` made it.
static CORPUS: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let cases: Vec<Value> = serde_json::from_str(include_str!("corpus/desync.json")).unwrap();
    cases.iter().map(Case::read).collect()
});

/// What its authors call compliant and the gateway refuses: it takes less than RFC 9112 allows, on purpose.
const STRICTER: [(&str, &str); 15] = [
    ("Valid custom header with underscore in name", "servers fold underscores"),
    ("Valid custom header with tchar in name and obs-text", "its name has an underscore"),
    ("Different Transfer-Encoding headers", "only `chunked` is taken"),
    ("Different Transfer-Encoding headers combined", "only `chunked` is taken"),
    ("Transfer-Encoding with a param: chunked;custom_param", "only `chunked` is taken"),
    ("Transfer-Encoding: identity and chunked OK", "only `chunked` is taken"),
    ("Correct TE OK", "only `chunked` is taken"),
    ("Multiple transfer encoding headers in a single request OK", "only `chunked` is taken"),
    ("TE with custom parameters OK", "only `chunked` is taken"),
    ("HTTP Version.1.1 OK", "`%dd` decodes to no UTF-8"),
    ("International in URI", "a path is ASCII"),
    ("Empty URI", "a target is not empty"),
    ("%09 in URI is OK", "a path holds no control characters"),
    ("%0D in URI is OK", "a path holds no control characters"),
    ("%0A in URI is OK", "a path holds no control characters"),
];

/// Every case that is not compliant: refused, and a request hidden in its body is not made.
pub(crate) async fn the_desync_corpus_leaves_nothing_but_audited_requests() {
    let scenario = Scenario::usual().start().await;
    let dangerous = CORPUS.iter().filter(|case| case.tier == "Severe" || case.tier == "Ambiguous");
    let dangerous: Vec<_> = dangerous.collect();
    assert_eq!(dangerous.len(), 116);
    let mut passed = Vec::new();
    for way in Way::http1() {
        for case in &dangerous {
            let answer = way.raw(&scenario, HOST, &case.bytes(way, true)).await;
            if !answer.is_refusal() {
                passed.push(format!("{way}: {}: {:?}", case.name, answer.status));
            }
        }
        scenario.saw_what_was_journaled(&way.to_string());
    }
    assert!(passed.is_empty(), "{} passed:\n{}", passed.len(), passed.join("\n"));
    assert_eq!(scenario.all_seen().len(), 0, "{:#?}", scenario.all_seen());
}

pub(crate) async fn what_the_corpus_calls_compliant_passes() {
    let scenario = Scenario::usual().start().await;
    for way in Way::http1() {
        let mut refused = BTreeSet::new();
        for case in CORPUS.iter().filter(|case| case.tier == "Compliant") {
            let answer = way.raw(&scenario, HOST, &case.bytes(way, false)).await;
            if answer.is_refusal() {
                refused.insert(case.name.as_str());
            }
        }
        let expected: BTreeSet<_> = STRICTER.iter().map(|(name, _)| *name).collect();
        // An absolute URI without a path is `/`.
        let unexpected: Vec<_> = refused.difference(&expected).collect();
        assert!(unexpected.is_empty(), "{way}: {unexpected:#?}");
    }
    scenario.saw_what_was_journaled("compliant");
}

/// A refusal that nobody hears of helps nobody: each violation is answered with 400 and is in the journal.
pub(crate) async fn violations_are_answered_and_recorded() {
    let scenario = Scenario::usual().start().await;
    let mut sent = 0;
    for way in Way::http1() {
        for line in ["Content-Length: 010", "Content-Length: 1\r\nTransfer-Encoding: chunked", "X_Y: z", "Host: other"]
        {
            let mut head = way.bytes(&Ask::of("POST", HOST, "/"));
            head.truncate(head.len() - 2);
            head.extend_from_slice(format!("{line}\r\n\r\n").as_bytes());
            let answer = way.raw(&scenario, HOST, &head).await;
            sent += 1;
            assert_eq!((answer.status, answer.code().as_str()), (Some(400), "malformed"), "{way}: {line}: {answer:?}");
            assert_eq!(scenario.refusals().len(), sent, "{way}: {line} is not in the journal");
        }
    }
}

/// One of the corpus.
struct Case {
    name: String,
    tier: String,
    method: String,
    uri: String,
    version: String,
    headers: Vec<(String, String)>,
}

impl Case {
    fn read(json: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let headers = json["headers"].as_array().unwrap().iter().map(|header| (text(&header[0]), text(&header[1])));
        Case {
            name: text(&json["name"]),
            tier: text(&json["tier"]),
            method: text(&json["method"]),
            uri: text(&json["uri"]),
            version: text(&json["version"]),
            headers: headers.collect(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The case as it is written to the wire, with Host and, where `hiding`, a second request where its body would be.
    fn bytes(&self, way: Way, hiding: bool) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, way.target(HOST, &self.uri), self.version);
        if self.header("host").is_none() {
            head += &format!("Host: {HOST}\r\n");
        }
        head += &way.lines();
        for (name, value) in self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
            head += &format!("{name}: {value}\r\n");
        }
        let mut bytes = latin1(&(head + "\r\n"));
        if hiding {
            bytes.extend_from_slice(b"0\r\n\r\n");
            bytes.extend(way.bytes(&Ask::get(HOST, "/smuggled")));
        } else if self.header("transfer-encoding").is_some() {
            bytes.extend_from_slice(b"3\r\nabc\r\n0\r\n\r\n");
        } else if let Some(length) = self.header("content-length").and_then(|length| length.parse::<usize>().ok()) {
            bytes.resize(bytes.len() + length, b'x');
        }
        bytes
    }
}

/// One character, one byte; what has none is written in UTF-8.
fn latin1(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for c in text.chars() {
        match u8::try_from(u32::from(c)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(c.to_string().as_bytes()),
        }
    }
    bytes
}

/// The body is malformed behind a good head. The request may have begun to leave; it must not be whole at the origin.
pub(crate) async fn chunks_and_lines_with_two_readings_never_complete() {
    let scenario = Scenario::usual().start().await;
    let bodies: [&[u8]; 16] = [
        b"3;name=value\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
        b"FFFFFFFFFFFFFFFF3\r\nabc\r\n0\r\n\r\n",
        b"\r\n3\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\nX-Trailer: a\r\n\r\n",
        b"3\r\nabc\r\n0\r\nContent-Length: 0\r\n\r\n",
        b"3\r\nabc\r\n0\r\n\n",
        b"3\r\nabc\r\n0;x\r\n\r\n",
        b"3\rabc\r0\r\r",
    ];
    for way in Way::http1() {
        for body in bodies {
            let mut bytes = way.bytes(&Ask::of("POST", HOST, "/chunks").header("Transfer-Encoding", "chunked"));
            bytes.extend_from_slice(body);
            bytes.extend(way.bytes(&Ask::get(HOST, "/smuggled")));
            let answer = way.raw(&scenario, HOST, &bytes).await;
            assert!(answer.is_refusal(), "{way}: {:?}: {answer:?}", String::from_utf8_lossy(body));
        }
        for line in ["X: a\r\n b", "X: a\r\n\tb", "X: a\rb", "X: a\nb", "X : a", "X\r\n", ": a", "X"] {
            let mut head = way.bytes(&Ask::get(HOST, "/lines"));
            head.truncate(head.len() - 2);
            head.extend_from_slice(format!("{line}\r\n\r\n").as_bytes());
            let answer = way.raw(&scenario, HOST, &head).await;
            assert!(answer.is_refusal(), "{way}: {line:?}: {answer:?}");
        }
    }
    let seen = scenario.all_seen();
    assert!(seen.iter().all(|seen| seen.target == "/chunks" && !seen.complete), "{seen:#?}");
}

pub(crate) async fn chunks_in_http_1_0_are_refused() {
    let scenario = Scenario::usual().start().await;
    for way in Way::http1() {
        let ask = Ask::of("POST", HOST, "/").header("Transfer-Encoding", "chunked");
        let mut bytes = String::from_utf8(way.bytes(&ask)).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1).into_bytes();
        bytes.extend_from_slice(b"3\r\nabc\r\n0\r\n\r\n");
        let answer = way.raw(&scenario, HOST, &bytes).await;
        assert_eq!(answer.status, Some(400), "{way}");
    }
    assert_eq!(scenario.all_connections(), 0);
}

/// Upgrades to anything, with bytes behind them that only the other protocol would explain.
pub(crate) async fn an_upgrade_forwards_nothing() {
    let scenario = Scenario::usual().start().await;
    let upgrades = [
        ("websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"),
        ("h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
        ("TLS/1.2", "X: y"),
        ("websocket, h2c", "X: y"),
    ];
    for way in Way::http1() {
        for (protocol, more) in upgrades {
            let connection = "Connection: Upgrade, HTTP2-Settings";
            let mut head = way.bytes(&Ask::get(HOST, "/upgrade"));
            head.truncate(head.len() - 2);
            head.extend_from_slice(format!("Upgrade: {protocol}\r\n{connection}\r\n{more}\r\n\r\n").as_bytes());
            head.extend(way.bytes(&Ask::get(HOST, "/smuggled")));
            let answer = until_closed(&scenario, way, &head).await;
            assert_eq!(answer.status, Some(400), "{way}: {protocol}: {answer:?}");
        }
    }
    assert_eq!(scenario.all_connections(), 0);
    assert_eq!(scenario.intents().len(), 0);
}

/// Reads the first answer, then whatever else comes until the gateway closes, so that what follows had its chance.
async fn until_closed(scenario: &Scenario, way: Way, bytes: &[u8]) -> Answer {
    let mut wire = way.open(scenario, HOST).await.unwrap();
    let _ = wire.write_all(bytes).await;
    let answer = exeat_tests::read_answer(&mut wire, "GET").await;
    let mut nowhere = tokio::io::sink();
    let rest = tokio::io::copy(&mut wire, &mut nowhere);
    let _ = tokio::time::timeout(exeat_tests::PATIENCE, rest).await.expect("the connection stays open");
    answer
}
