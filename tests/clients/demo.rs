//! `exeat demo`, as whoever runs the tests and, where that is root, as a user who may do nothing.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use exeat_tests::{Ran, exeat, find, is_root, run, runsc, sandboxd, skip};
use serde_json::Value;
use tokio::process::Command;

/// The steps of the story, in order.
const STEPS: [&str; 13] = [
    "clone",
    "push-own-branch",
    "push-main",
    "push-both",
    "npm-install",
    "npm-publish-listed",
    "npm-publish-unlisted",
    "unlisted-host",
    "metadata-service",
    "without-proxy-variables",
    "no-other-way-out",
    "credentials-are-not-inside",
    "journal",
];
/// A user without a name, a group, a home or a right.
const NOBODY: u32 = 65534;

/// What the demo needs, or nothing, said loudly.
fn needs() -> Option<(PathBuf, PathBuf)> {
    let Some(runsc) = runsc() else {
        skip("runsc");
        return None;
    };
    match exeat_demo::NpmOrigin::is_available() {
        Ok(verdaccio) => Some((runsc, verdaccio)),
        Err(why) => {
            skip(&format!("verdaccio ({why})"));
            None
        }
    }
}

fn assert_story(ran: &Ran) {
    let steps: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for step in &steps {
        assert_eq!(step["ok"], true, "{step:#}");
        assert!(step["expected"].is_string() && step["observed"].is_string(), "{step:#}");
    }
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, STEPS, "{}", ran.stderr);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_goes_as_it_should() {
    if needs().is_none() {
        return;
    }
    assert_story(&run(Command::new(exeat()).args(["demo", "--output", "json"])).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_goes_as_it_should_for_a_user_without_rights() {
    let Some((runsc, verdaccio)) = needs() else { return };
    let Some(setpriv) = find("setpriv").filter(|_| is_root()) else {
        return skip("root and setpriv, to become a user without rights");
    };
    let folder = tempfile::Builder::new().prefix("xn-").tempdir_in("/tmp").unwrap();
    let path = folder.path();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    for (program, name) in [(exeat(), "exeat"), (sandboxd(), "exeat-sandboxd"), (runsc, "runsc")] {
        std::fs::copy(&program, path.join(name)).unwrap();
    }
    make_reachable(&verdaccio, path).await;
    let home = path.join("home");
    std::fs::create_dir(&home).unwrap();
    chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();

    let mut command = Command::new(setpriv);
    command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"]);
    command.arg(path.join("exeat")).args(["demo", "--output", "json"]);
    let search = std::env::join_paths([path.join("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()]);
    command.current_dir(&home).env_clear().env("PATH", search.unwrap()).env("HOME", &home);
    command.env("EXEAT_RUNSC", path.join("runsc"));
    for name in ["npm_config_registry", "NPM_CONFIG_REGISTRY"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    // npm's settings of whoever runs this, where they name a registry.
    let registry = run(Command::new("npm").args(["config", "get", "registry"])).await.stdout;
    std::fs::write(home.join(".npmrc"), format!("registry={}\n", registry.trim())).unwrap();
    assert_story(&run(&mut command).await);
}

/// Puts Verdaccio where anybody can read it: `.tools` above the home, as the demo looks for it.
async fn make_reachable(verdaccio: &Path, folder: &Path) {
    let Some(tools) = verdaccio.ancestors().find(|path| path.ends_with(".tools")) else { return };
    let mut copy = Command::new("cp");
    copy.args(["--archive", "--reflink=auto"]).arg(tools).arg(folder.join(".tools"));
    assert_eq!(run(&mut copy).await.code, 0);
    let mut open = Command::new("chmod");
    open.args(["--recursive", "a+rX"]).arg(folder.join(".tools"));
    assert_eq!(run(&mut open).await.code, 0);
}
