use exeat_core::{Authority, Cause, Group, Integration, Operation, Refusal, Request, Scheme, Unreadable, Verdict};
use expect_test::{Expect, expect};
use http::{HeaderMap, HeaderValue, Method, header};

use super::{Config, GitHub};
use crate::cases::understand;

const OLD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NEW: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn request(method: &str, host: &str, path: &str) -> Request {
    let authority = Authority::parse(host, 443).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-git-receive-pack-request"));
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    Request::new(method.parse::<Method>().unwrap(), Scheme::Https, authority, path, query, headers).unwrap()
}

fn github() -> GitHub {
    GitHub::new(&Config::default()).unwrap()
}

/// `{name}` and `{+name}` become values that no literal of the table has.
fn filled(template: &str, slash: &str) -> String {
    let segments = template.split('/').map(|segment| match segment.strip_prefix('{') {
        Some("owner}" | "org}" | "template_owner}" | "username}") => "Acme9".to_owned(),
        Some("repo}" | "template_repo}") => "Site9".to_owned(),
        Some(name) if name.starts_with('+') => format!("sample9{slash}x9"),
        Some(_) => "9".to_owned(),
        None => segment.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

#[test]
fn every_template_is_classified_as_itself() {
    let github = github();
    let table = include_str!("operations.tsv");
    let rows: Vec<Vec<&str>> =
        table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 1_222);
    for slash in ["-", "/", "%2F"] {
        for row in &rows {
            let [method, template, id, group, kind] = row[..] else { panic!("{row:?}") };
            let host = if id == super::rest::UPLOAD { "uploads.github.com" } else { "api.github.com" };
            let operations = github.classify(&request(method, host, &filled(template, slash)), b"").unwrap();
            let [operation] = &operations[..] else { panic!("{template}") };
            assert_eq!(operation.action.name, id, "{method} {template} with {slash}");
            assert_eq!(operation.action.group, Group::parse(group));
            assert_eq!(operation.target().unwrap().kind, format!("GitHub::{kind}"));
            let ids: Vec<&str> = operation.resource.iter().map(|entity| entity.name.id.as_str()).collect();
            let reference = format!("acme9/site9@refs/sample9{}x9", slash.replace("%2F", "/"));
            let expected: &[&str] = match kind {
                "Ref" => &[&reference, "acme9/site9", "acme9"],
                "Repo" => &["acme9/site9", "acme9"],
                "Account" => &["acme9"],
                _ => &["github"],
            };
            assert_eq!(ids, expected, "{method} {template}");
        }
    }
}

#[test]
fn a_head_ends_at_the_first_flush() {
    use super::receive_pack::head;
    use exeat_core::HeadProgress::{Complete, Incomplete};
    let body = push_body(&["refs/heads/PACK0000"], "report-status");
    for length in 0..body.len() {
        assert_eq!(head(&body[..length]), Incomplete, "{length}");
    }
    assert_eq!(head(&[&body[..], b"PACK"].concat()), Complete(body.len()));
}

#[test]
fn too_many_refs_are_refused() {
    let names: Vec<String> = (0..=1_000).map(|number| format!("refs/tags/{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let push = |names: &[&str]| understand(&github(), &push_request(), &push_body(names, "report-status"));
    assert_eq!(push(&names[1..]).unwrap().len(), 1_000);
    assert!(push(&names).unwrap_err().to_string().contains("more than 1000 refs"));
}

fn push_request() -> Request {
    request("POST", "github.com", "/acme/site.git/git-receive-pack")
}

fn push_body(names: &[&str], capabilities: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let capabilities = if at == 0 { format!("\0 {capabilities}") } else { String::new() };
        super::pktline::write(&mut body, format!("{OLD} {NEW} {name}{capabilities}").as_bytes());
    }
    super::pktline::flush(&mut body);
    body
}

/// A refusal of the operations for which `policies` names the policy that forbids them; `None` is permitted.
fn denied(operations: Vec<Operation>, policies: &[Option<&str>]) -> Refusal {
    let verdicts: Vec<Verdict> = operations
        .into_iter()
        .zip(policies)
        .map(|(operation, policy)| Verdict {
            operation,
            allowed: policy.is_none(),
            policies: policy.iter().filter(|name| !name.is_empty()).map(|name| (*name).to_owned()).collect(),
            errors: Vec::new(),
        })
        .collect();
    let first = verdicts.iter().find(|verdict| !verdict.allowed).unwrap().clone();
    Refusal { cause: Cause::Denied(Box::new(first)), verdicts, advice: Some("open a pull request".to_owned()) }
}

fn check_answer(request: &Request, body: &[u8], refusal: &Refusal, expected: &Expect) {
    let answer = github().refuse(request, body, refusal);
    let content_type = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
    let body = answer.body.escape_ascii().to_string().replace("\\n", "\n");
    expected.assert_eq(&format!("{} {content_type}\n{body}", answer.status.as_u16()));
}

#[test]
fn a_refused_push_says_why_for_each_ref() {
    let names = ["refs/heads/main", "refs/heads/agent/fix-1", "refs/tags/v1"];
    let policies = [Some("no-push-to-main"), None, Some("")];
    for (capabilities, expected) in [
        (
            "report-status-v2 side-band-64k agent=git/2.39.5",
            expect![[r#"
                200 application/x-git-receive-pack-result
                008a\x02exeat: github:git/push on GitHub::Ref::\"acme/site@refs/heads/main\": forbidden by policy `no-push-to-main`
                exeat: open a pull request
                00e5\x01000eunpack ok
                0042ng refs/heads/main exeat: forbidden by policy no-push-to-main
                005cng refs/heads/agent/fix-1 exeat: not pushed, since another ref of this push was refused
                0030ng refs/tags/v1 exeat: no policy permits it
                00000000"#]],
        ),
        (
            "report-status",
            expect![[r#"
                200 application/x-git-receive-pack-result
                000eunpack ok
                0042ng refs/heads/main exeat: forbidden by policy no-push-to-main
                005cng refs/heads/agent/fix-1 exeat: not pushed, since another ref of this push was refused
                0030ng refs/tags/v1 exeat: no policy permits it
                0000"#]],
        ),
        (
            "",
            expect![[r#"
            403 text/plain; charset=utf-8
            exeat: github:git/push on GitHub::Ref::\"acme/site@refs/heads/main\": forbidden by policy `no-push-to-main`
            exeat: open a pull request
        "#]],
        ),
    ] {
        let body = push_body(&names, capabilities);
        let operations = understand(&github(), &push_request(), &body).unwrap();
        check_answer(&push_request(), &body, &denied(operations, &policies), &expected);
    }
}

#[test]
fn other_causes_answer_git_too() {
    let body = push_body(&["refs/heads/main"], "report-status side-band-64k");
    check_answer(
        &push_request(),
        &body,
        &Refusal::new(Cause::JournalUnavailable),
        &expect![[r#"
        200 application/x-git-receive-pack-result
        0032\x02exeat: the journal cannot record the request
        005b\x01000eunpack ok
        0044ng refs/heads/main exeat: the journal cannot record the request
        00000000"#]],
    );
    check_answer(
        &push_request(),
        b"0000",
        &Refusal::new(Cause::JournalUnavailable),
        &expect![[r#"
        200 application/x-git-receive-pack-result
    "#]],
    );
    let mut signed = Vec::new();
    super::pktline::write(&mut signed, b"push-cert\0report-status\n");
    super::pktline::flush(&mut signed);
    let cause = Unreadable::malformed("a message\nof two lines");
    check_answer(
        &push_request(),
        &signed,
        &Refusal::new(cause.clone()),
        &expect![[r#"
        200 application/x-git-receive-pack-result
        0029unpack exeat: a message of two lines
        0000"#]],
    );
    check_answer(
        &push_request(),
        b"\x1f\x8b\x08",
        &Refusal::new(cause),
        &expect![[r#"
        400 text/plain; charset=utf-8
        exeat: a message of two lines
    "#]],
    );
}

#[test]
fn fetches_and_discoveries_are_refused_in_words_that_git_shows() {
    for (method, path, expected) in [
        (
            "GET",
            "/acme/site.git/info/refs?service=git-receive-pack",
            expect![[r#"
            403 text/plain; charset=utf-8
            exeat: github:git/discover-push on GitHub::Repo::\"acme/site\": no policy permits it
            exeat: open a pull request
        "#]],
        ),
        (
            "POST",
            "/acme/site.git/git-upload-pack",
            expect![[r#"
            200 application/x-git-upload-pack-result
            006dERR exeat: github:git/fetch on GitHub::Repo::\"acme/site\": no policy permits it
            exeat: open a pull request"#]],
        ),
    ] {
        let request = request(method, "github.com", path);
        let operations = understand(&github(), &request, b"").unwrap();
        check_answer(&request, b"", &denied(operations, &[Some("")]), &expected);
    }
}

#[test]
fn the_rest_api_is_refused_in_json() {
    let request = request("DELETE", "api.github.com", "/repos/acme/site");
    let operations = understand(&github(), &request, b"").unwrap();
    check_answer(
        &request,
        b"",
        &denied(operations, &[Some("no-deletes")]),
        &expect![[r#"
            403 application/json
            {\"message\":\"exeat: github:repos/delete on GitHub::Repo::\\\"acme/site\\\": forbidden by policy `no-deletes` (open a pull request)\",\"status\":\"403\",\"exeat\":{\"code\":\"denied\",\"message\":\"exeat: github:repos/delete on GitHub::Repo::\\\"acme/site\\\": forbidden by policy `no-deletes`\",\"action\":\"github:repos/delete\",\"resource\":\"GitHub::Repo::\\\"acme/site\\\"\",\"policies\":[\"no-deletes\"],\"next\":\"open a pull request\"}}
        "#]],
    );
}
