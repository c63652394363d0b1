//! Layers that are as they should be: what becomes of them in overlayfs' form.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use crate::hostile::Scene;
use crate::program::is_root;
use crate::tar::{Header, Tar};

fn is_whiteout(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_char_device() && about.rdev() == 0)
}

pub(crate) fn is_opaque(path: &Path) -> bool {
    attribute(path, "user.overlay.opaque").as_deref() == Some(b"y")
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 64];
    rustix::fs::lgetxattr(path, name, &mut value).ok().map(|length| value[..length].to_vec())
}

#[test]
fn whiteouts_and_opaque_folders_are_overlayfs_own() {
    let scene = Scene::new();
    let tar = Tar::default().folder("a").file("a/.wh.gone", b"").file("b/.wh..wh..opq", b"").file("b/new", b"new");
    let unpacked = scene.unpack(&tar.file(".wh..wh.plnk", b"").file(".wh..wh..opq", b"").end()[..]).unwrap();
    let layer = scene.layer();
    assert!(is_whiteout(&layer.join("a/gone")));
    assert!(!is_opaque(&layer.join("a")) && is_opaque(&layer.join("b")) && is_opaque(&layer));
    assert_eq!((unpacked.markers_skipped, unpacked.files), (1, 4));
}

#[test]
fn a_folder_in_the_place_of_something_else_hides_what_is_below() {
    for before in [Tar::default().file(".wh.a", b""), Tar::default().file("a", b"x"), Tar::default().link("a", "b")] {
        let scene = Scene::new();
        scene.unpack(&before.folder("a").file("a/b", b"x").end()[..]).unwrap();
        assert!(is_opaque(&scene.layer().join("a")));
    }
    // Whichever comes first: the whiteout is about lower layers, the folder about this one.
    let scene = Scene::new();
    scene.unpack(&Tar::default().folder("a").file("a/b", b"x").file(".wh.a", b"").end()[..]).unwrap();
    assert!(is_opaque(&scene.layer().join("a")) && scene.layer().join("a/b").exists());
    // Folders that come twice are one, and a file beside its own whiteout stays.
    let scene = Scene::new();
    let tar = Tar::default().folder("a").file("a/b", b"x").folder("a").file("a/.wh.b", b"");
    scene.unpack(&tar.end()[..]).unwrap();
    assert!(!is_opaque(&scene.layer().join("a")) && scene.layer().join("a/b").is_file());
}

#[test]
fn a_folder_gives_way_to_a_file_with_all_that_is_in_it() {
    let scene = Scene::new();
    scene.unpack(&Tar::default().file("a/b/c", b"x").file("a/d", b"x").file("a", b"file").end()[..]).unwrap();
    assert_eq!(fs::read(scene.layer().join("a")).unwrap(), b"file");
}

#[test]
fn modes_times_and_attributes_are_kept_also_of_folders_that_cannot_be_written_to() {
    let scene = Scene::new();
    let closed = Header { name: b"closed/", kind: b'5', mode: 0o555, ..Header::default() };
    let program = Header { name: b"closed/program", mode: 0o4755, ..Header::default() };
    let tar = Tar::default().entry(&closed, b"").pax("SCHILY.xattr.user.kept", b"yes").entry(&program, b"x");
    let tar =
        tar.pax("SCHILY.xattr.user.overlay.redirect", b"/etc").pax("SCHILY.xattr.user.overlay.redirect", b"/etc").cut();
    // Two pax headers in a row are not one entry's; only the first half is a layer.
    let tar = &tar[..tar.len() - 1024];
    let unpacked = scene.unpack(&[tar, &Tar::default().file("closed/second", b"").end()[..]].concat()[..]).unwrap();
    let about = |name: &str| fs::metadata(scene.layer().join(name)).unwrap();
    assert_eq!(about("closed").permissions().mode() & 0o7777, 0o555);
    assert_eq!(about("closed").mtime(), 0o14_000_000_000);
    assert_eq!(about("").permissions().mode() & 0o7777, 0o755);
    assert_eq!(attribute(&scene.layer().join("closed/program"), "user.kept").unwrap(), b"yes");
    assert_eq!(attribute(&scene.layer().join("closed/second"), "user.overlay.redirect"), None);
    assert_eq!(unpacked.attributes_skipped, 1);
    if is_root() {
        assert_eq!(about("closed/program").permissions().mode() & 0o7777, 0o4755);
    }
}

#[test]
fn devices_are_left_out_and_pipes_kept() {
    let scene = Scene::new();
    let device = |name, kind| Header { name, kind, ..Header::default() };
    let tar = Tar::default().entry(&device(b"dev/sda", b'4'), b"").entry(&device(b"dev/mem", b'3'), b"");
    let unpacked =
        scene.unpack(&tar.entry(&device(b"dev/null", b'3'), b"").entry(&device(b"pipe", b'6'), b"").end()[..]);
    assert_eq!(unpacked.unwrap().devices_skipped, 2 + 1);
    assert_eq!(fs::read_dir(scene.layer().join("dev")).unwrap().count(), 0);
    assert!(fs::metadata(scene.layer().join("pipe")).unwrap().file_type().is_fifo());
}

#[test]
fn root_keeps_owners() {
    if !is_root() {
        return crate::program::skip("root");
    }
    let scene = Scene::new();
    let owned = |name, kind, target| Header { name, kind, target, owner: 1234, ..Header::default() };
    let tar = Tar::default().entry(&owned(b"d/", b'5', b""), b"").entry(&owned(b"d/f", b'0', b""), b"x");
    let unpacked = scene.unpack(&tar.entry(&owned(b"l", b'2', b"/nowhere"), b"").end()[..]).unwrap();
    for name in ["d", "d/f", "l"] {
        assert_eq!(fs::symlink_metadata(scene.layer().join(name)).unwrap().uid(), 1234, "{name}");
    }
    assert_eq!(unpacked.owners_lost, 0);
}
