//! Archives such as no tool makes. The sandbox's root makes them.

use std::io::Cursor;

use exeat_snapshots::{Error, Limits, Store};

use crate::made::{Node, Workspace, files, meta, restore, store, try_take};
use crate::tar::{Header, Tar};

fn begun() -> Tar {
    Tar::default().folder("workspace/")
}

/// A GNU sparse header: regions of an offset and a length each.
fn sparse(name: &str, regions: &[(u64, u64)], size: u64, stored: &[u8]) -> Vec<u8> {
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(::tar::EntryType::GNUSparse);
    header.set_path(name).unwrap();
    header.set_mode(0o644);
    header.set_size(stored.len() as u64);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.set_real_size(size);
    for (slot, (offset, length)) in gnu.sparse.iter_mut().zip(regions) {
        slot.set_offset(*offset);
        slot.set_length(*length);
    }
    header.set_cksum();
    let mut bytes = [begun().cut(), header.as_bytes().to_vec(), stored.to_vec()].concat();
    bytes.resize(bytes.len().next_multiple_of(512) + 1024, 0);
    bytes
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_and_named() {
    let long = "x".repeat(256);
    let pax = |key: &str, value: &[u8]| begun().pax(key, value).file("workspace/a", b"").end();
    let other = |header: Header<'_>| begun().entry(&header, b"").end();
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("nothing", Vec::new(), "cut off"),
        ("an empty archive", Tar::default().end(), "does not hold the workspace's own folder"),
        ("no archive", vec![b'x'; 4096], "headers cannot be read"),
        ("a parent", begun().file("workspace/../a", b"").end(), "`workspace/../a`: its name holds `..`"),
        ("a parent in pax", pax("path", b"workspace/../../etc/passwd"), "holds `..`"),
        ("an absolute name", begun().file("/workspace/a", b"").end(), "lies outside of the workspace"),
        ("another folder", begun().file("home/a", b"").end(), "`home/a`: it lies outside"),
        ("a name that begins alike", begun().file("workspaces", b"").end(), "lies outside"),
        (
            "twice",
            begun().file("workspace/a", b"1").file("workspace/./a", b"2").end(),
            "`a`: the archive holds it twice",
        ),
        ("the workspace twice", begun().folder("workspace").end(), "holds it twice"),
        (
            "a workspace that is a file",
            Tar::default().file("workspace", b"").end(),
            "does not hold the workspace's own",
        ),
        ("no folder", begun().file("workspace/a/b", b"").end(), "`a/b`: it lies in something that is no folder"),
        ("through a file", begun().file("workspace/a", b"").file("workspace/a/b", b"").end(), "no folder"),
        ("through a link", begun().link("workspace/a", "/etc").file("workspace/a/b", b"").end(), "no folder"),
        ("a hard link to outside", begun().hard_link("workspace/a", "/etc/passwd").end(), "hard link to `/etc/passwd`"),
        ("a hard link to nothing", begun().hard_link("workspace/a", "workspace/b").end(), "hard link to `workspace/b`"),
        ("a hard link to itself", begun().hard_link("workspace/a", "workspace/a").end(), "no earlier file"),
        (
            "a hard link to a link",
            begun().link("workspace/b", "/etc/passwd").hard_link("workspace/a", "workspace/b").end(),
            "no earlier file",
        ),
        ("a link to nothing", begun().link("workspace/a", "").end(), "a link to nothing"),
        ("a long name", begun().pax("path", format!("workspace/{long}").as_bytes()).file("x", b"").end(), "too long"),
        ("a long path", pax("path", &b"workspace/".repeat(500)), "cannot be read"),
        ("a zero byte", pax("path", b"workspace/a\0b"), "zero byte"),
        (
            "a folder with content",
            begun().entry(&Header { name: b"workspace/a", kind: b'5', ..Header::default() }, b"x").end(),
            "carries 1 bytes",
        ),
        (
            "an unknown kind",
            other(Header { name: b"workspace/a", kind: b'Z', ..Header::default() }),
            "unknown kind 0x5a",
        ),
        ("a large owner", pax("uid", b"4294967295"), "owner 4294967295"),
        ("a size that is none", pax("size", b"18446744073709551615"), "cannot be read"),
        ("a pax bomb", begun().pax("comment", &vec![b'x'; 2 << 20]).file("workspace/a", b"").end(), "cannot be read"),
        (
            "pax that lies",
            begun()
                .entry(&Header { name: b"pax", kind: b'x', ..Header::default() }, b"999999 path=a\n")
                .file("workspace/a", b"")
                .end(),
            "cannot be read",
        ),
        ("cut in a header", begun().file("workspace/a", b"x").cut()[..700].to_vec(), "cut off"),
        (
            "cut in a file",
            begun().header(&Header { name: b"workspace/a", size: 5000, ..Header::default() }).cut(),
            "cut off",
        ),
        ("no end", begun().file("workspace/a", b"x").cut(), "cut off"),
        ("half an end", [begun().cut(), vec![0; 512]].concat(), "cut off"),
        ("much after the end", [begun().end(), vec![1; (1 << 20) + 1]].concat(), "follow the archive's end"),
        (
            "sparse regions that overlap",
            sparse("workspace/s", &[(0, 512), (100, 512)], 2000, &[1; 1024]),
            "regions are wrong",
        ),
        ("sparse regions beyond the end", sparse("workspace/s", &[(3000, 512)], 2000, &[1; 512]), "regions are wrong"),
        ("sparse regions without content", sparse("workspace/s", &[(0, 4096)], 8192, &[1; 512]), "regions are wrong"),
        (
            "a sparse file of exabytes",
            sparse("workspace/s", &[(0, 512)], 1 << 60, &[1; 512]),
            "more than 68719476736 bytes",
        ),
    ];
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path()).await;
    for (what, archive, said) in cases {
        let error = try_take(&store, archive.clone()).await.expect_err(what);
        let shown = error.to_string();
        assert!(shown.contains(said), "{what}: {shown}");
        assert!(matches!(error, Error::Refused { .. } | Error::Source(_)), "{what}: {error:?}");
    }
    assert!(store.list(None).await.unwrap().is_empty());
    store.collect().await.unwrap();
    assert_eq!(files(place.path()), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn what_means_nothing_elsewhere_is_left_out_and_counted() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path()).await;
    let special = |kind| Header { name: b"workspace/special", kind, ..Header::default() };
    let archive = begun()
        .pax("SCHILY.xattr.user.note", b"kept")
        .file("workspace/a", b"content")
        .entry(&special(b'3'), b"")
        .entry(&special(b'4'), b"")
        .entry(&special(b'6'), b"")
        .hard_link("workspace/b", "workspace/a")
        .link("workspace/c", "../../../etc/passwd")
        .entry(&Header { name: b"workspace/set", mode: 0o104755, ..Header::default() }, b"")
        .end();
    let taken = try_take(&store, archive).await.unwrap();
    assert_eq!((taken.skipped, taken.files, taken.bytes), (3, 3, 14));
    let archive = restore(&store, &taken.digest).await;
    let restored = Workspace::read(&archive);
    let at = |name: &str| restored.0[&vec![name.to_owned()]].clone();
    assert_eq!(at("a").0, Node::File(b"content".to_vec()));
    assert_eq!(at("b").0, Node::File(b"content".to_vec()));
    // A link may say what it likes; where it leads is decided inside. It comes last, so that nothing goes through it.
    assert_eq!(at("c").0, Node::Link("../../../etc/passwd".into()));
    assert_eq!(at("set").1.mode, 0o4755);
    assert_eq!(restored.0.len(), 5);
    let text = String::from_utf8_lossy(&archive);
    assert!(text.contains("SCHILY.xattr.user.note=kept"));
}

