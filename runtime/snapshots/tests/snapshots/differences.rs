//! What changed between two snapshots.

use crate::made::{About, Node, Workspace, noise, store, take};

#[tokio::test]
async fn changed_paths_are_listed_in_order() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path()).await;
    let before = Workspace::empty()
        .file("same", noise(1, 100))
        .file("small", b"one".to_vec())
        .file("large", noise(2, 400_000))
        .file("moved-pack", noise(3, 100))
        .file("gone/file", b"x".to_vec())
        .file("kind", b"file".to_vec())
        .with("link", Node::Link("a".into()))
        .file("touched", b"t".to_vec());
    let mut after = before.clone();
    after.0.retain(|path, _| path[..1.min(path.len())] != ["gone".to_owned()]);
    let mut large = noise(2, 400_000);
    large[200_000] ^= 1;
    let mut after = after
        .file("a/new", noise(4, 60_000))
        .file("small", b"two".to_vec())
        .file("large", large)
        .with("kind", Node::Link("elsewhere".into()))
        .with("link", Node::Link("b".into()));
    let path = |name: &str| vec![name.to_owned()];
    after.put(&path("touched"), Node::File(b"t".to_vec()), About { modified: 5, ..About::default() });
    after.put(&path("same"), Node::File(noise(1, 100)), About { mode: 0o755, ..About::default() });

    let (one, other) = (take(&store, "one", &before).await, take(&store, "two", &after).await);
    let changes = store.diff(&one.digest, &other.digest).await.unwrap();
    let lines: Vec<_> = changes
        .files
        .iter()
        .map(|change| {
            let size = |state: &Option<exeat_changes::FileState>| {
                state.as_ref().map_or("-".into(), |state| format!("{} {} {}", state.kind, state.mode, state.size))
            };
            format!("{:?} {}: {} -> {}", change.how, change.path, size(&change.before), size(&change.after))
        })
        .collect();
    assert_eq!(
        lines,
        [
            "Added /a: - -> folder 0755 0",
            "Added /a/new: - -> file 0644 60000",
            "Removed /gone: folder 0755 0 -> -",
            "Removed /gone/file: file 0644 1 -> -",
            "Changed /kind: file 0644 4 -> symlink 0644 9",
            "Changed /large: file 0644 400000 -> file 0644 400000",
            "Changed /link: symlink 0644 1 -> symlink 0644 1",
            "Changed /same: file 0644 100 -> file 0755 100",
            "Changed /small: file 0644 3 -> file 0644 3",
        ]
    );
    assert_eq!(changes.files[7].content, exeat_changes::Content::Same);
    assert_eq!(changes.files[8].content, exeat_changes::Content::NotShown);
    assert!(store.diff(&one.digest, &one.digest).await.unwrap().files.is_empty());
}
