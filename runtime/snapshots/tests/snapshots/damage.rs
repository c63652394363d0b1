//! What was changed behind the store's back is told, and nothing of it is restored.

use std::fs;
use std::path::{Path, PathBuf};

use exeat_snapshots::{Error, Fault, Namespace, Snapshot};

use crate::made::{Workspace, files, noise, restore, store, take};

struct Damaged {
    place: tempfile::TempDir,
    store: Namespace,
    taken: Snapshot,
}

impl Damaged {
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = store(place.path()).await;
        let workspace = Workspace::empty().file("large", noise(1, 3_000_000)).file("a/small", b"small".to_vec());
        let taken = take(&store, "one", &workspace.file("a/other", b"other".to_vec())).await;
        Self { place, store, taken }
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("team-a")
    }

    /// The chunk with the small files, and one of the large one.
    fn chunks(&self) -> (PathBuf, PathBuf) {
        let folder = self.folder().join("chunks");
        let mut chunks: Vec<_> = files(&folder).into_iter().map(|path| folder.join(path)).collect();
        chunks.sort_by_key(|path| fs::metadata(path).unwrap().len());
        (chunks[0].clone(), chunks[1].clone())
    }

    async fn refused(&self) -> Error {
        self.store.restore(&self.taken.digest).await.expect_err("it is damaged")
    }
}