#[tokio::test]
async fn limits_hold() {
    let place = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 100_000, entries: 10 };
    let store = Store::folder(place.path(), limits).await.unwrap().namespace("team-a").unwrap();
    let tried =
        async |archive: Vec<u8>| store.take(meta("tried"), Cursor::new(archive)).await.map_err(|e| e.to_string());
    let many = (0..10).fold(begun(), |tar, number| tar.file(&format!("workspace/{number}"), b""));
    assert!(tried(many.end()).await.unwrap_err().contains("more than 10 files"));
    let devices = (0..10).fold(begun(), |tar, _| tar.entry(&Header { kind: b'3', ..Header::default() }, b""));
    assert!(tried(devices.end()).await.unwrap_err().contains("more than 10 files"));
    let large = begun().file("workspace/a", &[0; 60_000]);
    assert!(tried(large.clone().file("workspace/b", &[0; 60_000]).end()).await.unwrap_err().contains("100000 bytes"));
    // A hard link costs what its file does: going back makes it one.
    assert!(tried(large.hard_link("workspace/b", "workspace/a").end()).await.unwrap_err().contains("100000 bytes"));
    let header = Header { name: b"workspace/a", size: 0o777_7777_7777, ..Header::default() };
    assert!(tried(begun().header(&header).cut()).await.unwrap_err().contains("100000 bytes"));
}

#[tokio::test]
async fn a_source_that_fails_is_no_snapshot() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path()).await;
    let whole = begun().file("workspace/a", &[7; 400_000]).end();
    let failing = failing_after(whole[..300_000].to_vec());
    let error = store.take(meta("tried"), failing).await.unwrap_err();
    assert!(matches!(error, Error::Source(_)) && error.to_string().contains("the pod is gone"), "{error}");
    assert!(store.list(None).await.unwrap().is_empty());
}

/// Bytes, then an error.
fn failing_after(bytes: Vec<u8>) -> impl tokio::io::AsyncRead + Send + Unpin {
    struct Failing;
    impl tokio::io::AsyncRead for Failing {
        fn poll_read(
            self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>, _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Err(std::io::Error::other("the pod is gone")))
        }
    }
    tokio::io::AsyncReadExt::chain(Cursor::new(bytes), Failing)
}
