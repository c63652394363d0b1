//! Ways in for fuzz targets, which are outside of this crate. They panic where something is wrong.

use std::collections::HashMap;

use exeat_digest::Digest;

use crate::archive;
use crate::limits::Limits;
use crate::manifest::{Entry, Kind, Manifest};

type Chunks = HashMap<Digest, Vec<u8>>;

/// Reads an archive, writes what it holds as another, and reads that: both have to hold the same.
pub fn archive(bytes: &[u8], folder: &str, limits: Limits) {
    let Some((manifest, chunks)) = read(bytes, folder, limits) else { return };
    assert_eq!(Manifest::decode(&manifest.encode()).ok().as_ref(), Some(&manifest));
    let (again, chunks_again) = read(&write(&manifest, &chunks), "", limits).unwrap_or_default();
    // Packs follow an archive's order, which may be another now, so manifests may differ.
    assert!(
        contents(&manifest, &chunks) == contents(&again, &chunks_again),
        "the restored archive holds something else"
    );
}

/// Reads a manifest: what is accepted is written the same.
pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::decode(bytes) {
        assert!(manifest.encode() == bytes, "the manifest is written otherwise");
    }
}

fn read(bytes: &[u8], folder: &str, limits: Limits) -> Option<(Manifest, Chunks)> {
    let mut chunks = Chunks::new();
    let keep = |digest, content| {
        chunks.insert(digest, content);
        Ok(())
    };
    let contents = archive::read(bytes, folder, limits, keep).ok()?;
    Some((contents.manifest, chunks))
}

fn write(manifest: &Manifest, chunks: &Chunks) -> Vec<u8> {
    let mut out = Vec::new();
    for step in archive::steps(manifest) {
        out.extend(archive::header(step.entry).unwrap_or_default());
        for piece in step.pieces {
            out.extend_from_slice(&chunk(manifest, chunks, piece.chunk)[piece.range]);
        }
        out.resize(out.len() + step.padding, 0);
    }
    out.extend(archive::end());
    out
}

fn chunk<'a>(manifest: &Manifest, chunks: &'a Chunks, place: u32) -> &'a [u8] {
    manifest.chunks.get(place as usize).and_then(|chunk| chunks.get(&chunk.digest)).map_or(&[], Vec::as_slice)
}

/// Entries with their contents instead of where these are.
fn contents(manifest: &Manifest, chunks: &Chunks) -> Vec<(Entry, Vec<u8>)> {
    let steps = archive::steps(manifest).map(|step| {
        let pieces = step.pieces.iter().map(|piece| &chunk(manifest, chunks, piece.chunk)[piece.range.clone()]);
        let content = pieces.collect::<Vec<_>>().concat();
        let mut entry = step.entry.clone();
        if let Kind::File(_) = entry.kind {
            entry.kind = Kind::File(crate::manifest::Content::Empty);
        }
        (entry, content)
    });
    let mut contents: Vec<_> = steps.collect();
    contents.sort_by(|one, other| one.0.path.cmp(&other.0.path));
    contents
}
