//! What a capture keeps, when it trusts that a file is unchanged, and that a failure leaves nothing.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod support;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use exeat_disks::{Captured, Error, capture, index_path, remove, usage};
use support::{folder, in_namespace, see};

/// Longer than the time within which timestamps are not trusted.
const SETTLE: Duration = Duration::from_millis(80);

struct Disk {
    root: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let root = folder();
        fs::create_dir(root.path().join("upper")).unwrap();
        Self { root }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.at("upper").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn capture(&self, previous: Option<&str>, into: &str) -> Captured {
        let previous = previous.map(|previous| self.at(previous));
        let done = capture(&self.at("upper"), previous.as_deref(), &self.at(into)).unwrap();
        assert_eq!(see(&self.at("upper")), see(&self.at(into)));
        done
    }

    fn inode(&self, path: &str) -> u64 {
        fs::symlink_metadata(self.at(path)).unwrap().ino()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn only_what_changed_is_copied() {
    let disk = Disk::new();
    disk.write("a/same", "same");
    disk.write("a/moved", "moved along with its folder");
    disk.write("changed", "before");
    sleep(SETTLE);
    assert_eq!(disk.capture(None, "one"), Captured { copied_files: 3, copied_bytes: 37, linked_files: 0 });
    fs::rename(disk.at("upper/a"), disk.at("upper/b")).unwrap();
    disk.write("changed", "after!");
    sleep(SETTLE);
    assert_eq!(disk.capture(Some("one"), "two"), Captured { copied_files: 1, copied_bytes: 6, linked_files: 2 });
    assert_eq!(disk.inode("one/a/same"), disk.inode("two/b/same"));
    assert_eq!(fs::read(disk.at("one/changed")).unwrap(), b"before");
    // The second capture's index vouches for what it only linked.
    assert_eq!(disk.capture(Some("two"), "three").copied_files, 0);
}

#[test]
fn a_file_that_changed_just_before_a_capture_is_copied_again() {
    // A machine that stands still between the write and the capture makes the file old enough to be trusted.
    let noticed = (0..20).any(|_| {
        let disk = Disk::new();
        disk.write("old", "old");
        sleep(SETTLE);
        disk.write("racy", "racy");
        disk.capture(None, "one");
        disk.capture(Some("one"), "two") == Captured { copied_files: 1, copied_bytes: 4, linked_files: 1 }
    });
    assert!(noticed);
}

#[test]
fn a_write_that_keeps_size_and_mtime_is_noticed() {
    let disk = Disk::new();
    disk.write("f", "one");
    sleep(SETTLE);
    disk.capture(None, "one");
    let modified = fs::metadata(disk.at("upper/f")).unwrap().modified().unwrap();
    let file = File::options().write(true).open(disk.at("upper/f")).unwrap();
    file.write_all_at(b"two", 0).unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(disk.capture(Some("one"), "two").copied_files, 1);
}

#[test]
fn a_mapped_page_that_is_dirty_already_is_noticed_when_it_is_written_again() {
    let disk = Disk::new();
    disk.write("mapped", "0000");
    // A shared mapping in a process of its own: it writes, waits for a line, and writes again.
    let program = "import mmap,sys\nf=open(sys.argv[1],'r+b')\nm=mmap.mmap(f.fileno(),4)\nm[0:4]=b'1111'\nprint(1,flush=True)\ninput()\nm[0:4]=b'2222'\nprint(2,flush=True)\nsys.stdin.read()";
    let started = Command::new("python3")
        .args(["-c", program])
        .arg(disk.at("upper/mapped"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let Ok(mut python) = started else { return support::skip("python3") };
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(python.stdout.take().unwrap()));
    let mut input = python.stdin.take().unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "1");
    sleep(SETTLE);
    disk.capture(None, "one");
    input.write_all(b"\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "2");
    assert_eq!(disk.capture(Some("one"), "two").copied_files, 1);
    assert_eq!(fs::read(disk.at("two/mapped")).unwrap(), b"2222");
    drop(input);
    python.wait().unwrap();
}

#[test]
fn a_missing_a_broken_and_a_foreign_index_only_cost_a_copy() {
    let disk = Disk::new();
    disk.write("f", "content");
    sleep(SETTLE);
    disk.capture(None, "one");
    disk.capture(None, "other");
    let index = index_path(&disk.at("one"));
    let good = fs::read(&index).unwrap();
    fs::copy(index_path(&disk.at("other")), &index).unwrap();
    assert_eq!(disk.capture(Some("one"), "two").copied_files, 1);
    fs::write(&index, &good[..good.len() - 1]).unwrap();
    assert_eq!(disk.capture(Some("one"), "three").copied_files, 1);
    fs::remove_file(&index).unwrap();
    assert_eq!(disk.capture(Some("one"), "four").copied_files, 1);
    fs::write(&index, &good).unwrap();
    assert_eq!(disk.capture(Some("one"), "five").copied_files, 0);
}

#[test]
fn names_of_one_file_stay_names_of_one_file() {
    let disk = Disk::new();
    disk.write("a", "shared");
    fs::create_dir(disk.at("upper/deep")).unwrap();
    fs::hard_link(disk.at("upper/a"), disk.at("upper/deep/b")).unwrap();
    sleep(SETTLE);
    assert_eq!(disk.capture(None, "one"), Captured { copied_files: 1, copied_bytes: 6, linked_files: 1 });
    assert_eq!(disk.inode("one/a"), disk.inode("one/deep/b"));
    assert_eq!(disk.capture(Some("one"), "two"), Captured { copied_files: 0, copied_bytes: 0, linked_files: 2 });
    assert_eq!(disk.inode("two/a"), disk.inode("one/deep/b"));
    assert_eq!(usage(&disk.at("one")).unwrap().files, 1);
}

#[test]
fn holes_modes_and_times_are_kept() {
    let disk = Disk::new();
    let mut file = File::create(disk.at("upper/holes")).unwrap();
    file.seek(SeekFrom::Start(64 << 20)).unwrap();
    file.write_all(b"end").unwrap();
    drop(file);
    disk.write("setuid", "x");
    fs::set_permissions(disk.at("upper/setuid"), PermissionsExt::from_mode(0o6755)).unwrap();
    disk.write("shut/inside", "x");
    fs::set_permissions(disk.at("upper/shut"), PermissionsExt::from_mode(0o1500)).unwrap();
    let done = disk.capture(None, "one");
    assert!(done.copied_bytes < 1 << 20, "{done:?}");
    assert!(usage(&disk.at("one")).unwrap().bytes < 1 << 20);
    fs::set_permissions(disk.at("upper/shut"), PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn what_an_ordinary_user_may_not_read_is_captured_and_removed_in_its_namespace() {
    if !in_namespace("what_an_ordinary_user_may_not_read_is_captured_and_removed_in_its_namespace") {
        return;
    }
    let disk = Disk::new();
    disk.write("shut/secret", "secret");
    fs::set_permissions(disk.at("upper/shut/secret"), PermissionsExt::from_mode(0o0)).unwrap();
    fs::set_permissions(disk.at("upper/shut"), PermissionsExt::from_mode(0o0)).unwrap();
    disk.capture(None, "one");
    remove(&disk.at("one")).unwrap();
    assert!(!disk.at("one").exists());
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    if !in_namespace("a_full_disk_is_told_and_leaves_nothing") {
        return;
    }
    let disk = Disk::new();
    disk.write("a", "small");
    disk.write("large", &"x".repeat(2 << 20));
    fs::create_dir(disk.at("small")).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(disk.at("small")).status();
    assert!(mount.unwrap().success());
    let error = capture(&disk.at("upper"), None, &disk.at("small/one")).unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert_eq!(fs::read_dir(disk.at("small")).unwrap().count(), 0);
    Command::new("umount").arg(disk.at("small")).status().unwrap();
}

#[test]
fn nothing_is_replaced() {
    let disk = Disk::new();
    disk.write("f", "x");
    disk.capture(None, "one");
    let error = capture(&disk.at("upper"), None, &disk.at("one")).unwrap_err();
    assert!(matches!(error, Error::Exists(_)), "{error}");
    assert_eq!(disk.names(), ["one", "one.index", "upper"]);
}

/// Run by the test below, and killed by it.
#[test]
fn capture_what_the_environment_names() {
    if let Some(root) = std::env::var_os("EXEAT_DISKS_CAPTURE") {
        let root = Path::new(&root);
        let _ = capture(&root.join("upper"), None, &root.join("one"));
    }
}

#[test]
fn a_capture_that_is_killed_leaves_no_half_and_the_next_one_sweeps() {
    let disk = Disk::new();
    for number in 0..3000 {
        disk.write(&format!("{}/{number}", number % 50), "content");
    }
    let mut killed = 0;
    while killed < 3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "capture_what_the_environment_names"])
            .env("EXEAT_DISKS_CAPTURE", disk.root.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !disk.at(".one.partial").exists() && !disk.at("one").exists() {
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if disk.at("one").exists() {
            // It was quicker than we: whole, then.
            assert_eq!(see(&disk.at("upper")), see(&disk.at("one")));
            remove(&disk.at("one")).unwrap();
        }
        killed += 1;
    }
    disk.capture(None, "one");
    assert_eq!(disk.names(), ["one", "one.index", "upper"]);
}

#[test]
fn a_tree_deeper_than_any_path_is_removed() {
    let disk = Disk::new();
    let mut place =
        rustix::fs::open(disk.at("upper"), rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..5000 {
        rustix::fs::mkdirat(&place, "d", rustix::fs::Mode::RWXU).unwrap();
        place = rustix::fs::openat(&place, "d", rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
    }
    let error = capture(&disk.at("upper"), None, &disk.at("one")).unwrap_err();
    assert!(matches!(error, Error::TooDeep(_)), "{error}");
    assert_eq!(disk.names(), ["upper"]);
    remove(&disk.at("upper")).unwrap();
    assert!(disk.names().is_empty());
}

#[test]
fn removing_follows_no_link() {
    let disk = Disk::new();
    fs::create_dir(disk.at("outside")).unwrap();
    fs::write(disk.at("outside/file"), "x").unwrap();
    std::os::unix::fs::symlink(disk.at("outside"), disk.at("upper/link")).unwrap();
    remove(&disk.at("upper")).unwrap();
    assert_eq!(fs::read(disk.at("outside/file")).unwrap(), b"x");
    std::os::unix::fs::symlink(disk.at("outside"), disk.at("link")).unwrap();
    assert!(remove(&disk.at("link")).is_err());
    assert!(disk.at("outside/file").exists());
}
