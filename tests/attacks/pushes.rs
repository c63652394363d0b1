//! C6: a push is judged ref by ref, by all of its command list.

use exeat_tests::{Answer, Ask, Scenario, Way, text};

const HOST: &str = "github.com";
const PATH: &str = "/acme/site.git/git-receive-pack";
const OLD: &str = "1111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222";
const NONE: &str = "0000000000000000000000000000000000000000";
const CAPABILITIES: &str = "report-status side-band-64k agent=git/2.50";
const TYPE: &str = "application/x-git-receive-pack-request";

/// The project's own story: pushes to agent/* only, and a forbid for main.
const STORY: &str = include_str!("../../policies/stories/coder.cedar");

async fn repository() -> Scenario {
    Scenario::with_policies(STORY).origin(HOST, text("000eunpack ok\n0000")).credential(HOST, "github:*").start().await
}

fn line(text: &[u8]) -> Vec<u8> {
    [format!("{:04x}", text.len() + 4).as_bytes(), text].concat()
}

/// Old object, new object, ref.
type Update<'a> = (&'a str, &'a str, &'a str);

/// A command list as git writes it, and the beginning of a pack.
fn push(commands: &[Update<'_>]) -> Vec<u8> {
    let lines = commands.iter().enumerate().flat_map(|(at, (old, new, name))| {
        let capabilities = if at == 0 { format!("\0 {CAPABILITIES}") } else { String::new() };
        line(format!("{old} {new} {name}{capabilities}").as_bytes())
    });
    lines.chain(*b"0000PACK\0\0\0\x02\0\0\0\0").collect()
}

fn post(body: Vec<u8>) -> Ask {
    Ask::of("POST", HOST, PATH).header("Content-Type", TYPE).body(body)
}

async fn is_refused(scenario: &Scenario, way: Way, what: &str, ask: &Ask) -> Answer {
    let before = scenario.all_seen().len();
    let answer = way.send(scenario, ask).await;
    assert_eq!(scenario.all_seen().len(), before, "{way}: {what} reached the origin");
    answer
}

/// What one ref may not, the whole push may not; git is told in report-status, for each ref.
pub(crate) async fn crafted_pushes_are_refused_ref_by_ref() {
    let scenario = repository().await;
    let agent = "refs/heads/agent/x";
    let crafted: Vec<(&str, Vec<Update<'_>>)> = vec![
        ("main", vec![(OLD, NEW, "refs/heads/main")]),
        ("delete of main", vec![(OLD, NONE, "refs/heads/main")]),
        ("create of main", vec![(NONE, NEW, "refs/heads/main")]),
        ("main second", vec![(OLD, NEW, agent), (OLD, NEW, "refs/heads/main")]),
        ("main deleted second", vec![(OLD, NEW, agent), (OLD, NONE, "refs/heads/main")]),
        ("a release", vec![(OLD, NEW, "refs/heads/release/1")]),
        ("a tag", vec![(NONE, NEW, "refs/tags/v1")]),
        ("a pull request's ref", vec![(OLD, NEW, "refs/pull/1/head")]),
        ("PACK in a ref's name", vec![(OLD, NEW, agent), (OLD, NEW, "refs/heads/PACK")]),
        ("a name that begins like one's own", vec![(OLD, NEW, "refs/heads/agentx")]),
        ("upper case", vec![(OLD, NEW, "refs/heads/Agent/x")]),
    ];
    for way in https() {
        let proper = way.send(&scenario, &post(push(&[(OLD, NEW, agent)]))).await;
        assert_eq!(proper.status, Some(200), "{way}: {}", proper.text());
        for (what, commands) in &crafted {
            let answer = is_refused(&scenario, way, what, &post(push(commands))).await;
            assert_eq!(answer.status, Some(200), "{way}: {what}: git reads a report, not a status");
            for (_, _, name) in commands {
                assert!(answer.text().contains(&format!("ng {name} ")), "{way}: {what}: {:?}", answer.text());
            }
        }
        let many: Vec<String> = (0..1_001).map(|n| format!("{agent}{n}")).collect();
        let many: Vec<_> = many.iter().map(|name| (NONE, NEW, name.as_str())).collect();
        is_refused(&scenario, way, "1,001 refs", &post(push(&many))).await;
    }
    scenario.saw_what_was_journaled("pushes");
}

/// A command list with two readings is none.
pub(crate) async fn pushes_that_cannot_be_read_are_refused() {
    let scenario = repository().await;
    let good = push(&[(OLD, NEW, "refs/heads/agent/x")]);
    let command = |name: &str| format!("{OLD} {NEW} {name}");
    let list = |lines: &[&[u8]]| [lines.iter().flat_map(|text| line(text)).collect(), b"0000PACK".to_vec()].concat();
    let own = command("refs/heads/agent/x");
    let main = command("refs/heads/main");
    let hidden = format!("{own}\0 {CAPABILITIES}\n{main}");
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("the same ref twice", push(&[(OLD, NEW, "refs/heads/agent/x"), (OLD, NONE, "refs/heads/agent/x")])),
        ("main behind the capabilities", list(&[hidden.as_bytes()])),
        ("a NUL in a later line", list(&[own.as_bytes(), format!("{main}\0x").as_bytes()])),
        ("two commands in a line", list(&[format!("{own}\n{main}").as_bytes()])),
        (
            "a delimiter packet",
            [line(own.as_bytes()), b"0001".to_vec(), line(main.as_bytes()), b"0000".to_vec()].concat(),
        ),
        ("a certificate", list(&[format!("push-cert\0 {CAPABILITIES}").as_bytes(), main.as_bytes()])),
        ("a length that is none", [b"zzzz", good.as_slice()].concat()),
        ("a length too short", [b"0003", good.as_slice()].concat()),
        ("a length too long", b"ffff0000".to_vec()),
        ("a list that does not end", line(own.as_bytes())),
        ("a body that ends in a line", good[..40].to_vec()),
        ("object ids of two lengths", push(&[(OLD, &"2".repeat(64), "refs/heads/agent/x")])),
        ("an object id in upper case", push(&[(&"A".repeat(40), NEW, "refs/heads/agent/x")])),
        ("no ref at all", push(&[(OLD, NEW, "main")])),
        ("dots", push(&[(OLD, NEW, "refs/heads/agent/../main")])),
        ("a space in a name", push(&[(OLD, NEW, "refs/heads/agent/x main")])),
        ("bytes that are no UTF-8", list(&[&[own.as_bytes(), b"\xff"].concat()])),
    ];
    for way in https() {
        for (what, body) in &bodies {
            let answer = is_refused(&scenario, way, what, &post(body.clone())).await;
            assert!(is_told(&answer), "{way}: {what}: {}", answer.text());
        }
        let gzip = post(good.clone()).header("Content-Encoding", "gzip");
        let mut mistyped = post(good.clone());
        mistyped.headers[0].1 = "application/octet-stream".to_owned();
        for (what, ask) in [("gzip", gzip), ("another type", mistyped)] {
            let answer = is_refused(&scenario, way, what, &ask).await;
            assert!(is_told(&answer), "{way}: {what}: {answer:?}");
        }
        let dumb = Ask::of("PUT", HOST, "/acme/site.git/objects/pack/pack-1.pack").body("PACK");
        assert_eq!(is_refused(&scenario, way, "the dumb protocol", &dumb).await.status, Some(403), "{way}");
    }
    assert_eq!(scenario.all_connections(), 0);
}

/// By a status, or in the words that git reads.
fn is_told(answer: &Answer) -> bool {
    answer.is_refusal() || ["unpack exeat: ", "ng refs/"].iter().any(|words| answer.text().contains(words))
}

fn https() -> impl Iterator<Item = Way> {
    Way::all().filter(|way| way.scheme() == "https")
}
