//! Files: what is told of each, what is summed up, and that hostile ones do no harm.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use exeat_changes::{Content, How, Listener, Observed, Options, Process, Side, compare};
use exeat_disks::Tree;
use expect_test::expect;
use support::{States, check};

#[test]
fn nothing() {
    let states = States::new();
    states.both("etc/same", "same\n");
    states.check(&expect![[r#"
        nothing has changed
    "#]]);
}

#[test]
fn kinds_modes_contents_and_renames() {
    let states = States::new();
    states
        .write("before", "etc/app.conf", "port = 80\nname = app\nlast = yes\n")
        .write("after", "etc/app.conf", "port = 8080\nname = app\nlast = yes\n")
        .write("after", "etc/new.conf", "one\ntwo\n")
        .write("before", "etc/old.conf", "gone\n")
        .both("usr/bin/tool", "#!/bin/sh\n")
        .write("before", "usr/bin/program", b"\x7fELF\0one")
        .write("after", "usr/bin/program", b"\x7fELF\0other")
        .write("before", "notes/draft.txt", "a text that keeps its content\n");
    let mode = |path: &str, mode| {
        fs::set_permissions(states.folder("after").join(path), PermissionsExt::from_mode(mode)).unwrap();
    };
    mode("usr/bin/tool", 0o4755);
    fs::create_dir(states.folder("after").join("notes")).unwrap();
    let (from, to) = (states.folder("before").join("notes/draft.txt"), states.folder("after").join("notes/final.txt"));
    fs::copy(&from, &to).unwrap();
    let time = fs::metadata(&from).unwrap().modified().unwrap();
    fs::File::options().append(true).open(&to).unwrap().set_modified(time).unwrap();
    symlink("/usr/bin/tool", states.folder("after").join("etc/link")).unwrap();
    symlink("elsewhere", states.folder("before").join("etc/kind")).unwrap();
    states.write("after", "etc/kind", "now a file\n");
    states.check(&expect![[r#"
        Files
          ~ /etc/app.conf (+1 -1 lines)
          ~ /etc/kind (kind symlink → file, mode 0777 → 0644, +1 line)
          + /etc/link (symlink, leads to /usr/bin/tool)
          + /etc/new.conf (+2 lines)
          - /etc/old.conf (-1 line)
          > /notes/draft.txt → /notes/final.txt
          ~ /usr/bin/program (binary, 8 B → 10 B)
          ~ /usr/bin/tool (mode 0644 → 4755)

        --- /etc/app.conf
        +++ /etc/app.conf
        @@ -1,3 +1,3 @@
        -port = 80
        +port = 8080
         name = app
         last = yes

        --- /etc/kind
        +++ /etc/kind
        @@ -0,0 +1 @@
        +now a file

        --- /dev/null
        +++ /etc/new.conf
        @@ -0,0 +1,2 @@
        +one
        +two
    "#]]);
}

#[test]
fn caches_new_folders_and_records_are_summed_up() {
    let states = States::new();
    for number in 0..30 {
        states
            .write("after", &format!("srv/vendor/{number}.c"), "int x;\n")
            .write("after", &format!("root/.npm/_cacache/content/{number}"), "x")
            .write("after", &format!("srv/{number}/__pycache__/m.pyc"), "x")
            .write("before", &format!("tmp/{number}"), "x");
        fs::create_dir_all(states.folder("before").join(format!("srv/{number}"))).unwrap();
    }
    fs::create_dir_all(states.folder("before").join("root")).unwrap();
    fs::create_dir_all(states.folder("after").join("tmp")).unwrap();
    states.write("after", "root/.cache/pip/http/a", "x").write("after", "var/lib/apt/lists/a", "x");
    states.check(&expect![[r#"
        Not listed one by one (`--all` lists them)
          **/__pycache__: cache or temporary, 60 added, 30 B
          /root/.cache/pip: cache or temporary, 4 added, 1 B
          /root/.npm/_cacache: cache or temporary, 33 added, 30 B
          /srv/vendor: new folder, 31 added, 210 B
          /tmp: cache or temporary, 30 removed
          /var/lib/apt: a package manager's records, 4 added
          /var/lib/apt/lists: cache or temporary, 1 added, 1 B
    "#]]);
    let all = states.changes(Options { all: true });
    assert!(all.summaries.is_empty());
    assert!(all.files.iter().any(|file| file.path == "/root/.npm/_cacache/content/7" && file.how == How::Added));
}

#[test]
fn hostile_names_and_texts_are_harmless() {
    let states = States::new();
    states
        .write("after", "etc/\u{1b}[2Jclear\nline", "x\n")
        .write("after", "etc/right\u{202e}gpj.exe", "a\u{1b}]0;title\u{7} \u{202e}b\tc\rd\u{2028}e\n")
        .write("after", "etc/back\\slash", "x\n");
    let strange = states.folder("after").join("etc").join(OsStr::from_bytes(b"not\xff-utf8"));
    fs::write(strange, "x\n").unwrap();
    fs::create_dir(states.folder("before").join("etc")).unwrap();
    states.check(&expect![[r#"
        Files
          + /etc/\u{1b}[2Jclear\nline (+1 line)
          + /etc/back\\slash (+1 line)
          + /etc/not�-utf8 (+1 line)
          + /etc/right\u{202e}gpj.exe (+2 lines)

        --- /dev/null
        +++ /etc/\u{1b}[2Jclear\nline
        @@ -0,0 +1 @@
        +x

        --- /dev/null
        +++ /etc/back\\slash
        @@ -0,0 +1 @@
        +x

        --- /dev/null
        +++ /etc/not�-utf8
        @@ -0,0 +1 @@
        +x

        --- /dev/null
        +++ /etc/right\u{202e}gpj.exe
        @@ -0,0 +1,2 @@
        +a\u{1b}]0;title\u{7} \u{202e}b	c\r+d\u{2028}e
    "#]]);
    let changes = states.changes(Options::default());
    let hex = changes.files.iter().find_map(|file| file.path_hex.as_deref());
    assert_eq!(hex, Some("6574632f6e6f74ff2d75746638"));
}

#[test]
fn what_is_too_large_is_said_to_be() {
    let states = States::new();
    let many: String = (0..1000).map(|number| format!("line {number}\n")).collect();
    states
        .write("before", "large", "x".repeat(1 << 20))
        .write("after", "large", "y".repeat(1 << 20))
        .write("before", "lines", "")
        .write("after", "lines", "\n".repeat(30_000))
        .write("after", "many", &many)
        .write("after", "wide", "z".repeat(100_000));
    let changes = states.changes(Options::default());
    let content = |path: &str| changes.files.iter().find(|file| file.path == path).unwrap().content.clone();
    assert_eq!(content("/large"), Content::TooLarge);
    assert_eq!(content("/lines"), Content::TooLarge);
    let Content::Text { added: 1000, cut: true, hunks, .. } = content("/many") else {
        panic!("{:?}", content("/many"))
    };
    assert_eq!(hunks.lines().count(), 400);
    let Content::Text { hunks, .. } = content("/wide") else { panic!("{:?}", content("/wide")) };
    assert!(hunks.len() < 5000);
}

#[test]
fn shared_layers_are_not_read() {
    let states = States::new();
    states.write("before", "etc/base", "base\n").write("after", "etc/new", "new\n");
    // So large that comparing it would be said in a note.
    fs::File::create(states.folder("before").join("etc/large")).unwrap().set_len(1 << 40).unwrap();
    let stacks = [vec![states.folder("before")], vec![states.folder("after"), states.folder("before")]];
    let [before, after] = stacks.map(|stack| Tree::open(&stack).unwrap());
    let side = |tree| Side { tree, observed: None };
    let changes = compare(&side(&before), &side(&after), Options::default()).unwrap();
    check(
        &changes,
        &expect![[r#"
        Files
          + /etc/new (+1 line)

        --- /dev/null
        +++ /etc/new
        @@ -0,0 +1 @@
        +new
    "#]],
    );
}

#[test]
fn processes_by_command_and_services() {
    let states = States::new();
    let process = |pid, command: &str| Process { pid, command: command.into() };
    let listener = |address: &str, port, command: &str| Listener {
        protocol: if port == 0 { "unix".into() } else { "tcp".into() },
        address: address.into(),
        port,
        command: command.into(),
    };
    let before = Observed {
        processes: vec![
            process(1, "/sandboxd"),
            process(7, "sh -c build"),
            process(8, "sleep 10"),
            process(9, "sleep 10"),
        ],
        listeners: vec![listener("127.0.0.1", 5432, "postgres")],
    };
    let after = Observed {
        processes: vec![
            process(1, "/sandboxd"),
            process(2, "[kworker/0:1]"),
            process(20, "sleep 10"),
            process(21, "python3 -m http.server \u{1b}[31m"),
        ],
        listeners: vec![listener("127.0.0.1", 8000, "python3 -m http.server"), listener("/run/app.sock", 0, "app")],
    };
    let (left, right) = (states.tree("before"), states.tree("after"));
    let left = Side { tree: &left, observed: Some(&before) };
    let right = Side { tree: &right, observed: Some(&after) };
    check(
        &compare(&left, &right, Options::default()).unwrap(),
        &expect![[r#"
        Services
          + tcp 127.0.0.1:8000  python3 -m http.server
          + unix /run/app.sock  app
          - tcp 127.0.0.1:5432  postgres
        Processes
          + python3 -m http.server \u{1b}[31m
          - sh -c build
          - sleep 10
    "#]],
    );
}

#[test]
fn the_form_for_programs() {
    let states = States::new();
    states
        .write("before", "etc/app.conf", "port = 80\n")
        .write("after", "etc/app.conf", "port = 8080\n")
        .write("before", "tmp/x", "x")
        .write("after", "tmp/x", "yy")
        .write("after", "app/node_modules/a/package.json", r#"{"version":"1.0.0"}"#);
    for state in ["before", "after"] {
        fs::create_dir_all(states.folder(state).join("app")).unwrap();
    }
    let mut changes = states.changes(Options::default());
    for file in &mut changes.files {
        for state in [&mut file.before, &mut file.after].into_iter().flatten() {
            (state.user, state.group) = (0, 0);
        }
    }
    expect![[r#"
        {
          "packages": [
            {
              "manager": "npm",
              "name": "a",
              "place": "/app/node_modules",
              "before": null,
              "after": "1.0.0",
              "files": {
                "added": 3,
                "removed": 0,
                "changed": 0,
                "bytes": 19
              }
            }
          ],
          "files": [
            {
              "path": "/etc/app.conf",
              "how": "changed",
              "before": {
                "kind": "file",
                "mode": "0644",
                "user": 0,
                "group": 0,
                "size": 10
              },
              "after": {
                "kind": "file",
                "mode": "0644",
                "user": 0,
                "group": 0,
                "size": 12
              },
              "content": {
                "is": "text",
                "added": 1,
                "removed": 1,
                "hunks": "@@ -1 +1 @@\n-port = 80\n+port = 8080\n",
                "cut": false
              }
            }
          ],
          "summaries": [
            {
              "folder": "/tmp",
              "reason": "noise",
              "files": {
                "added": 0,
                "removed": 0,
                "changed": 1,
                "bytes": 2
              }
            }
          ],
          "running": null,
          "notes": []
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&changes).unwrap());
}