fn change(path: &Path, with: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    with(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_chunk_is_named_with_the_files_that_need_it() {
    for (what, with) in [
        ("gone", None),
        ("flipped", Some((|bytes| *bytes.last_mut().unwrap() ^= 1) as fn(&mut Vec<u8>))),
        ("flipped at its start", Some(|bytes| bytes[0] ^= 1)),
        ("cut off", Some(|bytes| bytes.truncate(bytes.len() - 1))),
        ("empty", Some(Vec::clear)),
        ("longer", Some(|bytes| bytes.extend_from_slice(b"x"))),
        ("another chunk", Some(|bytes| *bytes = zstd_of(b"another content"))),
        ("endless", Some(|bytes| *bytes = vec![0; 2 << 20])),
    ] {
        let damaged = Damaged::new().await;
        let (small, _) = damaged.chunks();
        match with {
            Some(with) => change(&small, with),
            None => fs::remove_file(&small).unwrap(),
        }
        let error = damaged.refused().await;
        let Error::Damaged { first, others: 0 } = &error else { panic!("{what}: {error:?}") };
        assert_eq!(first.paths, ["a/other", "a/small"], "{what}");
        assert!(small.ends_with(first.object.strip_prefix("team-a/").unwrap()), "{what}: {error}");
        assert!(error.to_string().contains("go back to another one"), "{error}");

        let verified = damaged.store.verify(&damaged.taken.digest).await.unwrap();
        assert_eq!(verified.damage.len(), 1, "{what}: {verified:?}");
        assert!(verified.chunks > 3, "{what}: {verified:?}");
    }
}

fn zstd_of(content: &[u8]) -> Vec<u8> {
    // A frame of one raw block (RFC 8878, 3.1.1).
    let header = [0x28, 0xb5, 0x2f, 0xfd, 0x20, content.len() as u8];
    let block = ((content.len() as u32) << 3 | 1).to_le_bytes();
    [&header[..], &block[..3], content].concat()
}

#[tokio::test]
async fn all_damage_is_told() {
    let damaged = Damaged::new().await;
    let (small, large) = damaged.chunks();
    fs::remove_file(small).unwrap();
    fs::remove_file(large).unwrap();
    let verified = damaged.store.verify(&damaged.taken.digest).await.unwrap();
    assert_eq!(verified.damage.len(), 2);
    assert!(verified.damage.iter().all(|damage| damage.fault == Fault::Gone));
    assert!(damaged.refused().await.to_string().contains("(and 1 more objects)"));
}

#[tokio::test]
async fn a_damaged_manifest_or_record_is_named() {
    let damaged = Damaged::new().await;
    let manifest = damaged.folder().join("manifests").join(damaged.taken.digest.hex());
    let whole = fs::read(&manifest).unwrap();
    for position in (0..whole.len()).step_by(whole.len() / 50) {
        change(&manifest, |bytes| bytes[position] ^= 4);
        let error = damaged.refused().await;
        assert!(matches!(error, Error::Damaged { .. }), "{position}: {error}");
        assert!(error.to_string().contains("team-a/manifests/"), "{error}");
        assert_eq!(damaged.store.verify(&damaged.taken.digest).await.unwrap().damage.len(), 1);
        // What its snapshot needs is not known, so nothing is removed.
        let error = damaged.store.collect().await.unwrap_err();
        assert!(error.to_string().contains("since snapshot `one` is damaged: `team-a/manifests/"), "{error}");
        fs::write(&manifest, &whole).unwrap();
    }
    restore(&damaged.store, &damaged.taken.digest).await;

    let record = damaged.folder().join("snapshots/one");
    change(&record, |bytes| bytes[100] ^= 1);
    assert!(damaged.store.get("one").await.unwrap_err().to_string().contains("`team-a/snapshots/one` has the digest"));
    assert!(matches!(damaged.store.collect().await, Err(Error::Damaged { .. })));
    assert!(damaged.store.delete("one").await.unwrap());
    damaged.store.collect().await.unwrap();
    assert!(files(damaged.place.path()).is_empty());
}

#[tokio::test]
async fn a_lost_chunk_comes_back_with_the_next_take() {
    let damaged = Damaged::new().await;
    let (small, _) = damaged.chunks();
    fs::remove_file(&small).unwrap();
    let workspace = Workspace::empty().file("large", noise(1, 3_000_000)).file("a/small", b"small".to_vec());
    let again = take(&damaged.store, "two", &workspace.file("a/other", b"other".to_vec())).await;
    assert_eq!(again.digest, damaged.taken.digest);
    restore(&damaged.store, &damaged.taken.digest).await;
}

#[tokio::test]
async fn a_damaged_object_is_cleared_and_comes_back_with_the_next_take() {
    let damaged = Damaged::new().await;
    let workspace = Workspace::empty().file("large", noise(1, 3_000_000)).file("a/small", b"small".to_vec());
    let workspace = workspace.file("a/other", b"other".to_vec());
    let (small, large) = damaged.chunks();
    let manifest = damaged.folder().join("manifests").join(damaged.taken.digest.hex());
    for object in [&small, &large, &manifest] {
        change(object, |bytes| *bytes.last_mut().unwrap() ^= 1);
        take(&damaged.store, "again", &workspace).await;
        let verified = damaged.store.verify(&damaged.taken.digest).await.unwrap();
        assert_eq!(verified.damage.len(), 1, "a take does not read what is there");
        assert_eq!(damaged.store.clear(&verified).await.unwrap(), 1);
        damaged.store.delete("again").await.unwrap();
        take(&damaged.store, "again", &workspace).await;
        restore(&damaged.store, &damaged.taken.digest).await;
        // What is whole by now is left alone.
        assert_eq!(damaged.store.clear(&verified).await.unwrap(), 0);
        restore(&damaged.store, &damaged.taken.digest).await;
        damaged.store.delete("again").await.unwrap();
    }
    fs::remove_file(&manifest).unwrap();
    assert!(damaged.store.collect().await.unwrap_err().to_string().contains("is gone; delete that snapshot"));
}

#[tokio::test]
async fn another_snapshots_record_is_not_believed() {
    let damaged = Damaged::new().await;
    let folder = damaged.folder().join("snapshots");
    fs::copy(folder.join("one"), folder.join("two")).unwrap();
    assert!(damaged.store.get("two").await.unwrap_err().to_string().contains("it is of snapshot `one`"));
}
