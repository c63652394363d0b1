//! curl, by each way that it can take.

use exeat_tests::{Ran, Scenario, TOKEN, find, handler, run, skip};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio::process::Command;

const HOST: &str = "api.example.com";
const UPLOAD: usize = 10 * 1024 * 1024;

/// A way for curl: its options, and the scheme of its URLs.
struct By(&'static str, Vec<String>, &'static str);

async fn scenario() -> Scenario {
    let answer = handler(|request: http::Request<exeat_demo::Body>| async move {
        let (path, head) = (request.uri().path().to_owned(), request.method() == http::Method::HEAD);
        let length = request.into_body().collect().await.map(|body| body.to_bytes().len()).unwrap_or_default();
        let mut response = Response::new(exeat_demo::full(format!("{length}")));
        match path.as_str() {
            "/204" => *response.status_mut() = StatusCode::NO_CONTENT,
            "/304" => *response.status_mut() = StatusCode::NOT_MODIFIED,
            _ if head => drop(response.headers_mut().insert("content-length", HeaderValue::from_static("12345"))),
            _ => return response,
        }
        *response.body_mut() = exeat_demo::empty();
        response.headers_mut().insert("etag", HeaderValue::from_static("\"v1\""));
        response
    });
    Scenario::usual().origin(HOST, answer).start().await
}

fn ways(scenario: &Scenario) -> Vec<By> {
    let proxy = format!("http://ci:{TOKEN}@{}", scenario.listen());
    let by_proxy = |more: &[&str]| {
        let options = ["--proxy", &proxy].into_iter().chain(more.iter().copied());
        options.map(str::to_owned).collect::<Vec<_>>()
    };
    let socket = scenario.socket().to_str().unwrap().to_owned();
    vec![
        By("HTTP/1.1 in a tunnel", by_proxy(&["--http1.1"]), "https"),
        By("HTTP/2 in a tunnel", by_proxy(&["--http2"]), "https"),
        By("absolute-form", by_proxy(&["--http1.1"]), "http"),
        By("plain in a tunnel", by_proxy(&["--proxytunnel"]), "http"),
        By("CONNECT of HTTP/1.0", by_proxy(&["--proxytunnel", "--proxy1.0", scenario_proxy(&proxy)]), "https"),
        By("absolute-form over the session's socket", vec!["--unix-socket".into(), socket], "http"),
    ]
}

fn scenario_proxy(proxy: &str) -> &str {
    proxy.trim_start_matches("http://")
}

async fn curl(scenario: &Scenario, By(_, options, scheme): &By, path: &str, more: &[&str]) -> Ran {
    let url = format!("{scheme}://{HOST}{path}");
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "60", "--cacert"]).arg(scenario.ca());
    command.args(options).args(["--write-out", "\n%{http_code} %{http_version}"]).args(more);
    if options.iter().any(|option| option == "--unix-socket") {
        command.args(["--request-target", &url]);
    }
    command.arg(&url).env_remove("HTTPS_PROXY").env_remove("HTTP_PROXY").env_remove("http_proxy");
    for name in ["https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "CURL_HOME"] {
        command.env_remove(name);
    }
    run(&mut command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_works_by_each_way() {
    if find("curl").is_none() {
        return skip("curl");
    }
    let scenario = scenario().await;
    for way in ways(&scenario) {
        let ask = async |path: &str, more: &[&str]| {
            let ran = curl(&scenario, &way, path, more).await;
            assert_eq!(ran.code, 0, "{}: {path} {more:?}: {}", way.0, ran.said());
            ran.stdout
        };
        let expected =
            if ["HTTP/2 in a tunnel", "CONNECT of HTTP/1.0"].contains(&way.0) { "0\n200 2" } else { "0\n200 1.1" };
        assert_eq!(ask("/a?b=c", &[]).await, expected, "{}", way.0);
        assert!(ask("/204", &[]).await.starts_with("\n204"), "{}", way.0);
        assert!(ask("/304", &["--header", "If-None-Match: \"v1\""]).await.starts_with("\n304"), "{}", way.0);
        let expecting = ["--header", "Expect: 100-continue", "--data-binary", "abc"];
        assert!(ask("/expect", &expecting).await.starts_with("3\n200"), "{}", way.0);
        assert!(ask("/compressed", &["--compressed"]).await.starts_with("0\n200"), "{}", way.0);
        let refused = curl(&scenario, &way, "/x/../y", &["--path-as-is"]).await;
        assert!(refused.stdout.contains("\"code\":\"malformed\"") && refused.stdout.contains("\n400 "), "{}", way.0);
    }
    scenario.saw_what_was_journaled("curl");
}

/// A client that asks how long something is, before it fetches it, is told.
#[tokio::test(flavor = "multi_thread")]
async fn head_keeps_its_content_length() {
    if find("curl").is_none() {
        return skip("curl");
    }
    let scenario = scenario().await;
    for way in ways(&scenario) {
        let ran = curl(&scenario, &way, "/head", &["--head"]).await;
        let head = ran.stdout.to_lowercase();
        assert!(ran.code == 0 && head.contains("\n200 "), "{}: {}", way.0, ran.said());
        assert!(head.contains("content-length: 12345"), "{}: {head}", way.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_arrives_as_it_was_sent() {
    if find("curl").is_none() {
        return skip("curl");
    }
    let scenario = scenario().await;
    let body: Vec<u8> = (0..UPLOAD).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let sha256 = hex::encode(Sha256::digest(&body));
    std::fs::write(scenario.path("upload"), &body).unwrap();
    let file = scenario.path("upload").display().to_string();
    for way in ways(&scenario) {
        for more in [
            &["--upload-file", &*file][..],
            &["--data-binary", &format!("@{file}")],
            &["--upload-file", &file, "--header", "Transfer-Encoding: chunked"],
            &["--upload-file", &file, "--header", "Expect:"],
        ] {
            let ran = curl(&scenario, &way, "/upload", more).await;
            assert!(
                ran.code == 0 && ran.stdout.starts_with(&format!("{UPLOAD}\n200")),
                "{}: {more:?}: {}",
                way.0,
                ran.said()
            );
        }
    }
    let seen = scenario.seen(HOST);
    assert_eq!(seen.len(), 4 * ways(&scenario).len());
    assert!(seen.iter().all(|seen| seen.body_sha256 == sha256 && seen.complete), "a body was changed on its way");
    let outcomes = exeat_tests::of_type(&scenario.records(), "outcome");
    assert!(outcomes.iter().all(|outcome| outcome["sent_bytes"] == UPLOAD), "{outcomes:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_says_why_it_was_refused() {
    if find("curl").is_none() {
        return skip("curl");
    }
    let scenario = scenario().await;
    for way in ways(&scenario).into_iter().filter(|way| way.0 != "absolute-form over the session's socket") {
        let mut wrong = way.1.clone();
        wrong.iter_mut().for_each(|option| *option = option.replace(TOKEN, "wrong"));
        let ran = curl(&scenario, &By(way.0, wrong, way.2), "/", &[]).await;
        assert!(ran.said().contains("407"), "{}: {}", way.0, ran.said());
    }
    assert_eq!(scenario.connections(HOST), 0);
}
