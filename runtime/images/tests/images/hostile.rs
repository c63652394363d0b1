//! Layers that try to get out, or to use up the machine. Each is refused by name, and nothing of it stays anywhere.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use exeat_images::{Limits, Reason, UnpackError, Unpacked, unpack};

use crate::built::{Form, compressed};
use crate::tar::{Header, Tar};

const SMALL: Limits = Limits { layer_bytes: 4 * 1024 * 1024, entries: 100 };

/// A folder to unpack into, with things beside it that must stay as they are.
pub(crate) struct Scene {
    around: tempfile::TempDir,
    before: Vec<String>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let around = tempfile::tempdir().unwrap();
        for folder in ["layer", "beside"] {
            fs::create_dir(around.path().join(folder)).unwrap();
        }
        fs::write(around.path().join("secret"), "secret").unwrap();
        fs::write(around.path().join("beside/file"), "file").unwrap();
        symlink("secret", around.path().join("link")).unwrap();
        let before = outside(around.path());
        Self { around, before }
    }

    pub(crate) fn layer(&self) -> std::path::PathBuf {
        self.around.path().join("layer")
    }

    pub(crate) fn unpack(&self, layer: impl Read) -> Result<Unpacked, UnpackError> {
        let unpacked = unpack(layer, &self.layer(), &SMALL);
        assert_eq!(outside(self.around.path()), self.before, "something beside the folder changed");
        if unpacked.is_err() {
            assert_eq!(fs::read_dir(self.layer()).unwrap().count(), 0, "something stayed in the folder");
        }
        unpacked
    }
}

