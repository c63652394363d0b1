//! Mistakes in the state folder and on the machine.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use exeat_tests::{Scenario, run, skip};

use crate::check::{Expected, exeat, says};

fn chmod(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A scenario that ran once, so that there is a state folder, with one mistake.
async fn after_a_run(what: &str, mistake: impl FnOnce(&Scenario), expected: Expected<'_>) {
    let mut scenario = Scenario::usual().start().await;
    scenario.stop().await;
    mistake(&scenario);
    says(what, &exeat(&scenario, &["up"]).await, &expected);
    assert!(!scenario.path("state/control.sock").exists(), "{what}: a gateway is half started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_that_others_can_change_is_refused() {
    for mode in [0o770, 0o707, 0o777] {
        let mistake = |scenario: &Scenario| chmod(&scenario.path("state"), mode);
        let words = ["state", "could be changed by others", "chmod 700"];
        after_a_run(&format!("{mode:o}"), mistake, Expected { code: 2, says: &words }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_authority_that_is_exposed_or_half_there_is_refused() {
    for mode in [0o640, 0o604, 0o644] {
        let mistake = |scenario: &Scenario| chmod(&scenario.path("state/ca/ca.key"), mode);
        let words = ["others may read", "ca.key", "chmod 600"];
        after_a_run(&format!("{mode:o}"), mistake, Expected { code: 1, says: &words }).await;
    }
    for name in ["ca.key", "ca.pem"] {
        let mistake = |scenario: &Scenario| fs::remove_file(scenario.path("state/ca").join(name)).unwrap();
        let words = ["only one of `ca.pem` and `ca.key`", "put the other back"];
        after_a_run(&format!("no {name}"), mistake, Expected { code: 1, says: &words }).await;
        let mistake = |scenario: &Scenario| fs::write(scenario.path("state/ca").join(name), "nonsense").unwrap();
        let words = ["the certificate authority cannot be used"];
        after_a_run(&format!("nonsense in {name}"), mistake, Expected { code: 1, says: &words }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_on_one_state_are_refused_and_the_first_goes_on() {
    use exeat_tests::{Ask, Way};
    let scenario = Scenario::usual().start().await;
    let second = exeat(&scenario, &["up"]).await;
    says("a second gateway", &second, &Expected { code: 1, says: &["journal", "another process"] });
    for way in Way::all() {
        assert_eq!(way.send(&scenario, &Ask::get("api.example.com", "/")).await.status, Some(200), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_path_too_long_for_a_socket_is_said() {
    let scenario =
        Scenario::usual().state(&std::path::PathBuf::from(format!("/tmp/{}", "x".repeat(90)))).prepare().await;
    let ran = exeat(&scenario, &["up", "--until-idle"]).await;
    let _ = fs::remove_dir_all(scenario.state());
    says("a long path", &ran, &Expected { code: 1, says: &["control socket", "path"] });
}

#[tokio::test(flavor = "multi_thread")]
async fn without_runsc_nothing_runs_and_the_message_says_how_to_get_it() {
    let scenario = Scenario::usual().prepare().await;
    let mut named = scenario.command(&["run", "--", "true"]);
    named.env("EXEAT_RUNSC", "/no/such/runsc");
    let words = ["no `runsc` found", "/no/such/runsc", "EXEAT_RUNSC"];
    says("EXEAT_RUNSC", &run(&mut named).await, &Expected { code: 1, says: &words });
    let mut bare = scenario.command(&["run", "--", "true"]);
    bare.env_remove("EXEAT_RUNSC").env("PATH", "/no/such/folder").env("HOME", "/no/such/home");
    bare.env_remove("XDG_CACHE_HOME");
    says("PATH", &run(&mut bare).await, &Expected { code: 1, says: &["no `runsc` found", "/no/such/folder"] });
    let mut old = scenario.command(&["run", "--", "true"]);
    old.env("EXEAT_RUNSC", "/bin/true");
    says("another program", &run(&mut old).await, &Expected { code: 1, says: &["is needed", "EXEAT_RUNSC"] });
    assert!(!scenario.path("state").exists(), "nothing was started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_is_no_folder_is_said() {
    if exeat_tests::runsc().is_none() {
        return skip("runsc");
    }
    let scenario = Scenario::usual().prepare().await;
    let missing = scenario.path("missing");
    for workspace in [missing.as_path(), &scenario.path("exeat.toml")] {
        let shown = workspace.to_string_lossy();
        let ran = exeat(&scenario, &["run", "--workspace", &shown, "--", "true"]).await;
        says(&shown, &ran, &Expected { code: 2, says: &["workspace", &shown, "is not a folder", "--workspace"] });
    }
    let ran = exeat(&scenario, &["run", "--env", "EXEAT_TEST_NOT_SET", "--", "true"]).await;
    says("a variable", &ran, &Expected { code: 2, says: &["`EXEAT_TEST_NOT_SET` is not set here", "NAME=VALUE"] });
    assert!(!scenario.path("state").exists(), "nothing was started");
}
