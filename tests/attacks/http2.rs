//! B5: HTTP/2 that would become two things in HTTP/1.1.

use exeat_tests::{Scenario, Way};

use crate::raw_h2::{Outcome, request};

const HOST: &str = "api.example.com";

type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

/// A good request, changed by `change`.
fn changed<'a>(method: &'a str, change: impl FnOnce(&mut Fields<'a>)) -> Fields<'a> {
    let mut fields: Fields<'a> = vec![
        (b":method", method.as_bytes()),
        (b":scheme", b"https"),
        (b":authority", HOST.as_bytes()),
        (b":path", b"/h2"),
    ];
    change(&mut fields);
    fields
}

fn with<'a>(name: &'a [u8], value: &'a [u8]) -> Fields<'a> {
    changed("POST", |fields| fields.push((name, value)))
}

fn replaced<'a>(name: &'a [u8], value: &'a [u8]) -> Fields<'a> {
    changed("POST", |fields| fields.iter_mut().filter(|field| field.0 == name).for_each(|field| field.1 = value))
}

pub(crate) async fn malformed_streams_never_complete() {
    let scenario = Scenario::usual().start().await;
    for way in Way::http2() {
        let token = way.token_header().unwrap_or_default();
        let send = async |fields: Fields<'_>, body: Option<&'static [u8]>| {
            let mut fields = fields;
            if !token.is_empty() {
                fields.push((b"proxy-authorization", token.as_bytes()));
            }
            request(way.open(&scenario, HOST).await.unwrap(), &fields, body).await
        };
        let before = scenario.all_seen().len();
        assert_eq!(send(changed("GET", |_| {}), None).await, Outcome::Ok, "{way}: the tool itself");
        assert_eq!(send(with(b"content-length", b"3"), Some(b"abc")).await, Outcome::Ok, "{way}: with a body");
        assert_eq!(scenario.all_seen().len(), before + 2);
        for (what, fields, body) in malformed() {
            let outcome = send(fields, body).await;
            assert_ne!(outcome, Outcome::Ok, "{way}: {what}");
        }
    }
    let whole: Vec<_> = scenario.all_seen().into_iter().filter(|seen| seen.complete).collect();
    assert_eq!(whole.len(), 2 * Way::http2().count(), "{whole:#?}");
    assert_eq!(scenario.connections("forbidden.example.net"), 0);
}

type Malformed = (&'static str, Fields<'static>, Option<&'static [u8]>);

fn malformed() -> Vec<Malformed> {
    let body: Option<&'static [u8]> = Some(b"abc");
    vec![
        ("TE: gzip", with(b"te", b"gzip"), body),
        ("Connection", with(b"connection", b"close"), body),
        ("Keep-Alive", with(b"keep-alive", b"1"), body),
        ("Proxy-Connection", with(b"proxy-connection", b"x"), body),
        ("Transfer-Encoding", with(b"transfer-encoding", b"chunked"), body),
        ("Upgrade", with(b"upgrade", b"websocket"), body),
        ("a name in upper case", with(b"X-Upper", b"a"), body),
        ("a name with a colon", with(b"x:y", b"a"), body),
        ("a name with a space", with(b"x y", b"a"), body),
        ("a name with CRLF", with(b"x\r\nhost", b"a"), body),
        ("an empty name", with(b"", b"a"), body),
        ("a name with an underscore", with(b"x_api_key", b"a"), body),
        ("a value with CRLF", with(b"x", b"a\r\nhost: forbidden.example.net"), body),
        ("a value with LF", with(b"x", b"a\nb"), body),
        ("a value with NUL", with(b"x", b"a\0b"), body),
        ("content-length above DATA", with(b"content-length", b"10"), body),
        ("content-length below DATA", with(b"content-length", b"2"), body),
        ("content-length without DATA", with(b"content-length", b"10"), None),
        ("content-length that is none", with(b"content-length", b"3x"), body),
        ("content-length with a sign", with(b"content-length", b"+3"), body),
        (
            "two content-lengths",
            changed("POST", |fields| fields.extend([(&b"content-length"[..], &b"3"[..]), (b"content-length", b"4")])),
            body,
        ),
        (":method twice", with(b":method", b"GET"), body),
        (":path twice", with(b":path", b"/other"), body),
        (":authority twice", with(b":authority", b"forbidden.example.net"), body),
        (":scheme twice", with(b":scheme", b"http"), body),
        ("an unknown pseudo-header", with(b":unknown", b"a"), body),
        ("a pseudo-header behind a header", changed("POST", |fields| fields.insert(0, (b"x", b"a"))), body),
        (":status in a request", with(b":status", b"200"), body),
        ("no :path", changed("POST", |fields| fields.retain(|field| field.0 != b":path")), body),
        ("no :method", changed("POST", |fields| fields.retain(|field| field.0 != b":method")), body),
        ("an empty :path", replaced(b":path", b""), body),
        (":path without a slash", replaced(b":path", b"h2"), body),
        (":path with a space", replaced(b":path", b"/a b"), body),
        (":path with a request in it", replaced(b":path", b"/ HTTP/1.1\r\nHost: forbidden.example.net\r\n\r\n"), body),
        (":path in absolute-form", replaced(b":path", b"https://forbidden.example.net/"), body),
        (":method with a request in it", replaced(b":method", b"GET / HTTP/1.1\r\nX:"), body),
        (":scheme that is none", replaced(b":scheme", b"https://forbidden.example.net/"), body),
        (":scheme ftp", replaced(b":scheme", b"ftp"), body),
        (":authority with user information", replaced(b":authority", b"a@api.example.com"), body),
        (":authority of another", replaced(b":authority", b"forbidden.example.net"), body),
        (":authority and Host disagree", with(b"host", b"forbidden.example.net"), body),
        ("CONNECT", changed("CONNECT", |fields| fields[2].1 = b"forbidden.example.net:443"), None),
        ("extended CONNECT", changed("CONNECT", |fields| fields.push((b":protocol", b"websocket"))), None),
    ]
}
