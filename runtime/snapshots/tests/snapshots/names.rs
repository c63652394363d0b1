//! Names, lists, and that namespaces do not see each other.

use std::io::Cursor;

use exeat_snapshots::{Error, Limits, Meta, Store};

use crate::made::{Workspace, files, meta, noise, take};

#[tokio::test]
async fn namespaces_share_nothing() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::folder(place.path(), Limits::default()).await.unwrap();
    let (one, other) = (store.namespace("team-a").unwrap(), store.namespace("team-b").unwrap());
    let workspace = Workspace::empty().file("secret", noise(1, 200_000));
    let taken = take(&one, "first", &workspace).await;

    assert!(matches!(other.get("first").await, Err(Error::NoSnapshot { .. })));
    assert!(other.list(None).await.unwrap().is_empty());
    assert!(!other.delete("first").await.unwrap());
    for denied in [other.restore(&taken.digest).await.map(drop), other.verify(&taken.digest).await.map(drop)] {
        assert!(matches!(denied, Err(Error::NoContent { .. })), "{denied:?}");
    }
    assert!(matches!(other.diff(&taken.digest, &taken.digest).await, Err(Error::NoContent { .. })));
    // It costs the other as much: nothing tells that it was there already.
    let again = take(&other, "first", &workspace).await;
    assert_eq!(again.stored_bytes, taken.stored_bytes);
    assert_eq!(store.namespaces().await.unwrap(), ["team-a", "team-b"]);

    one.delete("first").await.unwrap();
    one.collect().await.unwrap();
    assert!(files(&place.path().join("team-a")).is_empty());
    other.restore(&again.digest).await.unwrap();
    for bad in ["", "..", "team-a/snapshots", "Team", ".work"] {
        assert!(matches!(store.namespace(bad), Err(Error::Name { .. })), "{bad}");
    }
}

#[tokio::test]
async fn a_snapshot_is_found_by_its_name_and_listed_by_its_sandbox() {
    let place = tempfile::tempdir().unwrap();
    let store = crate::made::store(place.path()).await;
    let archive = || Cursor::new(Workspace::empty().archive("workspace"));
    for (name, sandbox, minute) in [("c", "site", 1), ("a", "site", 2), ("b", "docs", 0)] {
        let taken = format!("2026-01-02T03:{minute:02}:00Z").parse().unwrap();
        let meta = Meta { sandbox: sandbox.into(), taken, parent: Some("zero".into()), ..meta(name) };
        let snapshot = store.take(meta, archive()).await.unwrap();
        assert_eq!(store.get(name).await.unwrap(), snapshot);
    }
    let names = async |sandbox| -> Vec<String> {
        store.list(sandbox).await.unwrap().into_iter().map(|snapshot| snapshot.name).collect()
    };
    assert_eq!(names(None).await, ["b", "c", "a"]);
    assert_eq!(names(Some("site")).await, ["c", "a"]);

    let error = store.take(meta("a"), archive()).await.unwrap_err();
    assert!(matches!(error, Error::Exists { .. }) && error.to_string().contains("under another name"), "{error}");
    assert!(store.delete("a").await.unwrap());
    assert!(!store.delete("a").await.unwrap());
    assert!(matches!(store.get("a").await, Err(Error::NoSnapshot { .. })));
    store.take(meta("a"), archive()).await.unwrap();

    for bad in ["../a", "A", "", "a/b"] {
        assert!(matches!(store.take(meta(bad), archive()).await, Err(Error::Name { .. })), "{bad}");
        assert!(matches!(store.get(bad).await, Err(Error::Name { .. })), "{bad}");
        assert!(matches!(store.delete(bad).await, Err(Error::Name { .. })), "{bad}");
    }
}

#[tokio::test]
async fn of_two_takes_of_one_name_one_wins() {
    let place = tempfile::tempdir().unwrap();
    let store = crate::made::store(place.path()).await;
    let archive = |content: u8| Cursor::new(Workspace::empty().file("a", vec![content; 80_000]).archive("workspace"));
    let (one, other) = tokio::join!(store.take(meta("a"), archive(1)), store.take(meta("a"), archive(2)));
    let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
    assert_eq!(store.get("a").await.unwrap(), won.unwrap());
    assert!(matches!(lost, Err(Error::Exists { .. })), "{lost:?}");
}

#[tokio::test]
async fn only_this_user_can_read_what_is_stored() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let store = crate::made::store(&place.path().join("store")).await;
    take(&store, "a", &Workspace::empty().file("a", noise(1, 100))).await;
    let mut all = files(place.path());
    all.extend(["store", "store/team-a", "store/team-a/chunks"].map(Into::into));
    for path in all {
        let mode = std::fs::metadata(place.path().join(&path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}
