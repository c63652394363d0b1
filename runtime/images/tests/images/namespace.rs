//! An ordinary user, as root of a user namespace in which nobody else is.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use exeat_images::{Limits, remove_tree, unpack};

use crate::layers::is_opaque;
use crate::program::{self, child, find, is_root, run, skip};
use crate::tar::{Header, Tar};

/// Makes a command run as root of a new user namespace, made by an ordinary user.
fn in_namespace(program: &Path) -> Command {
    let mut command = Command::new(if is_root() { "setpriv" } else { "unshare" });
    if is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "unshare"]);
    }
    command.arg("-Ur").arg(program);
    command
}

#[test]
fn an_ordinary_user_unpacks_in_a_user_namespace() {
    let can = find("unshare").is_some() && (!is_root() || find("setpriv").is_some());
    if !can || !in_namespace(Path::new("true")).status().is_ok_and(|status| status.success()) {
        return skip("user namespaces");
    }
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    // Where this program was built need not be open to others.
    let program = place.path().join("program");
    program::copy(&std::env::current_exe().unwrap(), &program);
    let output = run(in_namespace(&program)
        .args(child("namespace::child_unpacks_in_a_namespace"))
        .env("EXEAT_IMAGES_PLACE", place.path()));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the child's test did not run");
}

#[test]
#[ignore = "the child's part of the test above"]
fn child_unpacks_in_a_namespace() {
    let layer = Path::new(&std::env::var_os("EXEAT_IMAGES_PLACE").unwrap()).join("layer");
    std::fs::create_dir(&layer).unwrap();
    let of = |name, mode, owner| Header { name, mode, owner, ..Header::default() };
    let closed = Header { name: b"closed/", kind: b'5', mode: 0, ..Header::default() };
    let tar = Tar::default()
        .entry(&of(b"roots", 0o4755, 0), b"x")
        .entry(&of(b"others", 0o6755, 1000), b"x")
        .entry(&closed, b"")
        .file("closed/file", b"x")
        .file(".wh.gone", b"")
        .file("hidden/.wh..wh..opq", b"")
        .pax("SCHILY.xattr.security.selinux", b"x")
        .entry(&Header { name: b"null", kind: b'3', ..Header::default() }, b"");
    let unpacked = unpack(&tar.end()[..], &layer, &Limits::default()).unwrap();
    assert_eq!((unpacked.owners_lost, unpacked.devices_skipped, unpacked.files), (1, 1, 6));
    let about = |name: &str| std::fs::symlink_metadata(layer.join(name)).unwrap();
    assert_eq!((about("roots").mode() & 0o7777, about("roots").uid()), (0o4755, 0));
    // A program that ran as its owner does not become one that runs as root.
    assert_eq!((about("others").mode() & 0o7777, about("others").uid()), (0o755, 0));
    assert_eq!(about("closed").mode() & 0o7777, 0);
    assert!(about("gone").file_type().is_char_device() && about("gone").rdev() == 0);
    assert!(is_opaque(&layer.join("hidden")));
    remove_tree(&layer).unwrap();
    assert!(!layer.exists());
}

/// Prints what a shell sees of a root file system that overlayfs stacks from layers.
const MOUNT: &str = r#"set -e
mount -t overlay -o "userxattr,lowerdir=$2:$1,upperdir=$3/upper,workdir=$3/work" overlay "$3/root"
cd "$3/root" && find . | sort && cat etc/new"#;

#[test]
fn the_kernel_sees_what_a_container_would() {
    let can = find("unshare").is_some() && find("mount").is_some();
    if !can || !Command::new("unshare").args(["-Urm", "true"]).status().is_ok_and(|status| status.success()) {
        return skip("user and mount namespaces");
    }
    let place = tempfile::tempdir().unwrap();
    let lower = Tar::default().folder("bin").file("bin/tool", b"").file("etc/old", b"").file("etc/new", b"lower");
    let lower = lower.file("opt/a/b", b"").file("srv/data", b"").file("was/folder", b"");
    let upper = Tar::default().file("etc/.wh.old", b"").file("etc/new", b"upper").file("srv/.wh..wh..opq", b"");
    let upper = upper.file("srv/mine", b"").file(".wh.opt", b"").folder("opt").file("was", b"");
    for (name, tar) in [("lower", lower), ("upper", upper)] {
        std::fs::create_dir(place.path().join(name)).unwrap();
        unpack(&tar.end()[..], &place.path().join(name), &Limits::default()).unwrap();
    }
    for folder in ["top", "top/upper", "top/work", "top/root"] {
        std::fs::create_dir(place.path().join(folder)).unwrap();
    }
    let mut shell = Command::new("unshare");
    shell.args(["-Urm", "sh", "-c", MOUNT, "sh"]);
    let output = run(shell.args(["lower", "upper", "top"].map(|name| place.path().join(name))));
    let seen = String::from_utf8(output.stdout).unwrap();
    assert_eq!(seen, ".\n./bin\n./bin/tool\n./etc\n./etc/new\n./opt\n./srv\n./srv/mine\n./was\nupper");
}
