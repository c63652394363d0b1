//! Archives as a hostile sandbox would make them.

use std::os::unix::fs::MetadataExt;

use super::*;

type Line<'a> = (EntryType, &'a str, &'a str);

const DIR: EntryType = EntryType::Directory;
const FILE: EntryType = EntryType::Regular;
const LINK: EntryType = EntryType::Symlink;

/// An archive with these entries: kind, name, and content or target. Names are written as they are.
fn archive(lines: &[Line<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, name, text) in lines {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o4755);
        if *kind == FILE {
            header.set_size(text.len() as u64);
        } else {
            header.as_mut_bytes()[157..157 + text.len()].copy_from_slice(text.as_bytes());
            header.set_size(0);
        }
        header.set_cksum();
        archive.append(&header, if *kind == FILE { text.as_bytes() } else { b"" }).unwrap();
    }
    archive.into_inner().unwrap()
}

fn unpacked(lines: &[Line<'_>]) -> (tempfile::TempDir, io::Result<Unpacked>) {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("new");
    fs::create_dir(&inner).unwrap();
    let result = unpack(archive(lines).as_slice(), &inner);
    (folder, result)
}

#[test]
fn files_folders_and_links_that_stay_inside_come_out() {
    let lines = [
        (DIR, "top", ""),
        (DIR, "top/a", ""),
        (FILE, "top/a/file", "text"),
        (LINK, "top/a/up", "../b"),
        (LINK, "top/here", "a/file"),
    ];
    let (folder, result) = unpacked(&lines);
    assert_eq!(result.unwrap(), Unpacked { top: "top".into(), links_left_out: 0 });
    let top = folder.path().join("new/top");
    assert_eq!(fs::read_to_string(top.join("here")).unwrap(), "text");
    assert_eq!(fs::read_link(top.join("a/up")).unwrap(), Path::new("../b"));
    assert_eq!(top.join("a/file").metadata().unwrap().mode() & 0o7777, 0o755, "set-user-id does not come out");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["../x", "top/../../x", "/etc/x", "..", "."] {
        let (folder, result) = unpacked(&[(DIR, "top", ""), (FILE, name, "x")]);
        assert!(result.is_err(), "{name}");
        assert!(!folder.path().join("x").exists(), "{name}");
    }
    let (_folder, result) = unpacked(&[(DIR, "top", ""), (FILE, "other/x", "x")]);
    assert!(result.is_err(), "a second top");
    let (_folder, result) = unpacked(&[(FILE, "top/x", "x"), (FILE, "top/y", "x")]);
    assert!(result.is_err(), "a folder that was never made");
}

#[test]
fn nothing_is_written_through_a_link() {
    let victim = tempfile::tempdir().unwrap();
    let target = victim.path().to_str().unwrap();
    for lines in [
        [(DIR, "top", ""), (LINK, "top/l", target), (FILE, "top/l/x", "x")],
        [(DIR, "top", ""), (LINK, "top/l", ".."), (FILE, "top/l/x", "x")],
    ] {
        assert!(unpacked(&lines).1.is_err());
    }
    let (_folder, result) = unpacked(&[(DIR, "top", ""), (LINK, "top/l", "a"), (FILE, "top/l", "x")]);
    assert!(result.is_err(), "a file in a link's place");
    assert_eq!(fs::read_dir(victim.path()).unwrap().count(), 0);
}

#[test]
fn links_that_could_lead_out_are_left_out() {
    for (name, target) in [
        ("top/l", "/etc/passwd"),
        ("top/l", "../x"),
        ("top/l", "a/../../x"),
        ("top/l", ".."),
        ("top/l", ""),
        ("top/a/l", "../../x"),
    ] {
        let (_folder, result) = unpacked(&[(DIR, "top", ""), (DIR, "top/a", ""), (LINK, name, target)]);
        assert_eq!(result.unwrap().links_left_out, 1, "{name} -> {target}");
    }
    let (_folder, alone) = unpacked(&[(LINK, "top", "x")]);
    assert_eq!(alone.unwrap().links_left_out, 1);
}

#[test]
fn what_is_no_file_folder_or_link_is_refused() {
    for kind in
        [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::Link, EntryType::GNUSparse, EntryType::XHeader]
    {
        assert!(unpacked(&[(DIR, "top", ""), (kind, "top/x", "top")]).1.is_err(), "{kind:?}");
    }
}

#[test]
fn an_archive_that_breaks_off_or_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = archive(&[(DIR, "top", ""), (FILE, "top/x", "some text")]);
    for bytes in [&whole[..1030], &whole[..600], &b"no archive"[..], &[]] {
        let inner = folder.path().join(bytes.len().to_string());
        fs::create_dir(&inner).unwrap();
        assert!(unpack(bytes, &inner).is_err(), "{} bytes", bytes.len());
    }
}
