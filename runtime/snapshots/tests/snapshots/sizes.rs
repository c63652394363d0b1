//! What a change costs.

use crate::made::{Workspace, files, noise, restore, store, take};

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn a_change_in_the_middle_of_a_large_file_stores_little() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path()).await;
    let mut content = noise(1, 20 * MIB as usize);
    let whole = take(&store, "whole", &Workspace::empty().file("data", content.clone())).await;
    assert!(whole.stored_bytes > 20 * MIB, "{whole:?}");

    content[10 * MIB as usize] ^= 1;
    let changed = take(&store, "changed", &Workspace::empty().file("data", content.clone())).await;
    assert!((1..=2 * MIB + 64 * 1024).contains(&changed.stored_bytes), "{changed:?}");

    content.splice(5_000_000..5_000_000, *b"inserted");
    let longer = Workspace::empty().file("data", content);
    let inserted = take(&store, "inserted", &longer).await;
    assert!((1..=2 * MIB + 64 * 1024).contains(&inserted.stored_bytes), "{inserted:?}");
    assert_eq!(Workspace::read(&restore(&store, &inserted.digest).await), longer);

    // Moved and copied, it is found again.
    let content = match &longer.0[&vec!["data".to_owned()]].0 {
        crate::made::Node::File(content) => content.clone(),
        other => panic!("{other:?}"),
    };
    let moved = Workspace::empty().file("a/moved", content.clone()).file("b", b"small".to_vec()).file("copy", content);
    let moved = take(&store, "moved", &moved).await;
    assert!(moved.stored_bytes < 64 * 1024, "{moved:?}");
}

fn many() -> Workspace {
    (0..3_000_u64).fold(Workspace::empty(), |workspace, number| {
        let content = noise(number + 1, 500 + (number as usize * 37) % 9_000);
        workspace.file(&format!("folder{}/file{number}", number % 50), content)
    })
}

#[tokio::test]
async fn many_small_files_are_few_objects_and_one_changed_file_few_bytes() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path()).await;
    let first = take(&store, "first", &many()).await;
    assert_eq!(first.files, 3_000);
    let chunks = files(&place.path().join("team-a/chunks")).len();
    assert!((10..60).contains(&chunks), "{chunks} chunks for {} bytes", first.bytes);

    // What is stored anew is a pack or two, and the manifest.
    let manifest = files(&place.path().join("team-a/manifests"))[0].clone();
    let manifest = std::fs::metadata(place.path().join("team-a/manifests").join(manifest)).unwrap().len();
    let changed = take(&store, "changed", &many().file("folder7/file7", b"another".to_vec())).await;
    assert!(changed.stored_bytes < 2 * MIB + manifest + 1024, "{changed:?}");
    let added = take(&store, "added", &many().file("folder30/new", noise(9_999, 4_000))).await;
    assert!(added.stored_bytes < 3 * MIB + manifest + 1024, "{added:?}");
    let mut fewer = many();
    fewer.0.retain(|path, _| path.first().is_none_or(|folder| folder != "folder20"));
    let fewer = take(&store, "fewer", &fewer).await;
    assert!(fewer.stored_bytes < 3 * MIB + manifest + 1024, "{fewer:?}");
}

#[tokio::test]
async fn a_sparse_file_comes_back_with_its_zeros() {
    let place = tempfile::tempdir().unwrap();
    let workspace = place.path().join("workspace");
    std::fs::create_dir(&workspace).unwrap();
    let file = std::fs::File::create(workspace.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"begin", 0).unwrap();
    for number in 1..40_u64 {
        std::os::unix::fs::FileExt::write_all_at(&file, &noise(number, 4096), number * 300_000).unwrap();
    }
    file.set_len(30 * MIB).unwrap();
    let mut archive = ::tar::Builder::new(Vec::new());
    archive.append_dir_all("workspace", &workspace).unwrap();
    let archive = archive.into_inner().unwrap();
    assert!((archive.len() as u64) < 2 * MIB, "this file system has no sparse files: {}", archive.len());

    let store = store(&place.path().join("store")).await;
    let taken = crate::made::try_take(&store, archive).await.unwrap();
    assert_eq!(taken.bytes, 30 * MIB);
    assert!(taken.stored_bytes < 2 * MIB, "{taken:?}");
    let restored = Workspace::read(&restore(&store, &taken.digest).await);
    let content = std::fs::read(workspace.join("sparse")).unwrap();
    assert!(restored.0[&vec!["sparse".to_owned()]].0 == crate::made::Node::File(content));
}
