//! `exeat run`: the command's own exit code, and tools inside that know nothing of a proxy.

use exeat_tests::{Scenario, runsc, skip};

const HOST: &str = "api.example.com";

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_is_the_commands_own() {
    if runsc().is_none() {
        return skip("runsc");
    }
    let scenario = Scenario::usual().start().await;
    let workspace = tempfile::tempdir().unwrap();
    let folder = workspace.path().to_str().unwrap();
    let cases: [(&[&str], i32); 8] = [
        (&["true"], 0),
        (&["false"], 1),
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "exit 255"], 255),
        (&["sh", "-c", "kill -KILL $$"], 128 + 9),
        (&["sh", "-c", "kill -TERM $$"], 128 + 15),
        (&["no-such-command"], 127),
        (&["/etc/hostname"], 126),
    ];
    for (command, code) in cases {
        let arguments = [&["run", "--workspace", folder, "--"], command].concat();
        let ran = scenario.exeat(&arguments).await;
        assert_eq!(ran.code, code, "{command:?}: {}", ran.said());
    }
    let script = "cat; echo out; echo err >&2; echo $GREETING; pwd; echo made > file";
    let arguments = ["run", "--workspace", folder, "--env", "GREETING=hello there", "--", "sh", "-c", script];
    let ran = scenario.exeat(&arguments).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "out\nhello there\n/workspace\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("err"));
    assert_eq!(std::fs::read_to_string(workspace.path().join("file")).unwrap(), "made\n");
}

/// Each prints one line that ends in the status, for a host that is permitted and for one that is not.
const SCRIPTS: [(&str, &str); 5] = [
    ("curl", "curl -sS -o /dev/null -w '%{http_code}\\n' $URL"),
    ("curl", "curl -sS -o /dev/null -w '%{http_code}\\n' --noproxy '*' $URL"),
    ("node", "node -e 'fetch(process.env.URL).then(r => console.log(r.status))'"),
    (
        "python3",
        "python3 -c 'import os, urllib.request, urllib.error\ntry: print(urllib.request.urlopen(os.environ[\"URL\"]).status)\n\
         except urllib.error.HTTPError as e: print(e.code)'",
    ),
    ("wget", "wget -q -S -O /dev/null $URL 2>&1 | sed -n 's|^ *HTTP/[0-9.]* \\([0-9]*\\).*|\\1|p' | tail -n 1"),
];

#[tokio::test(flavor = "multi_thread")]
async fn tools_inside_work_and_are_refused_with_and_without_a_proxy() {
    if runsc().is_none() {
        return skip("runsc");
    }
    let scenario = Scenario::usual().start().await;
    let workspace = tempfile::tempdir().unwrap();
    let mut asked = 0;
    for (program, script) in SCRIPTS {
        // Node's shims are no programs: what counts is what the sandbox has.
        if !std::path::Path::new("/usr/bin").join(program).exists() {
            skip(program);
            continue;
        }
        for proxy in ["", "unset HTTPS_PROXY HTTP_PROXY ALL_PROXY https_proxy http_proxy all_proxy; "] {
            for scheme in ["https", "http"] {
                let (allowed, refused) =
                    (format!("{scheme}://{HOST}/in"), format!("{scheme}://forbidden.example.net/"));
                let script = format!(
                    "{proxy}export PATH=/usr/bin:/bin; URL={allowed}; export URL; {script}; URL={refused}; {script}"
                );
                let folder = workspace.path().to_str().unwrap();
                let ran = scenario.exeat(&["run", "--workspace", folder, "--", "sh", "-c", &script]).await;
                assert_eq!(ran.stdout, "200\n403\n", "{script}: {}", ran.stderr);
                asked += 1;
            }
        }
    }
    assert_eq!(scenario.seen(HOST).len(), asked);
    assert_eq!(scenario.connections("forbidden.example.net"), 0);
    scenario.saw_what_was_journaled("tools in a sandbox");
}
