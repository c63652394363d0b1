//! A workspace out of a sandbox into the store of snapshots, and back.

use std::io;

use bytes::Bytes;
use exeat_inside::client::Archive;
use exeat_snapshots::{Limits, Meta, Namespace, Snapshot, Store};
use futures_util::stream::{self, Stream};
use tokio_util::io::StreamReader;

use crate::scene::{Scene, soon};

/// An archive as bytes to be read.
fn pieces(archive: Archive) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin {
    Box::pin(stream::try_unfold(archive, |mut archive| async {
        let piece = archive.next().await.map_err(io::Error::other)?;
        Ok(piece.map(|piece| (piece, archive)))
    }))
}

async fn take(scene: &Scene, store: &Namespace, name: &str, folder: &str) -> Snapshot {
    let meta = Meta {
        name: name.into(),
        sandbox: "site".into(),
        sandbox_uid: "uid".into(),
        parent: None,
        taken: jiff::Timestamp::now(),
        folder: folder.into(),
    };
    let archive = soon(scene.inside.archive(folder)).await.unwrap();
    soon(store.take(meta, StreamReader::new(pieces(archive)))).await.unwrap()
}

/// What has to come back: all but the times of folders and links, which sandboxd does not set.
async fn seen(scene: &Scene, folder: &str) -> String {
    let look = "(find . -mindepth 1 -type d -printf '%P/ %m\\n'; find . -type l -printf '%P -> %l\\n'; \
                find . -type f -printf '%P %m %s %Ts\\n'; find . -type f | xargs -d '\\n' md5sum) | sort";
    let output = scene.sh(&format!("cd {folder} && {look}")).await;
    assert_eq!(output.exit_code, 0);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_workspace_goes_into_a_snapshot_and_comes_back() {
    let scene = Scene::new().await;
    let script = "umask 022; mkdir -p from/src/deep from/empty; cd from; for n in $(seq 300); do seq $n > src/file$n; \
                  done; head -c 3000000 /dev/urandom > large; truncate -s 5000000 sparse; echo x | \
                  dd of=sparse seek=9000 conv=notrunc; ln -s ../large src/link; ln -s .//odd/ src/odd; ln large hard; \
                  chmod 751 src; chmod 600 src/file3; mkfifo pipe; touch -d 1960-01-02 old; \
                  long=$(printf '%0120d' 7); echo long > $long; ln -s $long$long src/to-long; echo ü > 'with space ü'";
    assert_eq!(scene.sh(script).await.exit_code, 0);
    let place = tempfile::tempdir().unwrap();
    let store = Store::folder(place.path(), Limits::default()).await.unwrap().namespace("team-a").unwrap();
    let taken = take(&scene, &store, "one", "from").await;
    assert!(taken.files >= 306 && taken.stored_bytes < 3_300_000, "{taken:?}");

    let restored = soon(store.restore(&taken.digest)).await.unwrap();
    soon(scene.inside.extract("to", restored)).await.unwrap();
    assert_eq!(seen(&scene, "to").await, seen(&scene, "from").await);

    // What came back is known: a fork starts where its origin is.
    let again = take(&scene, &store, "two", "to").await;
    let changes = store.diff(&taken.digest, &again.digest).await.unwrap();
    assert!(changes.files.iter().all(|change| change.path == "/"), "{changes:?}");
    assert!(again.stored_bytes < 60_000, "{again:?}");
}
