use std::path::Path;

use super::{Recorder, name_of, parse, path_of};
use crate::folder;
use crate::stat::Stat;

fn some_stat() -> Stat {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f"), "content").unwrap();
    let root = folder::open_root(folder.path()).unwrap();
    folder::look(&root, "f".as_ref()).unwrap()
}

fn written(stat: &Stat) -> Vec<u8> {
    let mut recorder = Recorder::new(7);
    recorder.note(stat, Path::new("some/folder/one"));
    recorder.note(&Stat { inode: stat.inode + 1, ..*stat }, Path::new("some/folder/other"));
    let mut bytes = recorder.bytes;
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

#[test]
fn a_file_is_found_by_inode_while_nothing_of_it_changed() {
    let stat = some_stat();
    let index = parse(&written(&stat), 7).unwrap();
    assert_eq!(index.unchanged(&stat), Some(Path::new("some/folder/one")));
    assert_eq!(index.unchanged(&Stat { inode: stat.inode + 1, ..stat }), Some(Path::new("some/folder/other")));
    assert_eq!(index.unchanged(&Stat { size: stat.size + 1, ..stat }), None);
    let mut later = stat;
    later.changed.nanoseconds ^= 1;
    assert_eq!(index.unchanged(&later), None);
}

#[test]
fn a_broken_index_or_one_of_another_capture_is_no_index() {
    let bytes = written(&some_stat());
    assert!(parse(&bytes, 8).is_none());
    for length in 0..bytes.len() {
        assert!(parse(&bytes[..length], 7).is_none());
    }
    for at in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[at] ^= 0x41;
        assert!(parse(&broken, 7).is_none());
    }
}

#[test]
fn the_index_is_beside_the_capture() {
    assert_eq!(path_of(Path::new("/a/layer")), Path::new("/a/layer.index"));
    assert_eq!(name_of("x.y".as_ref()), "x.y.index");
}
