//! What a sandbox can see and write, and what comes back from its command.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod scene;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use scene::scene;

#[test]
fn the_exit_code_is_the_commands() {
    let Some(scene) = scene() else { return };
    for (command, code) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "exit 128"], 128),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["no-such-command"], 127),
        (&["/etc/passwd"], 126),
    ] {
        let output = scene.sandbox(command).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{command:?}: {output:?}");
    }
    assert_eq!(scene.leftovers(), [""; 0]);
}

#[test]
fn what_cannot_be_run_is_said_and_leaves_nothing() {
    let Some(scene) = scene() else { return };
    fs::remove_dir(scene.workspace("")).unwrap();
    let output = scene.sandbox(&["true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not exist"), "{output:?}");
    assert_eq!(scene.leftovers(), [""; 0]);
}

#[test]
fn what_fails_before_the_command_is_an_error_with_its_reason() {
    let Some(scene) = scene() else { return };
    // A sandboxd that is no program, and a socket's folder that is there: gVisor starts, and its first process does not.
    let bogus = scene.path().join("workspace/bogus");
    fs::write(&bogus, "no program").unwrap();
    fs::set_permissions(&bogus, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = scene.sandbox(&["true"]).env("EXEAT_SANDBOXD", &bogus).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("sandbox: runsc failed: "), "{output:?}");
    assert_eq!(scene.leftovers(), [""; 0]);
}

#[test]
fn output_and_errors_stay_apart_and_bytes_stay_as_they_are() {
    let Some(scene) = scene() else { return };
    let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let mut child = scene
        .sandbox(&["sh", "-c", "echo problem >&2; cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.stdout == bytes, "{} bytes of {}", output.stdout.len(), bytes.len());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "problem\n");
}

#[test]
fn files_as_standard_streams_are_continued_where_they_are() {
    let Some(scene) = scene() else { return };
    let path = scene.path().join("workspace/log");
    let mut log = File::create(&path).unwrap();
    log.write_all(b"before\n").unwrap();
    let mut sandbox = scene.sandbox(&["sh", "-c", "echo one; echo two >&2; echo three"]);
    sandbox.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap());
    assert!(sandbox.status().unwrap().success());
    log.write_all(b"after\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before\none\ntwo\nthree\nafter\n");
}

#[test]
fn the_workspace_is_the_callers_own() {
    let Some(scene) = scene() else { return };
    fs::write(scene.workspace("from-outside"), "hello").unwrap();
    let seen = scene.says("pwd; cat from-outside; mkdir -p a/b; echo made > a/b/c; stat -c ' %U' a/b/c");
    assert_eq!(seen, "/workspace\nhello root\n");
    assert_eq!(fs::read_to_string(scene.workspace("a/b/c")).unwrap(), "made\n");
    let owner = |path: &str| fs::metadata(scene.workspace(path)).unwrap().uid();
    assert_eq!(owner("a/b/c"), owner("from-outside"));
}

#[test]
fn the_hosts_tools_are_read_only_and_the_rest_is_in_memory() {
    let Some(scene) = scene() else { return };
    let script = "for f in /usr/x /usr/bin/x /run/exeat/x; do touch $f 2>/dev/null && echo wrote $f; done; \
                  for f in /tmp/x /var/tmp/x /root/x /run/x /etc/x /x; do touch $f || echo cannot write $f; done; \
                  rm -rf /etc/alternatives /etc/services; echo done";
    assert_eq!(scene.says(script), "done\n");
    assert!(fs::exists("/etc/services").unwrap() || !fs::exists("/etc").unwrap());
}

#[test]
fn nothing_of_the_users_home_accounts_or_environment_is_inside() {
    let Some(scene) = scene() else { return };
    let script = "ls -A /root /home; cat /root/.config/example; echo; cut -d: -f1 /etc/passwd | xargs; \
                  ls /etc/shadow /etc/ssh /etc/machine-id /var/lib/dpkg 2>/dev/null; \
                  env | grep -c -e CANARY -e CARGO_MANIFEST; echo $EXAMPLE $HOME; hostname";
    let output = scene.sandbox(&["bash", "-c", script]).env("CANARY", "secret").output().unwrap();
    let seen = String::from_utf8(output.stdout).unwrap();
    assert_eq!(seen, "/home:\n\n/root:\n.config\nin the home\nroot agent nobody\n0\nof its own /root\nsandbox\n");
}

#[test]
fn the_gateways_ca_is_in_the_bundle_that_tools_read() {
    let Some(scene) = scene() else { return };
    let script = "for v in SSL_CERT_FILE REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS GIT_SSL_CAINFO CARGO_HTTP_CAINFO \
                  PIP_CERT AWS_CA_BUNDLE CURL_CA_BUNDLE DENO_CERT; do head -n1 ${!v}; done | sort -u";
    assert_eq!(scene.says(script), "THE GATEWAY'S CA\n");
}

#[test]
fn the_hosts_languages_and_git_work() {
    let Some(scene) = scene() else { return };
    for (program, script, expected) in [
        (
            "git",
            "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --format=%s",
            "x\n",
        ),
        ("python3", "/usr/bin/python3 -c 'import ssl, json; print(json.dumps([1]))'", "[1]\n"),
        ("node", "/usr/bin/node -p '1 + 1'", "2\n"),
    ] {
        if fs::exists(format!("/usr/bin/{program}")).unwrap() {
            assert_eq!(scene.says(script), expected);
        }
    }
}

#[test]
fn orphans_are_reaped_and_end_with_the_command() {
    let Some(scene) = scene() else { return };
    let script = "for i in 1 2 3 4 5; do (sleep 0.05 &) ; done; (sleep 600 &); sleep 0.5; ps -e -o stat= | grep -c Z";
    let output = scene.shell(script);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "0\n");
}
