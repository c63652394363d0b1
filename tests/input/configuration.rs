//! Mistakes in exeat.toml, in what it names, and in how `exeat` is called.

use exeat_tests::{Scenario, run};
use tokio::process::Command;

use crate::check::{Expected, append, check, exeat, replace, says};

#[tokio::test]
async fn a_mistake_in_the_configuration_is_named_with_its_place() {
    let cases: [(&str, &str, &[&str]); 12] = [
        ("an unknown section", "[gatewya]\nlisten = \"x\"", &["exeat.toml", "gatewya", "unknown field", "line"]),
        ("an unknown key", "[sandbox]\nprofil = \"coder\"", &["exeat.toml", "profil", "unknown field", "expected"]),
        ("a key of the wrong type", "[sandbox]\nteams = 7", &["exeat.toml", "teams", "invalid type"]),
        ("no TOML", "[[[", &["exeat.toml", "line"]),
        (
            "a credential without hosts",
            "[[credential]]\nname = \"x\"\nsource = { env = \"X\" }\ninject = \"bearer\"\nhosts = []\nactions = [\"read\"]",
            &["credential `x`", "`hosts`", "empty"],
        ),
        (
            "a credential for an action that is none",
            "[[credential]]\nname = \"x\"\nsource = { env = \"X\" }\ninject = \"bearer\"\nhosts = [\"a.example\"]\nactions = [\"reed\"]",
            &["credential `x`", "`reed`", "group"],
        ),
        (
            "a credential in a header that frames",
            "[[credential]]\nname = \"x\"\nsource = { env = \"X\" }\ninject = { header = { name = \"host\" } }\nhosts = [\"a.example\"]\nactions = [\"read\"]",
            &["credential `x`", "`inject`"],
        ),
        (
            "a credential's source of an unknown kind",
            "[[credential]]\nname = \"x\"\nsource = { vault = \"X\" }\ninject = \"bearer\"\nhosts = [\"a.example\"]\nactions = [\"read\"]",
            &["exeat.toml", "vault", "unknown variant"],
        ),
        ("an origin that is no host", "[[origin]]\nhost = \"127.1\"", &["`[[origin]]`", "`127.1`", "IPv4"]),
        ("an origin's CA that is not there", "[[origin]]\nhost = \"a.example\"\nca = \"no.pem\"", &["no.pem"]),
        ("an origin's CA that is none", "[[origin]]\nhost = \"a.example\"\nca = \"token\"", &["token", "certificate"]),
        ("a registry that is no host", "[integrations.npm]\nhosts = [\"https://a b\"]", &["a b"]),
    ];
    for (what, text, words) in cases {
        check(what, |scenario| append(scenario, text), &["up"], Expected { code: 2, says: words }).await;
    }
}

#[tokio::test]
async fn a_credential_that_cannot_be_had_shows_at_the_start() {
    let credential = |source: &str| {
        format!(
            "[[credential]]\nname = \"deploy\"\nsource = {source}\ninject = \"bearer\"\nhosts = [\"a.example\"]\nactions = [\"read\"]"
        )
    };
    let cases: [(&str, &str, &[&str]); 6] = [
        ("a variable", "{ env = \"EXEAT_TEST_NOT_SET\" }", &["`EXEAT_TEST_NOT_SET` is not set"]),
        ("a file", "{ file = \"no/such/file\" }", &["no/such/file", "No such file"]),
        ("an empty file", "{ file = \"empty\" }", &["gave nothing"]),
        ("a command that is not there", "{ command = [\"no-such-command\"] }", &["`no-such-command` cannot be run"]),
        ("a command that fails", "{ command = [\"false\"] }", &["`false` failed", "exit status: 1"]),
        (
            "a command that prints too much",
            "{ command = [\"head\", \"-c\", \"20000\", \"/dev/zero\"] }",
            &["longer than"],
        ),
    ];
    for (what, source, words) in cases {
        let mistake = |scenario: &Scenario| {
            std::fs::write(scenario.path("empty"), "\n").unwrap();
            append(scenario, &credential(source));
        };
        let words: Vec<_> = ["credential `deploy`", "[[credential]]"].iter().chain(words).copied().collect();
        check(what, mistake, &["up"], Expected { code: 1, says: &words }).await;
    }
    // A session's token comes from the same sources.
    let mistake = |scenario: &Scenario| replace(scenario, "{ file = \"token\" }", "{ env = \"EXEAT_TEST_NOT_SET\" }");
    let scenario = Scenario::usual().prepare().await;
    mistake(&scenario);
    let ran = exeat(&scenario, &["up"]).await;
    says("a session's token", &ran, &Expected { code: 1, says: &["EXEAT_TEST_NOT_SET", "is not set"] });
    assert!(!scenario.path("state/control.sock").exists(), "a gateway is half started");
}

