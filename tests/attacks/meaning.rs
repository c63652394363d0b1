//! C1, C2: the path and the method that are judged are those that the origin gets.

use exeat_tests::{Ask, Scenario, Way, text};

const HOST: &str = "api.example.com";

/// Reads below /public only, so that a path that leaves it must not be one.
const PUBLIC: &str = r#"
@id("test/public")
permit (principal, action in Exeat::Action::"read", resource) when { context.http.path like "/public/*" };
"#;

/// A path as it is written, and as it is forwarded.
const CANONICAL: [(&str, &str); 8] = [
    ("/public/a", "/public/a"),
    ("/public/%61", "/public/a"),
    ("/%70ublic/a", "/public/a"),
    ("/public/a%20b", "/public/a%20b"),
    ("/public/", "/public/"),
    ("/public/~x", "/public/~x"),
    ("/public/%7ex", "/public/~x"),
    ("/public/a?b=/../c", "/public/a?b=/../c"),
];

const REFUSED: [&str; 33] = [
    "/public/../secret",
    "/public/..",
    "/public/.",
    "/public/./a",
    "/public//a",
    "//public/a",
    "/public/%2e%2e/secret",
    "/public/%2E./secret",
    "/public/.%2e/secret",
    "/public/..%2fsecret",
    "/public/%2e%2e%2fsecret",
    "/public%2f..%2fsecret",
    "/public/a%2fb",
    "/public/..%5csecret",
    "/public\\..\\secret",
    "/public/%5c",
    "/public/%252e%252e/secret",
    "/public/%252fsecret",
    "/public/..;/secret",
    "/public;x=1/secret",
    "/public/%3bx",
    "/public/%00",
    "/public/a%0d%0ab",
    "/public/%ff",
    "/public/%c0%ae%c0%ae/secret",
    "/public/%",
    "/public/%2",
    "/public/%zz",
    "/secret",
    "/PUBLIC/a",
    "/public",
    "/public/a\u{e9}",
    "/public/a|b",
];

pub(crate) async fn paths_with_two_readings_are_refused_or_made_canonical() {
    let scenario = Scenario::with_policies(PUBLIC).origin(HOST, text("hello")).start().await;
    let mut forwarded = 0;
    for way in Way::all() {
        for (written, canonical) in CANONICAL {
            let answer = way.send(&scenario, &Ask::get(HOST, written)).await;
            assert_eq!(answer.status, Some(200), "{way}: {written}");
            forwarded += 1;
            let seen = scenario.seen(HOST);
            assert_eq!(seen.len(), forwarded);
            assert!(seen.iter().any(|seen| seen.target == canonical), "{way}: {written}: {seen:#?}");
        }
        for written in REFUSED {
            let answer = way.send(&scenario, &Ask::get(HOST, written)).await;
            // `|` may not stand in a path as it is; one meaning it has all the same.
            let encoded = written.contains('|') && answer.status == Some(200);
            forwarded += usize::from(encoded);
            assert!(answer.is_refusal() || encoded, "{way}: {written}: {answer:?}");
        }
        assert_eq!(scenario.seen(HOST).len(), forwarded, "{way}");
    }
    assert!(scenario.seen(HOST).iter().all(|seen| seen.target.starts_with("/public/")));
    // A fragment has no place in a target; where a parser drops it, what is left is judged.
    for way in Way::http1() {
        let answer = way.send(&scenario, &Ask::get(HOST, "/secret#/public/a")).await;
        assert!(answer.is_refusal(), "{way}: {answer:?}");
    }
    scenario.saw_what_was_journaled("paths");
}

/// A client that may only read cannot write by a header; TRACE and CONNECT are no methods for an origin.
pub(crate) async fn headers_that_override_the_method_are_refused() {
    const READ: &str = r#"@id("test/read") permit (principal, action in Exeat::Action::"read", resource);"#;
    let scenario = Scenario::with_policies(READ).origin(HOST, text("hello")).start().await;
    let headers = ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];
    for way in Way::all() {
        for header in headers {
            let answer = way.send(&scenario, &Ask::get(HOST, "/").header(header, "DELETE")).await;
            assert_eq!((answer.status, answer.code().as_str()), (Some(400), "malformed"), "{way}: {header}");
        }
        for method in ["POST", "DELETE", "PATCH", "PURGE", "get", "Get"] {
            let answer = way.send(&scenario, &Ask::of(method, HOST, "/")).await;
            assert_eq!((answer.status, answer.code().as_str()), (Some(403), "denied"), "{way}: {method}");
        }
        let answer = way.send(&scenario, &Ask::of("TRACE", HOST, "/")).await;
        assert!(answer.is_refusal(), "{way}: TRACE");
    }
    assert_eq!(scenario.all_connections(), 0);
}
