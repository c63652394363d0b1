//! B6, B7, D1, D3, D5: credentials are the gateway's to add, once, and nobody else's.

use exeat_demo::{Seen, empty};
use exeat_tests::{Ask, CREDENTIAL, Scenario, TOKEN, Way, handler};
use tokio::io::AsyncWriteExt;

const HOST: &str = "api.example.com";

async fn with_credential() -> Scenario {
    Scenario::usual().credential(HOST, "http:*").start().await
}

fn authorizations(seen: &Seen) -> Vec<&str> {
    let authorizing = ["authorization", "proxy-authorization", "x-api-key", "x_api_key"];
    let headers = seen.headers.iter().filter(|(name, _)| authorizing.contains(&name.as_str()));
    headers.map(|(_, value)| value.as_str()).collect()
}

/// By HTTPS each request carried the gateway's credential, once, and nothing else; by plain HTTP nothing.
fn assert_credentials_are_the_gateways(scenario: &Scenario) {
    for seen in scenario.seen(HOST) {
        let expected = if seen.server_name.is_some() { vec![format!("Bearer {CREDENTIAL}")] } else { Vec::new() };
        assert_eq!(authorizations(&seen), expected, "{seen:?}");
    }
}

pub(crate) async fn connection_cannot_take_the_credential_away() {
    let scenario = with_credential().await;
    let mut asked = 0;
    for way in Way::http1() {
        for options in ["authorization", "Authorization, X-Api-Key", "close, authorization", "keep-alive,authorization"]
        {
            let answer = way.send(&scenario, &Ask::get(HOST, "/").header("Connection", options)).await;
            assert_eq!(answer.status, Some(200), "{way}: {options}");
            asked += 1;
        }
    }
    assert_eq!(scenario.seen(HOST).len(), asked);
    assert_credentials_are_the_gateways(&scenario);
}

pub(crate) async fn aliases_and_duplicates_of_credentials_reach_nobody() {
    let scenario = with_credential().await;
    for way in Way::all() {
        for alias in ["x_api_key", "proxy_authorization", "http_authorization", "authorization_"] {
            let answer = way.send(&scenario, &Ask::get(HOST, "/").header(alias, "mine")).await;
            assert!(answer.is_refusal(), "{way}: {alias}: {answer:?}");
        }
        assert_eq!(scenario.seen(HOST).iter().filter(|seen| seen.target == "/").count(), 0);
        let own = Ask::get(HOST, "/own").header("authorization", "Bearer mine");
        assert_eq!(way.send(&scenario, &own).await.status, Some(200), "{way}");
        let twice = own.clone().header("authorization", "Basic bWluZTptaW5l");
        assert_eq!(way.send(&scenario, &twice).await.status, Some(200), "{way}");
    }
    assert_eq!(scenario.seen(HOST).len(), 2 * Way::all().count());
    assert_credentials_are_the_gateways(&scenario);
    let text = format!("{:?}", scenario.seen(HOST));
    assert!(!text.contains("mine") && !text.contains("bWluZTptaW5l") && !text.contains(TOKEN), "{text}");
}

pub(crate) async fn a_redirect_is_relayed_without_the_secret() {
    const ELSEWHERE: &str = "https://forbidden.example.net/steal?x=1";
    let redirect = handler(|_| async {
        let mut response = http::Response::new(empty());
        *response.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert("location", http::HeaderValue::from_static(ELSEWHERE));
        response
    });
    let scenario = Scenario::usual().origin(HOST, redirect).credential(HOST, "http:*").start().await;
    for way in Way::all() {
        let answer = way.send(&scenario, &Ask::get(HOST, "/redirect")).await;
        assert_eq!((answer.status, answer.header("location")), (Some(307), Some(ELSEWHERE)), "{way}");
        assert!(!format!("{answer:?}").contains(CREDENTIAL), "{way}: {answer:?}");
        // The client follows, as it would, with what it has.
        let followed = way.send(&scenario, &Ask::get("forbidden.example.net", "/steal?x=1")).await;
        assert_eq!(followed.status, Some(403), "{way}");
    }
    assert_eq!(scenario.seen(HOST).len(), Way::all().count());
    assert_eq!(scenario.connections("forbidden.example.net"), 0);
}

