//! Packages, as the real tools leave them where they are on this machine, else as facts.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use exeat_changes::Options;
use expect_test::expect;
use support::{States, put, skip};

fn status(packages: &[(&str, &str, &str)]) -> String {
    let one = |(name, version, state): &(&str, &str, &str)| {
        format!(
            "Package: {name}\nStatus: install ok {state}\nArchitecture: amd64\nVersion: {version}\nDescription: x\n\n"
        )
    };
    packages.iter().map(one).collect()
}

#[test]
fn apt() {
    let states = States::new();
    let before =
        status(&[("base-files", "12.4", "installed"), ("libold", "1.0-1", "installed"), ("tool", "1.0", "installed")]);
    let after = status(&[
        ("base-files", "12.4", "installed"),
        ("libold", "1.0-1", "config-files"),
        ("tool", "1.1", "installed"),
        ("jq", "1.6-2.1", "installed"),
    ]);
    states
        .both("etc/issue", "same\n")
        .write("before", "var/lib/dpkg/status", before)
        .write("after", "var/lib/dpkg/status", after)
        .write(
            "after",
            "var/lib/dpkg/info/jq.list",
            "/.\n/usr\n/usr/bin\n/usr/bin/jq\n/usr/share/doc/jq\n/usr/share/doc/jq/copyright\n",
        )
        .write("after", "var/lib/dpkg/info/jq.md5sums", "x\n")
        .write("after", "usr/bin/jq", "\0new")
        .write("after", "usr/share/doc/jq/copyright", "text\n")
        .write("before", "var/lib/dpkg/info/libold:amd64.list", "/lib/x/libold.so\n")
        .write("before", "usr/lib/x/libold.so", "\0old")
        .both("var/lib/dpkg/info/tool.list", "/usr/bin/tool\n")
        .write("before", "usr/bin/tool", "one\n")
        .write("after", "usr/bin/tool", "two\n")
        .write("after", "usr/bin/stray", "not of any package\n");
    states.check(&expect![[r#"
        Packages: apt
          + jq 1.6-2.1 (5 added, 9 B)
          - libold 1.0-1 (3 removed)
          ~ tool 1.0 → 1.1 (1 changed, 4 B)
        Files
          + /usr/bin/stray (+1 line)
        Not listed one by one (`--all` lists them)
          /var/lib/dpkg: a package manager's records, 2 added, 1 changed, 1 removed, 461 B

        --- /dev/null
        +++ /usr/bin/stray
        @@ -0,0 +1 @@
        +not of any package
    "#]]);
    let all = states.changes(Options { all: true });
    assert!(all.files.iter().any(|file| file.path == "/usr/bin/jq"));
}

#[test]
fn apk() {
    let states = States::new();
    states
        .write("before", "lib/apk/db/installed", "P:musl\nV:1.2.4-r2\nF:lib\nR:ld-musl.so\n\n")
        .write(
            "after",
            "lib/apk/db/installed",
            "P:musl\nV:1.2.5-r0\nF:lib\nR:ld-musl.so\n\nP:curl\nV:8.5.0-r0\nF:usr\nF:usr/bin\nR:curl\n\n",
        )
        .write("before", "lib/ld-musl.so", "\0one")
        .write("after", "lib/ld-musl.so", "\0two")
        .write("after", "usr/bin/curl", "\0curl");
    states.check(&expect![[r#"
        Packages: apk
          + curl 8.5.0-r0 (3 added, 5 B)
          ~ musl 1.2.4-r2 → 1.2.5-r0 (1 changed, 4 B)
        Not listed one by one (`--all` lists them)
          /lib/apk/db: a package manager's records, 1 changed, 80 B
    "#]]);
}

/// Makes a wheel with one module and installs it with the machine's pip. False where that is not possible.
fn pip_install(venv: &Path, wheels: &Path, name: &str, version: &str) -> bool {
    let wheel = wheels.join(format!("{name}-{version}-py3-none-any.whl"));
    let program = "import sys,zipfile
path,name,version=sys.argv[1:]
info=f'{name}-{version}.dist-info'
files={f'{name}/__init__.py':f'version={version!r}\\n',f'{name}/cli.py':'def main(): pass\\n',
f'{info}/METADATA':f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n\\nVersion: 9\\n',
f'{info}/WHEEL':'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n',
f'{info}/entry_points.txt':f'[console_scripts]\\n{name}={name}.cli:main\\n'}
with zipfile.ZipFile(path,'w') as z:
    for n,t in files.items(): z.writestr(n,t)
    z.writestr(f'{info}/RECORD',''.join(f'{n},,\\n' for n in files)+f'{info}/RECORD,,\\n')
";
    let made = Command::new("python3").args(["-c", program]).arg(&wheel).args([name, version]).status();
    assert!(made.unwrap().success());
    let pip = Command::new("python3")
        .args(["-m", "pip", "--disable-pip-version-check", "--python"])
        .arg(venv.join("bin/python"))
        .args(["install", "--no-index", "--no-deps", "--quiet"])
        .arg(&wheel)
        .output();
    pip.is_ok_and(|output| output.status.success())
}

#[test]
fn pip_in_a_venv() {
    let states = States::new();
    let work = states.folder("after").join("srv");
    fs::create_dir(&work).unwrap();
    let wheels = tempfile::tempdir().unwrap();
    let venv = Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(work.join("venv")).output();
    let works = venv.is_ok_and(|output| output.status.success())
        && pip_install(&work.join("venv"), wheels.path(), "alpha", "1.0")
        && pip_install(&work.join("venv"), wheels.path(), "beta", "2.0");
    if !works {
        return skip("python3 with venv and pip");
    }
    let copied = Command::new("cp").arg("-a").arg(&work).arg(states.folder("before")).status();
    assert!(copied.unwrap().success());
    assert!(pip_install(&work.join("venv"), wheels.path(), "alpha", "1.1"));
    assert!(pip_install(&work.join("venv"), wheels.path(), "gamma_tool", "3.0"));
    let mut text = states.changes(Options::default()).to_string();
    // The interpreter's version is the machine's.
    if let Some(start) = text.find("python3.") {
        let end = start + text[start..].find('/').unwrap();
        text.replace_range(start..end, "python3.N");
    }
    expect![[r#"
        Packages: pip, in /srv/venv/lib/python3.N/site-packages
          ~ alpha 1.0 → 1.1 (8 added, 3 changed, 8 removed, 1.5 kB)
          + gamma-tool 3.0 (15 added, 1.9 kB)
    "#]]
    .assert_eq(&text);
}

#[test]
fn npm() {
    let states = States::new();
    let package = |state: &str, place: &str, name: &str, version: &str| {
        let folder = states.folder(state).join(place).join("node_modules").join(name);
        put(&folder.join("package.json"), format!(r#"{{"name":"{name}","version":"{version}"}}"#).as_bytes());
        put(&folder.join("index.js"), format!("// {version}\n").as_bytes());
    };
    package("before", "app", "left-pad", "1.2.0");
    package("after", "app", "left-pad", "1.3.0");
    package("after", "app", "@scope/ui", "2.0.0");
    package("after", "app/node_modules/@scope/ui", "inner", "0.1.0");
    package("before", "usr/lib", "typescript", "5.0.0");
    states.write("after", "usr/lib/x", "x\n");
    package("before", "app", "edited", "1.0.0");
    package("after", "app", "edited", "1.0.0");
    states.write("after", "app/node_modules/edited/index.js", "// patched by hand\n");
    states.check(&expect![[r#"
        Packages: npm, in /app/node_modules
          + @scope/ui 2.0.0 (4 added, 47 B)
          ~ left-pad 1.2.0 → 1.3.0 (2 changed, 46 B)
        Packages: npm, in /app/node_modules/@scope/ui/node_modules
          + inner 0.1.0 (4 added, 43 B)
        Packages: npm, in /usr/lib/node_modules
          - typescript 5.0.0 (4 removed)
        Files
          ~ /app/node_modules/edited/index.js (+1 -1 lines)
          + /usr/lib/x (+1 line)

        --- /app/node_modules/edited/index.js
        +++ /app/node_modules/edited/index.js
        @@ -1 +1 @@
        -// 1.0.0
        +// patched by hand

        --- /dev/null
        +++ /usr/lib/x
        @@ -0,0 +1 @@
        +x
    "#]]);
}

#[test]
fn cargo() {
    let states = States::new();
    let installed = |version: &str| {
        format!(
            r#"{{"installs":{{"ripgrep {version} (registry+https://example.com/index)":{{"bins":["rg"],"features":[]}}}}}}"#
        )
    };
    states
        .write("before", "root/.cargo/.crates2.json", installed("14.0.0"))
        .write("after", "root/.cargo/.crates2.json", installed("14.1.0"))
        .write("before", "root/.cargo/bin/rg", "\0one")
        .write("after", "root/.cargo/bin/rg", "\0two");
    states.check(&expect![[r#"
        Packages: cargo, in /root/.cargo
          ~ ripgrep 14.0.0 → 14.1.0 (2 changed, 102 B)
    "#]]);
}

#[test]
fn hostile_descriptions_are_harmless() {
    let states = States::new();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    states
        .write("after", "app/node_modules/deep/package.json", format!(r#"{{"x":{deep},"version":"1"}}"#))
        .write("after", "app/node_modules/long/package.json", format!(r#"{{"version":"{}"}}"#, "9".repeat(300)))
        .write("after", "p/node_modules/\u{1b}[2J/package.json", r#"{"version":"1\u001b[31m"}"#)
        .write("after", "root/.cargo/.crates2.json", r#"{"installs":{"a 1 (x)":{"bins":["../../etc/passwd",".."]}}}"#)
        .write("after", "etc/passwd", "x\n")
        .write("after", "lib/python/site-packages/x-1.dist-info/METADATA", "Name: x\nVersion: 1\n")
        .write(
            "after",
            "lib/python/site-packages/x-1.dist-info/RECORD",
            "../../../../../../../etc/hosts,,\n\"unclosed\n,,,\n",
        )
        .write("after", "etc/hosts", "x\n");
    for folder in ["app", "p", "root/.cargo", "etc", "lib/python/site-packages"] {
        fs::create_dir_all(states.folder("before").join(folder)).unwrap();
    }
    states.check(&expect![[r#"
        Packages: pip, in /lib/python/site-packages
          + x 1 (3 added, 66 B)
        Packages: npm, in /app/node_modules
          + deep 1 (2 added, 200.0 kB)
        Packages: npm, in /p/node_modules
          + \u{1b}[2J 1\u{1b}[31m (3 added, 25 B)
        Packages: cargo, in /root/.cargo
          + a 1 (1 added, 59 B)
        Files
          + /app/node_modules (folder)
          + /app/node_modules/long (folder)
          + /app/node_modules/long/package.json (+1 line)
          + /etc/hosts (+1 line)
          + /etc/passwd (+1 line)

        --- /dev/null
        +++ /app/node_modules/long/package.json
        @@ -0,0 +1 @@
        +{"version":"999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999"}
        \ No newline at end of file

        --- /dev/null
        +++ /etc/hosts
        @@ -0,0 +1 @@
        +x

        --- /dev/null
        +++ /etc/passwd
        @@ -0,0 +1 @@
        +x
    "#]]);
}

#[test]
fn a_package_cannot_cover_what_it_did_not_bring() {
    let states = States::new();
    let list = "/etc/passwd\n/etc/new\n/usr/bin/su2\n";
    states
        .write("before", "var/lib/dpkg/status", status(&[("base", "1", "installed")]))
        .write("after", "var/lib/dpkg/status", status(&[("base", "1", "installed"), ("cover", "1", "installed")]))
        .write("after", "var/lib/dpkg/info/cover.list", list)
        .write("before", "etc/passwd", "root:x\n")
        .write("after", "etc/passwd", "root::\n")
        .write("after", "etc/new", "x\n")
        .both("usr/bin/su", "\0")
        .write("after", "usr/bin/su2", "\0")
        .write("after", "tmp/su3", "\0");
    for program in ["usr/bin/su2", "tmp/su3"] {
        fs::set_permissions(states.folder("after").join(program), PermissionsExt::from_mode(0o4755)).unwrap();
    }
    states.check(&expect![[r#"
        Packages: apt
          + cover 1 (1 added, 2 B)
        Files
          ~ /etc/passwd (+1 -1 lines)
          + /tmp (folder)
          + /tmp/su3 (mode 4755, binary, 1 B)
          + /usr/bin/su2 (mode 4755, binary, 1 B)
        Not listed one by one (`--all` lists them)
          /var/lib/dpkg: a package manager's records, 2 added, 1 changed, 215 B

        --- /etc/passwd
        +++ /etc/passwd
        @@ -1 +1 @@
        -root:x
        +root::
    "#]]);
}