#[tokio::test]
async fn a_port_in_use_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mistake = |scenario: &Scenario| replace(scenario, "127.0.0.1:0", &address);
    let words = [&*format!("`{address}`"), "in use", "listen"];
    check("a port in use", mistake, &["up"], Expected { code: 1, says: &words }).await;
}

#[tokio::test]
async fn without_a_configuration_the_message_names_init() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["up"][..], &["run", "--", "true"], &["audit", "list"], &["policy", "check"]] {
        let mut command = Command::new(exeat_tests::exeat());
        command.args(arguments).current_dir(folder.path()).env("HOME", folder.path()).env("NO_COLOR", "1");
        command.env_remove("XDG_CONFIG_HOME").env_remove("EXEAT_CONFIG");
        let ran = run(&mut command).await;
        says(&format!("{arguments:?}"), &ran, &Expected { code: 2, says: &["exeat.toml", "exeat init"] });
    }
    let named = |scenario: &Scenario| std::fs::remove_file(scenario.path("exeat.toml")).unwrap();
    check("a file that is not there", named, &["up"], Expected { code: 2, says: &["exeat.toml", "cannot be read"] })
        .await;
}

#[tokio::test]
async fn init_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let init = || {
        let mut command = Command::new(exeat_tests::exeat());
        command.args(["init", "--repository", "acme/site"]).current_dir(folder.path()).env("NO_COLOR", "1");
        command
    };
    let first = run(&mut init()).await;
    assert_eq!(first.code, 0, "{}", first.said());
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    std::fs::write(folder.path().join("exeat.toml"), format!("# mine\n{}", read("exeat.toml"))).unwrap();
    let before = [read("exeat.toml"), read("policies/base.cedar"), read("policies/coder.cedar")];
    let again = Expected { code: 2, says: &["exeat.toml", "is there already", "exeat init DIR"] };
    says("a second init", &run(&mut init()).await, &again);
    std::fs::remove_file(folder.path().join("exeat.toml")).unwrap();
    let partly = Expected { code: 2, says: &["base.cedar", "is there already"] };
    says("a second init, with the policies left", &run(&mut init()).await, &partly);
    assert!(!folder.path().join("exeat.toml").exists(), "all or nothing");
    assert_eq!(before[1..], [read("policies/base.cedar"), read("policies/coder.cedar")]);
    std::fs::write(folder.path().join("exeat.toml"), &before[0]).unwrap();
    let mut checked = Command::new(exeat_tests::exeat());
    checked.args(["policy", "check"]).current_dir(folder.path());
    assert_eq!(run(&mut checked).await.code, 0, "what init writes is valid");
    let mut command = init();
    command.args(["elsewhere", "--repository", "not a repository"]);
    assert_eq!(run(&mut command).await.code, 2);
}

#[tokio::test]
async fn wrong_usage_ends_with_2() {
    let scenario = Scenario::usual().prepare().await;
    for arguments in [
        &["frobnicate"][..],
        &["up", "--frobnicate"],
        &["run"],
        &["audit", "list", "--decision", "perhaps"],
        &["audit", "list", "--since", "yesterday"],
        &["audit", "show", "x"],
        &["--output", "yaml", "audit", "list"],
    ] {
        let ran = exeat(&scenario, arguments).await;
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.said());
        assert!(!ran.stderr.is_empty());
    }
}