pub(crate) async fn a_placeholder_in_the_wrong_place_is_refused() {
    const PLACEHOLDER: &str = "exeat_placeholder_canary";
    let scenario = with_credential().await;
    for way in Way::all() {
        let misplaced = [
            Ask::get(HOST, &format!("/?token={PLACEHOLDER}")),
            Ask::get(HOST, &format!("/{PLACEHOLDER}/x")),
            Ask::get(HOST, "/").header("x-other", PLACEHOLDER),
            Ask::get(HOST, "/").header("cookie", &format!("a=b; session={PLACEHOLDER}")),
            Ask::get(HOST, "/").header("user-agent", &format!("x {PLACEHOLDER}")),
        ];
        for ask in misplaced {
            let answer = way.send(&scenario, &ask).await;
            let found = (answer.status, answer.code());
            assert_eq!(found, (Some(400), "misplaced-placeholder".to_owned()), "{way}: {ask:?}");
        }
    }
    assert_eq!(scenario.all_connections(), 0);
    for way in Way::all() {
        let right = Ask::get(HOST, "/right").header("authorization", &format!("Bearer {PLACEHOLDER}"));
        assert_eq!(way.send(&scenario, &right).await.status, Some(200), "{way}");
    }
    assert_credentials_are_the_gateways(&scenario);
    assert!(!format!("{:?}", scenario.all_seen()).contains(PLACEHOLDER));
}

/// Over TCP a session's token is the identity; over the socket, the socket is, whatever is shown besides.
pub(crate) async fn nobody_comes_in_without_a_token_of_their_own() {
    let scenario = with_credential().await;
    let tokens = [
        "",
        "Proxy-Authorization: Bearer wrong\r\n",
        "Proxy-Authorization: Basic Y2k6d3Jvbmc=\r\n",
        "Proxy-Authorization: Bearer \r\n",
        "Proxy-Authorization: Basic !!!\r\n",
        &format!("Authorization: Bearer {TOKEN}\r\n"),
        &format!("Proxy-Authorization: Digest {TOKEN}\r\n"),
        &format!("Proxy-Authorization: Bearer {TOKEN}x\r\n"),
        &format!("Proxy-Authorization: Bearer {TOKEN}\r\nProxy-Authorization: Bearer wrong\r\n"),
    ];
    let heads = [
        format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n"),
        format!("GET https://{HOST}/ HTTP/1.1\r\nHost: {HOST}\r\n"),
        format!("GET http://{HOST}/ HTTP/1.1\r\nHost: {HOST}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n"),
        // An introduction.
        "CONNECT exeat.local:3128 HTTP/1.1\r\nHost: exeat.local:3128\r\n".to_owned(),
    ];
    for head in &heads {
        for token in tokens {
            let mut wire = Way::usual().dial(&scenario).await.unwrap();
            wire.write_all(format!("{head}{token}\r\n").as_bytes()).await.unwrap();
            let answer = exeat_tests::read_answer(&mut wire, "GET").await;
            assert_eq!(answer.status, Some(407), "{head}{token}");
            assert!(answer.header("proxy-authenticate").is_some());
        }
    }
    assert_eq!(scenario.all_connections(), 0);
    let refusals = scenario.refusals();
    assert_eq!(refusals.len(), heads.len() * tokens.len());
    assert!(refusals.iter().all(|refusal| refusal["code"] == "unidentified" && refusal["session"].is_null()));
    // What is shown later changes neither who comes by the socket nor who has introduced himself.
    for token in [TOKEN, "wrong"] {
        let ask = Ask::get(HOST, "/").header("proxy-authorization", &format!("Bearer {token}"));
        for way in Way::http1().filter(|way| way.lines().is_empty() && !way.is_tunnel()) {
            assert_eq!(way.send(&scenario, &ask).await.status, Some(200), "{way}");
        }
    }
    let own = scenario.session().opened.id.clone();
    let intents = scenario.intents();
    let of = |session: &str| intents.iter().filter(|intent| intent["session"] == session).count();
    assert_eq!((of(&own), of("ci"), intents.len()), (4, 4, 8));
    // Introductions do not nest: within one, it is a tunnel to a host of that name, and nobody's proxy.
    for way in Way::http1().filter(|way| way.lines().is_empty() && !way.is_tunnel()) {
        let mut wire = way.dial(&scenario).await.unwrap();
        wire.write_all(b"CONNECT exeat.local:3128 HTTP/1.1\r\nHost: exeat.local:3128\r\n\r\n").await.unwrap();
        assert_eq!(exeat_tests::read_answer(&mut wire, "CONNECT").await.status, Some(200), "{way}");
        wire.write_all(format!("GET http://{HOST}/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
        assert_eq!(exeat_tests::read_answer(&mut wire, "GET").await.status, Some(421), "{way}");
    }
}