/// Everything outside the layer: names, inodes, modes, links, times of change, content.
fn outside(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let about = fs::symlink_metadata(&path).unwrap();
        let content = if about.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let is_layer = path.ends_with("layer");
        let changed = if is_layer { (0, 0) } else { (about.ctime(), about.ctime_nsec()) };
        let links = if is_layer { 0 } else { about.nlink() };
        // The layer itself may get another mode and content, but must stay the same folder.
        let mode = if is_layer { 0 } else { about.mode() };
        found.push(format!("{} {} {mode} {links} {changed:?} {content:?}", path.display(), about.ino()));
        if about.is_dir() && !is_layer {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found.sort();
    found
}

/// Refuses a layer in every form, and says what the unpacker said.
#[track_caller]
fn refused(tar: &[u8]) -> Reason {
    let mut reasons = Vec::new();
    for form in [Form::Plain, Form::Gzip, Form::Zstd] {
        let layer = compressed(tar, form);
        match Scene::new().unpack(&layer[..]).expect_err("it must be refused") {
            UnpackError::Refused { reason, .. } | UnpackError::Stream(reason) => reasons.push(reason),
            other => panic!("{other}"),
        }
    }
    reasons.swap_remove(0)
}

macro_rules! assert_refused {
    ($tar:expr, $reason:pat) => {
        let reason = refused(&$tar.end());
        assert!(matches!(reason, $reason), "{reason:?}");
    };
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["../secret", "a/../../secret", "..", "a/..", "/../secret", "./../beside/file"] {
        assert_refused!(Tar::default().file(name, b"x"), Reason::ParentFolder);
        assert_refused!(Tar::default().pax("path", name.as_bytes()).file("x", b"x"), Reason::ParentFolder);
    }
    assert_refused!(Tar::default().file("../.wh.secret", b""), Reason::ParentFolder);
    assert_refused!(Tar::default().folder("../new"), Reason::ParentFolder);
}

#[test]
fn absolute_names_are_below_the_root_as_in_container_engines() {
    let scene = Scene::new();
    let secret = scene.layer().with_file_name("secret");
    let name = secret.to_str().unwrap();
    scene.unpack(&Tar::default().pax("path", name.as_bytes()).file("x", b"mine").end()[..]).unwrap();
    assert_eq!(fs::read(scene.layer().join(name.trim_start_matches('/'))).unwrap(), b"mine");
}

#[test]
fn links_are_never_followed() {
    for target in ["..", "../beside", "/etc", ".", "b"] {
        let linked = Tar::default().folder("b").link("a", target);
        assert_refused!(linked.clone().file("a/file", b"x"), Reason::ThroughLink);
        assert_refused!(linked.clone().folder("a/new"), Reason::ThroughLink);
        assert_refused!(linked.clone().file("a/.wh.file", b""), Reason::ThroughLink);
        assert_refused!(linked.clone().file("a/.wh..wh..opq", b""), Reason::ThroughLink);
        assert_refused!(linked.clone().file("a/deep/er/file", b"x"), Reason::ThroughLink);
        assert_refused!(linked.hard_link("c", "a/file"), Reason::ThroughLink);
    }
    // A folder that was written through, and then is a link.
    let swapped = Tar::default().folder("a").file("a/x", b"x").link("a", "../beside");
    assert_refused!(swapped.file("a/file", b"x"), Reason::ThroughLink);
}

#[test]
fn a_file_takes_the_place_of_a_link_instead_of_writing_through_it() {
    let scene = Scene::new();
    let tar = Tar::default()
        .link("a", "../secret")
        .file("a", b"mine")
        .link("b", "../beside")
        .folder("b")
        .file("b/file", b"x");
    scene.unpack(&tar.end()[..]).unwrap();
    assert_eq!(fs::read(scene.layer().join("a")).unwrap(), b"mine");
    assert!(fs::symlink_metadata(scene.layer().join("b")).unwrap().is_dir());
}

#[test]
fn a_later_entry_does_not_change_a_file_by_its_other_name() {
    let scene = Scene::new();
    let tar = Tar::default().file("a", b"first").hard_link("b", "a").file("b", b"second");
    scene.unpack(&tar.end()[..]).unwrap();
    assert_eq!(fs::read(scene.layer().join("a")).unwrap(), b"first");
    assert_eq!(fs::read(scene.layer().join("b")).unwrap(), b"second");
}

#[test]
fn hard_links_are_within_the_layer() {
    for target in ["../secret", "a/../../secret"] {
        assert_refused!(Tar::default().folder("a").hard_link("b", target), Reason::ParentFolder);
    }
    for target in ["/etc/passwd", "missing", "folder", "b", ".", "gone"] {
        let tar = Tar::default().folder("folder").file(".wh.gone", b"");
        assert_refused!(tar.hard_link("b", target), Reason::HardLink(_));
    }
    assert_refused!(Tar::default().hard_link("b", ""), Reason::NoTarget);
    let scene = Scene::new();
    scene.unpack(&Tar::default().file("d/a", b"x").hard_link("b", "/d/a").end()[..]).unwrap();
    let inode = |name| fs::metadata(scene.layer().join(name)).unwrap().ino();
    assert_eq!(inode("d/a"), inode("b"));
}

#[test]
fn names_that_linux_does_not_have_are_refused() {
    assert_refused!(Tar::default().pax("path", b"a\0b").file("x", b""), Reason::ZeroByte);
    assert_refused!(Tar::default().pax("linkpath", b"a\0b").link("x", "y"), Reason::ZeroByte);
    assert_refused!(Tar::default().pax("path", &[b'x'; 256]).file("x", b""), Reason::LongName);
    assert_refused!(Tar::default().pax("path", &b"x/".repeat(2047)).file("x", b""), Reason::Deep);
    assert_refused!(Tar::default().pax("path", &[b'x'; 5000]).file("x", b""), Reason::Header(_));
    assert_refused!(Tar::default().pax("linkpath", &[b'x'; 5000]).link("x", "y"), Reason::Header(_));
    assert_refused!(Tar::default().file("", b""), Reason::Header(_));
    assert_refused!(Tar::default().file(".", b""), Reason::Root);
    assert_refused!(Tar::default().link("x", ""), Reason::NoTarget);
}

#[test]
fn whiteouts_delete_one_name_only() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh..", "a/.wh..."] {
        assert_refused!(Tar::default().folder("a").file(name, b""), Reason::Whiteout);
    }
}

