//! A3, A6, A7: the name that is judged is the name that is dialled, and the address that it leads to is public.

use exeat_tests::{Ask, Scenario, Way, of_type, skip, text};

const HOST: &str = "api.example.com";
/// So that nothing but the address stands in the way.
const PERMIT_ALL: &str = r#"@id("test/all") permit (principal, action, resource);"#;

/// Two spellings of the host that are it, and those that have no one meaning.
const CANONICAL: [&str; 3] = ["API.Example.COM", "api.example.com.", "api.example.com"];
const ODD: [&str; 27] = [
    "api.example.com\0",
    "api.example.com\0.forbidden.example.net",
    "api.example.com%00.forbidden.example.net",
    "api%2eexample.com",
    "api.example.com..",
    ".api.example.com",
    "api..example.com",
    "user@api.example.com",
    "api.example.com@forbidden.example.net",
    "user:pass@api.example.com",
    "api.example.com\\@forbidden.example.net",
    "api.example.com,forbidden.example.net",
    "api.example.com forbidden.example.net",
    "api.example.com\tforbidden.example.net",
    "api_v2.example.com",
    "127.1",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "1.2.3.4.5",
    "[::1",
    "[::1%25lo]",
    "[127.0.0.1]",
    "::1",
    "\u{430}pi.example.com",
    "api.example.com:443:443",
];

pub(crate) async fn odd_spellings_are_refused_or_made_canonical() {
    let scenario = Scenario::with_policies(PERMIT_ALL)
        .origin(HOST, text("hello"))
        .origin("forbidden.example.net", text("no"))
        .start()
        .await;
    for way in Way::http1() {
        for spelling in CANONICAL {
            let answer = way.send(&scenario, &Ask::get(spelling, "/canonical")).await;
            // A certificate is for the canonical name; a TLS client that asks for another spelling may not like it.
            let tls_only = way.is_tunnel() && way.scheme() == "https";
            assert!(answer.status == Some(200) || tls_only, "{way}: {spelling:?}: {answer:?}");
        }
        for spelling in ODD {
            let answer = asked_by(&scenario, way, spelling).await;
            assert!(answer.is_refusal(), "{way}: {spelling:?}: {answer:?}");
        }
        for port in [":0", ":", ":+443", ":00443", ":99999", ":443x"] {
            let answer = asked_by(&scenario, way, &format!("{HOST}{port}")).await;
            assert!(answer.is_refusal(), "{way}: {port:?}: {answer:?}");
        }
    }
    let seen = scenario.all_seen();
    assert!(seen.iter().all(|seen| seen.authority == HOST && seen.target == "/canonical"), "{seen:#?}");
    assert_eq!(scenario.connections("forbidden.example.net"), 0);
    scenario.saw_what_was_journaled("odd spellings");
}

/// The spelling in every place where a client names a host: the target, and Host, so that they agree.
async fn asked_by(scenario: &Scenario, way: Way, spelling: &str) -> exeat_tests::Answer {
    if !way.is_tunnel() {
        let head = format!("GET {} HTTP/1.1\r\nHost: {spelling}\r\n{}\r\n", way.target(spelling, "/"), way.lines());
        return way.raw(scenario, spelling, head.as_bytes()).await;
    }
    let has_port = spelling.contains(':') && !spelling.starts_with('[') && !spelling.contains('@');
    let target = if has_port { spelling.to_owned() } else { format!("{spelling}:443") };
    way.connect(scenario, &target).await.err().unwrap_or_else(|| panic!("a tunnel to {spelling:?} was opened"))
}

const NOT_PUBLIC: [&str; 22] = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fec0::1]",
];

pub(crate) async fn addresses_that_are_not_public_are_refused_by_every_way() {
    let scenario = Scenario::with_policies(PERMIT_ALL).start().await;
    for way in Way::all() {
        for address in NOT_PUBLIC {
            let answer = way.send(&scenario, &Ask::get(address, "/latest/meta-data/")).await;
            assert_eq!((answer.status, answer.code().as_str()), (Some(403), "forbidden-address"), "{way}: {address}");
        }
    }
    assert_eq!(scenario.intents().len(), 0, "none of them came as far as an intent");
    assert_eq!(scenario.refusals().len(), Way::all().count() * NOT_PUBLIC.len());
}

pub(crate) async fn the_gateways_own_listener_cannot_be_reached() {
    let scenario = Scenario::with_policies(PERMIT_ALL).start().await;
    let port = scenario.listen().port();
    for way in Way::http1() {
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
            let (target, path) = (format!("{host}:{port}"), "/");
            let answer = if way.is_tunnel() {
                match way.connect(&scenario, &target).await {
                    Err(refused) => refused,
                    Ok(wire) if way.scheme() == "http" => way.send_over(wire, &Ask::get(&target, path)).await,
                    // TLS in it is ended here for the name; the name is dialled, and refused, at the first request.
                    Ok(wire) => match exeat_tests::tls(&scenario, wire, host, "http/1.1").await {
                        Ok(wire) => way.send_over(wire, &Ask::get(&target, path)).await,
                        Err(_) => continue,
                    },
                }
            } else {
                way.raw(&scenario, host, &way.bytes(&Ask::get(&target, path))).await
            };
            assert_eq!((answer.status, answer.code().as_str()), (Some(403), "forbidden-address"), "{way}: {target}");
        }
    }
    let sessions = of_type(&scenario.records(), "refusal");
    assert!(sessions.iter().all(|refusal| refusal["code"] == "forbidden-address"), "{sessions:#?}");
}

/// What it resolves to is what is checked, and a configured origin is the one exception.
pub(crate) async fn a_name_that_leads_to_a_private_address_is_refused() {
    let mut names = names_of_this_machine();
    if names.is_empty() {
        skip("a name in /etc/hosts for 127.0.0.1");
    }
    names.push("localhost".to_owned());
    let scenario = Scenario::with_policies(PERMIT_ALL).origin(HOST, text("hello")).start().await;
    for way in Way::all() {
        for name in &names {
            let answer = way.send(&scenario, &Ask::get(name, "/")).await;
            assert_eq!((answer.status, answer.code().as_str()), (Some(403), "forbidden-address"), "{way}: {name}");
        }
        assert_eq!(way.send(&scenario, &Ask::get(HOST, "/")).await.status, Some(200), "{way}: a configured origin");
    }
    assert_eq!(scenario.all_seen().len(), Way::all().count());
}

fn names_of_this_machine() -> Vec<String> {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let lines = hosts.lines().filter_map(|line| line.split('#').next()?.trim().strip_prefix("127.0.0.1"));
    let names = lines.flat_map(str::split_whitespace).filter(|name| *name != "localhost");
    names.map(str::to_owned).collect()
}
