//! A1, A2, A4: one request names one destination, in every place and by every way.

use exeat_tests::{Answer, Ask, Scenario, Way, tls};
use tokio::io::AsyncWriteExt;

const ALLOWED: &str = "api.example.com";
const FORBIDDEN: &str = "forbidden.example.net";
const NAMES: [&str; 2] = [ALLOWED, FORBIDDEN];

/// Every permutation of CONNECT, SNI and Host (or `:authority`): all three agree, or nothing is dialled.
pub(crate) async fn tunnel_names_that_disagree_reach_nobody() {
    let scenario = Scenario::usual().start().await;
    let mut passed = 0;
    for way in Way::all().filter(|way| way.is_tunnel()) {
        for (connect, sni, host) in permutations() {
            let answer = through(&scenario, way, connect, sni, host).await;
            let plain = way.scheme() == "http";
            let context = format!("{way}: CONNECT {connect}, SNI {sni}, Host {host}: {answer:?}");
            match connect == host && (plain || connect == sni) {
                true if connect == ALLOWED => {
                    assert_eq!(answer.status, Some(200), "{context}");
                    passed += 1;
                }
                true => assert_eq!(answer.status, Some(403), "{context}"),
                false => assert!(matches!(answer.status, None | Some(421)), "{context}"),
            }
            assert_eq!(scenario.seen(ALLOWED).len(), passed, "{context}");
        }
    }
    assert_eq!(scenario.connections(FORBIDDEN), 0);
    scenario.saw_what_was_journaled("fronting");
}

fn permutations() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    NAMES.into_iter().flat_map(|a| NAMES.into_iter().flat_map(move |b| NAMES.into_iter().map(move |c| (a, b, c))))
}

async fn through(scenario: &Scenario, way: Way, connect: &str, sni: &str, host: &str) -> Answer {
    let port = if way.scheme() == "http" { 80 } else { 443 };
    let wire = way.connect(scenario, &format!("{connect}:{port}")).await.unwrap();
    let ask = Ask::get(host, "/");
    if way.scheme() == "http" {
        return way.send_over(wire, &ask).await;
    }
    let protocol = if Way::http2().any(|h2| h2 == way) { "h2" } else { "http/1.1" };
    match tls(scenario, wire, sni, protocol).await {
        Ok(wire) => way.send_over(wire, &ask).await,
        Err(_) => Answer::closed(),
    }
}

/// A second stream on a connection that is for another name: refused, and the connection stays usable.
pub(crate) async fn a_coalesced_stream_for_another_name_is_misdirected() {
    let scenario = Scenario::usual().start().await;
    let ways: Vec<Way> = Way::http2().filter(|way| way.is_tunnel()).collect();
    for way in &ways {
        let wire = way.open(&scenario, ALLOWED).await.unwrap();
        let (client, connection) = h2::client::handshake(wire).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut statuses = Vec::new();
        for host in [ALLOWED, FORBIDDEN, ALLOWED] {
            let request = http::Request::get(format!("https://{host}/")).body(()).unwrap();
            let (response, _) = client.clone().ready().await.unwrap().send_request(request, true).unwrap();
            statuses.push(response.await.unwrap().status().as_u16());
        }
        assert_eq!(statuses, [200, 421, 200], "{way}");
        connection.abort();
    }
    assert_eq!(scenario.connections(FORBIDDEN), 0);
    assert_eq!(scenario.seen(ALLOWED).len(), 2 * ways.len());
}

pub(crate) async fn an_absolute_uri_that_disagrees_with_host_is_refused() {
    let scenario = Scenario::usual().start().await;
    for way in Way::http1().filter(|way| !way.is_tunnel()) {
        for (uri, host) in [(ALLOWED, FORBIDDEN), (FORBIDDEN, ALLOWED), (ALLOWED, "api.example.com:8443")] {
            let head = format!("GET {} HTTP/1.1\r\nHost: {host}\r\n{}\r\n", way.target(uri, "/"), way.lines());
            let answer = way.raw(&scenario, ALLOWED, head.as_bytes()).await;
            assert!(matches!(answer.status, Some(400 | 421)), "{way}: {uri} and {host}: {answer:?}");
        }
    }
    assert_eq!(scenario.all_connections(), 0);
}

pub(crate) async fn an_absolute_uri_in_a_tunnel_is_refused() {
    let scenario = Scenario::usual().start().await;
    for way in Way::http1().filter(|way| way.is_tunnel()) {
        for name in NAMES {
            let head = format!("GET https://{name}/ HTTP/1.1\r\nHost: {ALLOWED}\r\n\r\n");
            let answer = way.raw(&scenario, ALLOWED, head.as_bytes()).await;
            assert!(matches!(answer.status, Some(400 | 421)), "{way}: {name}: {answer:?}");
        }
        // A tunnel in a tunnel, to where the first one may not go.
        let mut wire = way.open(&scenario, ALLOWED).await.unwrap();
        let nested = format!("CONNECT {FORBIDDEN}:443 HTTP/1.1\r\nHost: {FORBIDDEN}:443\r\n\r\n");
        wire.write_all(nested.as_bytes()).await.unwrap();
        let answer = exeat_tests::read_answer(&mut wire, "CONNECT").await;
        assert!(answer.is_refusal(), "{way}: {answer:?}");
    }
    assert_eq!(scenario.all_connections(), 0);
}

/// The same request by every way: the same status, the same code, and at the origin the same request.
pub(crate) async fn every_way_gives_the_same_verdict() {
    let scenario = Scenario::usual().start().await;
    for way in Way::all() {
        let allowed = way.send(&scenario, &Ask::get(ALLOWED, "/a?b=c")).await;
        assert_eq!((allowed.status, allowed.text().as_str()), (Some(200), "hello"), "{way}");
        let written = way.send(&scenario, &Ask::of("POST", ALLOWED, "/a").body("x=1")).await;
        assert_eq!(written.status, Some(200), "{way}");
        for method in ["GET", "POST", "DELETE"] {
            let mut ask = Ask::of(method, FORBIDDEN, "/a");
            ask.body = (method == "POST").then(|| b"x=1".to_vec());
            let refused = way.send(&scenario, &ask).await;
            assert_eq!((refused.status, refused.code().as_str()), (Some(403), "denied"), "{way}: {method}");
        }
    }
    let seen = scenario.seen(ALLOWED);
    assert_eq!(seen.iter().filter(|seen| seen.method == "GET" && seen.target == "/a?b=c").count(), Way::all().count());
    assert_eq!(
        seen.iter().filter(|seen| seen.method == "POST" && &seen.body[..] == b"x=1").count(),
        Way::all().count()
    );
    assert_eq!(scenario.connections(FORBIDDEN), 0);
    assert_eq!(scenario.refusals().len(), 3 * Way::all().count());
    scenario.saw_what_was_journaled("all ways");
}
