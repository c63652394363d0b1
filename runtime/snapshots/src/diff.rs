//! What changed between two snapshots, in the form that `exeat-changes` gives for two disks. Contents are not read:
//! their digests say whether they differ.

use std::cmp::Ordering;

use exeat_changes::{Changes, Content as Shown, FileChange, FileState, How};
use exeat_digest::Digest;

use crate::error::Error;
use crate::limits;
use crate::manifest::{Chunk, Content, Entry, Kind, Manifest, order};
use crate::store::Namespace;

impl Namespace {
    /// The paths that differ between two snapshots, in order. Times alone are no difference. Paths begin with `/`,
    /// which stands for the workspace; which packages changed is not looked into.
    ///
    /// # Errors
    /// [`Error::NoContent`] where one of them is not there, [`Error::Damaged`] where its manifest is.
    pub async fn diff(&self, before: &Digest, after: &Digest) -> Result<Changes, Error> {
        let (before, after) = tokio::try_join!(self.open_manifest(*before), self.open_manifest(*after))?;
        Ok(tokio::task::spawn_blocking(move || compare(&before, &after)).await?)
    }
}

fn compare(before: &Manifest, after: &Manifest) -> Changes {
    let mut changes = Changes::default();
    let (mut old, mut new) = (before.entries.as_slice(), after.entries.as_slice());
    let mut left_out = 0_u64;
    loop {
        let next = match (old.first(), new.first()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => order(&one.path, &other.path),
        };
        let one = take(&mut old, next.is_le());
        let other = take(&mut new, next.is_ge());
        let Some(change) = change((before, one), (after, other)) else { continue };
        if changes.files.len() < limits::DIFFERENCES {
            changes.files.push(change);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        changes.notes.push(format!("{left_out} more paths differ than can be listed"));
    }
    changes
}

fn take<'a>(entries: &mut &'a [Entry], wanted: bool) -> Option<&'a Entry> {
    if wanted { entries.split_off_first() } else { None }
}

fn change(
    (before, one): (&Manifest, Option<&Entry>), (after, other): (&Manifest, Option<&Entry>),
) -> Option<FileChange> {
    let path = &one.or(other)?.path;
    let how = match (one, other) {
        (None, _) => How::Added,
        (_, None) => How::Removed,
        _ => How::Changed,
    };
    let same_content = match (one.map(|entry| &entry.kind), other.map(|entry| &entry.kind)) {
        (Some(Kind::File(one)), Some(Kind::File(other))) => same((before, one), (after, other)),
        (Some(Kind::File(_)), _) | (_, Some(Kind::File(_))) => false,
        _ => true,
    };
    let (before, after) = (one.map(state), other.map(state));
    let same_attributes = one.map(|entry| &entry.attributes) == other.map(|entry| &entry.attributes);
    if same_content && before == after && same_attributes {
        return None;
    }
    let text = std::str::from_utf8(path);
    Some(FileChange {
        path: format!("/{}", String::from_utf8_lossy(path)),
        path_hex: text.is_err().then(|| hex::encode(path)),
        how,
        renamed_from: None,
        before,
        after,
        content: if same_content { Shown::Same } else { Shown::NotShown },
    })
}

/// Whether two contents are equal. Those of one form and size are cut alike.
fn same((before, one): (&Manifest, &Content), (after, other): (&Manifest, &Content)) -> bool {
    let digests = |manifest: &Manifest, chunks: &[u32]| -> Vec<Option<Digest>> {
        let digest = |place: &u32| manifest.chunks.get(*place as usize).map(|chunk: &Chunk| chunk.digest);
        chunks.iter().map(digest).collect()
    };
    match (one, other) {
        (Content::Empty, Content::Empty) => true,
        (Content::Packed { digest: one, .. }, Content::Packed { digest: other, .. }) => one == other,
        (Content::Cut { chunks: one, .. }, Content::Cut { chunks: other, .. }) => {
            digests(before, one) == digests(after, other)
        }
        _ => false,
    }
}

fn state(entry: &Entry) -> FileState {
    let (kind, size, target) = match &entry.kind {
        Kind::Folder => ("folder", 0, None),
        Kind::File(content) => ("file", content.size(), None),
        Kind::Link(target) => ("symlink", target.len() as u64, Some(String::from_utf8_lossy(target).into_owned())),
    };
    let mode = format!("{:04o}", entry.mode);
    FileState { kind: kind.into(), mode, user: entry.owner, group: entry.group, size, target }
}