#[test]
fn what_goes_through_something_that_is_no_folder_is_refused() {
    assert_refused!(Tar::default().file("a", b"").file("a/b", b""), Reason::ThroughFile);
    assert_refused!(Tar::default().file(".wh.a", b"").file("a/b", b""), Reason::ThroughFile);
    assert_refused!(Tar::default().file("a", b"").hard_link("b", "a/c"), Reason::ThroughFile);
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 5 * 1024 * 1024];
    assert_refused!(Tar::default().file("zeros", &zeros), Reason::LayerBytes(_));
    // What is behind the tar's end counts too.
    assert!(matches!(refused(&[Tar::default().end(), zeros].concat()), Reason::LayerBytes(_)));
    let many = |name: &dyn Fn(u32) -> String| (0..101).fold(Tar::default(), |tar, number| tar.file(&name(number), b""));
    assert_refused!(many(&|number| format!("file{number}")), Reason::Entries(100));
    assert_refused!(many(&|number| format!(".wh.{number}")), Reason::Entries(100));
    assert_refused!(many(&|_| "same".to_owned()), Reason::Entries(100));
    assert_refused!(Tar::default().pax("path", "x/".repeat(150).as_bytes()).folder("x"), Reason::Entries(100));
}

#[test]
fn headers_that_lie_are_refused() {
    // More content than the layer has, or than there can be.
    let long = Header { size: 1 << 32, ..Header::default() };
    assert!(matches!(refused(&Tar::default().header(&long).cut()), Reason::Unreadable(_)));
    for size in ["18446744073709551615", "99999999999999999999", "x"] {
        assert!(matches!(
            refused(&Tar::default().pax("size", size.as_bytes()).file("x", b"x").end()),
            Reason::Header(_)
        ));
    }
    let pax = Header { kind: b'x', size: 2 * 1024 * 1024 * 1024, ..Header::default() };
    assert_refused!(Tar::default().header(&pax), Reason::Header(_));
    let long_name = Header { kind: b'L', size: 1 << 32, ..Header::default() };
    assert_refused!(Tar::default().header(&long_name), Reason::Header(_));
    assert_refused!((0..20).fold(Tar::default(), |tar, _| tar.pax("comment", b"x")).file("x", b""), Reason::Header(_));
    assert_refused!(Tar::default().entry(&Header { kind: b'5', ..Header::default() }, b"content"), Reason::Content(7));
    assert_refused!(Tar::default().entry(&Header { kind: b'!', ..Header::default() }, b""), Reason::Kind(b'!'));
    assert_refused!(Tar::default().pax("uid", b"4294967295").file("x", b""), Reason::Owner(4_294_967_295));
}

#[test]
fn sparse_files_are_refused() {
    let old = Header { kind: b'S', ..Header::default() };
    let reason = refused(&Tar::default().entry(&old, b"").end());
    assert!(matches!(reason, Reason::Sparse | Reason::Header(_)), "{reason:?}");
    let map = b"0,1,1000000000000,1";
    let tar = Tar::default().pax("GNU.sparse.map", map).file("x", b"xx");
    assert_refused!(tar, Reason::Sparse | Reason::Header(_));
}

#[test]
fn what_is_cut_off_or_damaged_is_refused() {
    let whole = Tar::default().file("a", &[7; 3000]).file("b", b"x").end();
    for form in [Form::Plain, Form::Gzip, Form::Zstd] {
        let layer = compressed(&whole, form);
        for length in [0, 1, 3, 100, layer.len() / 2] {
            assert!(Scene::new().unpack(&layer[..length]).is_err(), "{length} of {}", layer.len());
        }
    }
    assert!(
        Scene::new().unpack(&b"this is no tar at all, and long enough to be more than a block".repeat(20)[..]).is_err()
    );
}

#[test]
fn a_zstd_frame_that_asks_for_too_much_memory_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(30).unwrap();
    std::io::Write::write_all(&mut encoder, &Tar::default().file("a", &[1; 100_000]).end()).unwrap();
    let layer = encoder.finish().unwrap();
    assert!(matches!(Scene::new().unpack(&layer[..]), Err(UnpackError::Stream(Reason::Unreadable(_)))));
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let scene = Scene::new();
    fs::write(scene.layer().join("mine"), "mine").unwrap();
    assert!(unpack(&Tar::default().file("a", b"").end()[..], &scene.layer(), &SMALL).is_err());
    assert_eq!(fs::read(scene.layer().join("mine")).unwrap(), b"mine");
}
