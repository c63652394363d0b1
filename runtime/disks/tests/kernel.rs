//! What is captured, read and flattened, compared with what the kernel's overlayfs shows, after random changes made
//! through a real mount.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use exeat_disks::{Kind, Tree, capture, flatten, usage};
use proptest::prelude::{Strategy, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use support::{Seen, folder, in_namespace, see, skip};

/// One change, by small numbers so that changes meet each other.
#[derive(Debug, Clone)]
enum Change {
    Write(Place, usize),
    Append(Place),
    Folder(Place),
    Remove(Place),
    Rename(Place, Place),
    Symlink(Place, Place),
    Link(Place, Place),
    Fifo(Place),
    Mode(Place, u32),
    Attribute(Place, u8),
}

type Place = (u8, u8, u8);

fn path(root: &Path, (depth, a, b): Place) -> PathBuf {
    let mut path = root.to_owned();
    for level in 0..=depth {
        path.push(["a", "b", "c", "d"][usize::from((a >> level) & 1) + 2 * usize::from((b >> level) & 1)]);
    }
    path
}

fn change() -> impl Strategy<Value = Change> {
    let place = || (0_u8..3, 0_u8..8, 0_u8..8);
    prop_oneof![
        4 => (place(), 0_usize..9000).prop_map(|(at, size)| Change::Write(at, size)),
        2 => place().prop_map(Change::Append),
        4 => place().prop_map(Change::Folder),
        4 => place().prop_map(Change::Remove),
        3 => (place(), place()).prop_map(|(from, to)| Change::Rename(from, to)),
        1 => (place(), place()).prop_map(|(target, at)| Change::Symlink(target, at)),
        2 => (place(), place()).prop_map(|(from, to)| Change::Link(from, to)),
        1 => place().prop_map(Change::Fifo),
        2 => (place(), 0_u32..0o7777).prop_map(|(at, mode)| Change::Mode(at, mode)),
        1 => (place(), 0_u8..4).prop_map(|(at, value)| Change::Attribute(at, value)),
    ]
}

/// Does a change where it can be done; what cannot be is not the point.
fn apply(root: &Path, change: &Change) {
    // Opening a fifo would wait for its other end.
    if let Change::Write(at, _) | Change::Append(at) = change
        && fs::metadata(path(root, *at)).is_ok_and(|found| !found.is_file())
    {
        return;
    }
    let _ = match change {
        Change::Write(at, size) => fs::write(path(root, *at), vec![*size as u8; *size]),
        Change::Append(at) => {
            let file = File::options().append(true).open(path(root, *at));
            file.and_then(|mut file| file.write_all(b"more"))
        }
        Change::Folder(at) => fs::create_dir(path(root, *at)),
        Change::Remove(at) => {
            let at = path(root, *at);
            fs::remove_file(&at).or_else(|_| fs::remove_dir_all(&at))
        }
        Change::Rename(from, to) => fs::rename(path(root, *from), path(root, *to)),
        Change::Symlink(target, at) => std::os::unix::fs::symlink(path(Path::new(""), *target), path(root, *at)),
        Change::Link(from, to) => fs::hard_link(path(root, *from), path(root, *to)),
        Change::Fifo(at) => {
            let fifo = rustix::fs::FileType::Fifo;
            let made = rustix::fs::mknodat(rustix::fs::CWD, path(root, *at), fifo, rustix::fs::Mode::RUSR, 0);
            made.map_err(Into::into)
        }
        Change::Mode(at, mode) => match fs::symlink_metadata(path(root, *at)) {
            Ok(found) if !found.is_symlink() => fs::set_permissions(path(root, *at), PermissionsExt::from_mode(*mode)),
            _ => Ok(()),
        },
        Change::Attribute(at, value) => {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::lsetxattr(path(root, *at), "user.note", &[*value], flags).map_err(Into::into)
        }
    };
}

/// An overlay mount that ends with the value.
struct Mount(PathBuf);

impl Mount {
    fn new(at: &Path, layers: &[PathBuf], upper: Option<&Path>) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut layers: Vec<_> = layers.iter().map(|layer| layer.display().to_string()).collect();
        if upper.is_none() && layers.len() == 1 {
            // The kernel wants two folders where nothing is writable.
            let empty = at.with_extension("empty");
            fs::create_dir_all(&empty).unwrap();
            layers.push(empty.display().to_string());
        }
        let mut options = format!("userxattr,lowerdir={}", layers.join(":"));
        if let Some(upper) = upper {
            let work = at.with_extension("work");
            fs::create_dir_all(&work).unwrap();
            options += &format!(",volatile,upperdir={},workdir={}", upper.display(), work.display());
        }
        let mount = Command::new("mount").args(["-t", "overlay", "-o", &options, "overlay"]).arg(at).output().ok()?;
        mount.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// What a tree shows, in the form of what the kernel shows (attributes are not in its view).
fn read(tree: &Tree) -> BTreeMap<PathBuf, Seen> {
    let visit = |visited: exeat_disks::Visited| {
        let stat = visited.stat;
        let (kind, content) = match stat.kind {
            Kind::File => ("file", tree.read(&visited.path, u64::MAX).unwrap()),
            Kind::Symlink => ("symlink", tree.read_link(&visited.path).unwrap().into_os_string().into_encoded_bytes()),
            Kind::Folder => ("folder", Vec::new()),
            Kind::Fifo => ("fifo", Vec::new()),
            _ => ("other", Vec::new()),
        };
        assert_eq!(tree.stat(&visited.path).unwrap().map(|found| found.inode), Some(stat.inode));
        let seen = Seen {
            mode: stat.mode,
            owner: (stat.user, stat.group),
            size: if kind == "folder" { 0 } else { stat.size },
            modified: (stat.modified.seconds, stat.modified.nanoseconds.into()),
            attributes: Vec::new(),
            kind,
            content,
        };
        (visited.path, seen)
    };
    tree.walk().map(|visited| visit(visited.unwrap())).collect()
}

fn without_attributes(mut seen: BTreeMap<PathBuf, Seen>) -> BTreeMap<PathBuf, Seen> {
    seen.values_mut().for_each(|seen| seen.attributes.clear());
    seen
}

/// The live mount, a mount of the stack, and the tree of the stack show the same.
fn agree(live: &BTreeMap<PathBuf, Seen>, stack: &[PathBuf], at: &Path) {
    let mount = Mount::new(at, stack, None).unwrap();
    assert_eq!(live, &see(at), "{stack:?}");
    drop(mount);
    assert_eq!(without_attributes(live.clone()), read(&Tree::open(stack).unwrap()));
}

/// Two captures of a running sandbox, a fork from the second, its capture, and the flat form of it all.
fn story(rounds: &[Vec<Change>]) {
    let root = folder();
    let at = |name: &str| root.path().join(name);
    let (base, upper, fork) = (at("base"), at("upper"), at("fork"));
    for folder in [&base, &upper, &fork] {
        fs::create_dir(folder).unwrap();
    }
    rounds[0].iter().for_each(|change| apply(&base, change));
    let live = Mount::new(&at("live"), std::slice::from_ref(&base), Some(&upper)).unwrap();
    rounds[1].iter().for_each(|change| apply(&live.0, change));
    capture(&upper, None, &at("one")).unwrap();
    agree(&see(&live.0), &[at("one"), base.clone()], &at("view"));
    let first = see(&at("one"));
    rounds[2].iter().for_each(|change| apply(&live.0, change));
    capture(&upper, Some(&at("one")), &at("two")).unwrap();
    agree(&see(&live.0), &[at("two"), base.clone()], &at("view"));
    assert_eq!(first, see(&at("one")), "a frozen layer has changed");
    drop(live);

    let stack = [at("two"), base.clone()];
    let live = Mount::new(&at("forked"), &stack, Some(&fork)).unwrap();
    rounds[3].iter().for_each(|change| apply(&live.0, change));
    capture(&fork, None, &at("three")).unwrap();
    let seen = see(&live.0);
    drop(live);
    agree(&seen, &[at("three"), at("two"), base.clone()], &at("view"));
    flatten(&[at("three"), at("two"), base.clone()], &[], &at("flat")).unwrap();
    agree(&seen, &[at("flat")], &at("view"));
    flatten(&[at("three"), at("two")], std::slice::from_ref(&base), &at("upper-flat")).unwrap();
    agree(&seen, &[at("upper-flat"), base], &at("view"));
    assert!(usage(&at("flat")).unwrap().bytes > 0);
    fs::read_dir(root.path()).unwrap().flatten().filter(|entry| entry.path().is_dir()).for_each(|entry| {
        exeat_disks::remove(&entry.path()).unwrap();
    });
}

#[test]
fn agrees_with_the_kernel_after_random_changes() {
    if !in_namespace("agrees_with_the_kernel_after_random_changes") {
        return;
    }
    let root = folder();
    fs::create_dir(root.path().join("lower")).unwrap();
    fs::create_dir(root.path().join("upper")).unwrap();
    let lower = [root.path().join("lower")];
    if Mount::new(&root.path().join("at"), &lower, Some(&root.path().join("upper"))).is_none() {
        return skip("overlayfs in user namespaces");
    }
    let rounds = proptest::collection::vec(proptest::collection::vec(change(), 0..24), 4);
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&rounds, |rounds| {
            story(&rounds);
            Ok(())
        })
        .unwrap();
}
