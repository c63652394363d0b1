//! Stores, workspaces and snapshots as the tests want them.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use exeat_snapshots::{Digest, Error, Limits, Meta, Namespace, Snapshot, Store};
use tokio::io::AsyncReadExt;

/// What is in a workspace, by path, in the order of a walk.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Workspace(pub(crate) BTreeMap<Vec<String>, (Node, About)>);

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Node {
    Folder,
    File(Vec<u8>),
    Link(String),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct About {
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    pub(crate) modified: i64,
}

impl Default for About {
    fn default() -> Self {
        Self { mode: 0o644, owner: 1000, modified: 1_700_000_000 }
    }
}

impl Workspace {
    /// One with nothing in it.
    pub(crate) fn empty() -> Self {
        Self(BTreeMap::from([(Vec::new(), (Node::Folder, About { mode: 0o755, ..About::default() }))]))
    }

    /// Adds something, and the folders above it.
    pub(crate) fn with(mut self, path: &str, node: Node) -> Self {
        let path: Vec<_> = path.split('/').map(str::to_owned).collect();
        self.put(&path, node, About::default());
        self
    }

    pub(crate) fn put(&mut self, path: &[String], node: Node, about: About) {
        for depth in 1..path.len() {
            let folder = (Node::Folder, About { mode: 0o755, ..About::default() });
            let there = self.0.entry(path[..depth].to_vec()).or_insert_with(|| folder.clone());
            if there.0 != Node::Folder {
                *there = folder;
            }
        }
        if !matches!((&node, self.0.get(path)), (Node::File(_) | Node::Link(_), Some((Node::Folder, _)))) {
            self.0.insert(path.to_vec(), (node, about));
        }
    }

    pub(crate) fn file(self, path: &str, content: Vec<u8>) -> Self {
        self.with(path, Node::File(content))
    }

    /// As an archive, whose names begin with `folder`.
    pub(crate) fn archive(&self, folder: &str) -> Vec<u8> {
        let mut archive = ::tar::Builder::new(Vec::new());
        for (path, (node, about)) in &self.0 {
            let name: PathBuf = [folder].iter().copied().chain(path.iter().map(String::as_str)).collect();
            let mut header = ::tar::Header::new_gnu();
            header.set_mode(about.mode);
            header.set_uid(about.owner.into());
            header.set_gid(about.owner.into());
            header.set_mtime(about.modified.cast_unsigned());
            header.set_size(0);
            match node {
                Node::Folder => {
                    header.set_entry_type(::tar::EntryType::Directory);
                    archive.append_data(&mut header, &name, &[][..]).unwrap();
                }
                Node::File(content) => {
                    header.set_size(content.len() as u64);
                    archive.append_data(&mut header, &name, &content[..]).unwrap();
                }
                Node::Link(target) => {
                    header.set_entry_type(::tar::EntryType::Symlink);
                    if target.len() > 100 {
                        archive.append_link(&mut header, &name, target).unwrap();
                    } else {
                        // `append_link` would tidy it up.
                        header.set_link_name_literal(target).unwrap();
                        archive.append_data(&mut header, &name, &[][..]).unwrap();
                    }
                }
            }
        }
        archive.into_inner().unwrap()
    }

    /// What an archive holds.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        for entry in ::tar::Archive::new(bytes).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let path: Vec<_> = name.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect();
            let header = entry.header();
            let about = About {
                mode: header.mode().unwrap(),
                owner: header.uid().unwrap().try_into().unwrap(),
                modified: header.mtime().unwrap().cast_signed(),
            };
            let node = match header.entry_type() {
                ::tar::EntryType::Directory => Node::Folder,
                ::tar::EntryType::Symlink => {
                    Node::Link(String::from_utf8(entry.link_name_bytes().unwrap().into_owned()).unwrap())
                }
                _ => {
                    let mut content = Vec::new();
                    std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
                    Node::File(content)
                }
            };
            assert!(found.0.insert(path, (node, about)).is_none(), "{name} is there twice");
        }
        found
    }
}

/// Bytes that do not compress, always the same of one seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub(crate) async fn store(folder: &Path) -> Namespace {
    Store::folder(folder, Limits::default()).await.unwrap().namespace("team-a").unwrap()
}

pub(crate) fn meta(name: &str) -> Meta {
    Meta {
        name: name.into(),
        sandbox: "site".into(),
        sandbox_uid: "3f9a2c17-b04e".into(),
        parent: None,
        taken: "2026-01-02T03:04:05Z".parse().unwrap(),
        folder: "workspace".into(),
    }
}

pub(crate) async fn take(namespace: &Namespace, name: &str, workspace: &Workspace) -> Snapshot {
    namespace.take(meta(name), Cursor::new(workspace.archive("workspace"))).await.unwrap()
}

pub(crate) async fn try_take(namespace: &Namespace, archive: Vec<u8>) -> Result<Snapshot, Error> {
    namespace.take(meta("tried"), Cursor::new(archive)).await
}

pub(crate) async fn restore(namespace: &Namespace, digest: &Digest) -> Vec<u8> {
    let mut archive = Vec::new();
    namespace.restore(digest).await.unwrap().read_to_end(&mut archive).await.unwrap();
    archive
}

/// All files below a folder, relative to it.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { found.push(path.strip_prefix(folder).unwrap().to_owned()) }
        }
    }
    found.sort();
    found
}
