//! What is said on a machine that permits no namespaces.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod scene;

use std::io::Write;
use std::process::Command;

use scene::scene;

#[test]
fn a_host_without_namespaces_is_told_which_setting_to_change() {
    let Some(scene) = scene() else { return };
    let sandbox = scene.sandbox(&["true"]);
    let script = "echo 0 > /proc/sys/user/max_user_namespaces || exit 99; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", script, "sh"]).arg(sandbox.get_program());
    command.args(sandbox.get_args()).envs(sandbox.get_envs().map(|(name, value)| (name, value.unwrap())));
    let Ok(output) = command.output() else {
        let _ = writeln!(std::io::stderr(), "skipped: needs unshare");
        return;
    };
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no namespaces") && said.contains("sysctl -w user.max_user_namespaces="), "{said}");
    assert_eq!(scene.leftovers(), [""; 0]);
}
