//! A bucket, at a real server that checks signatures.

use std::sync::atomic::Ordering;

use exeat_snapshots::{Credentials, Error, Limits, S3Config, Store};

use crate::made::{Workspace, noise, restore, take};
use crate::moto::{BUCKET, Moto};
use crate::proxy::{Fate, Proxy};

fn workspace() -> Workspace {
    (0..40_u64).fold(Workspace::empty().file("large", noise(1, 3_000_000)), |workspace, number| {
        workspace.file(&format!("folder/{number}"), noise(number + 2, 2_000))
    })
}

async fn open(moto: &Moto, port: u16) -> Store {
    Store::s3(&moto.config(port), moto.credentials(), Limits::default()).await.unwrap()
}

#[tokio::test]
async fn a_bucket_keeps_snapshots() {
    let Some(moto) = Moto::start().await else { return };
    let store = open(&moto, moto.port()).await;
    assert!(store.namespaces().await.unwrap().is_empty());
    let namespace = store.namespace("team-a").unwrap();
    let one = take(&namespace, "one", &workspace()).await;
    assert_eq!(Workspace::read(&restore(&namespace, &one.digest).await), workspace());
    let two = take(&namespace, "two", &workspace().file("new", noise(99, 90_000))).await;
    assert!(two.stored_bytes < 200_000, "{two:?}");
    assert_eq!(take(&namespace, "three", &workspace()).await.stored_bytes, 0);
    let names: Vec<_> = namespace.list(None).await.unwrap().into_iter().map(|snapshot| snapshot.name).collect();
    assert_eq!(names, ["one", "three", "two"]);
    assert_eq!(namespace.diff(&one.digest, &two.digest).await.unwrap().files.len(), 1);
    assert_eq!(store.namespaces().await.unwrap(), ["team-a"]);
    let error = namespace.take(crate::made::meta("one"), std::io::Cursor::new(workspace().archive("workspace"))).await;
    assert!(matches!(error, Err(Error::Exists { .. })), "{error:?}");

    assert!(namespace.delete("two").await.unwrap() && !namespace.delete("two").await.unwrap());
    let collected = namespace.collect().await.unwrap();
    assert_eq!((collected.manifests, collected.bytes > 90_000), (1, true), "{collected:?}");
    assert_eq!(namespace.verify(&one.digest).await.unwrap().damage, []);
    // The prefix keeps another store in the same bucket apart.
    let other = S3Config { prefix: "exeat/two".into(), ..moto.config(moto.port()) };
    let other = Store::s3(&other, moto.credentials(), Limits::default()).await.unwrap();
    assert!(other.namespaces().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_said() {
    let Some(moto) = Moto::start().await else { return };
    let config = moto.config(moto.port());
    let said = async |config: S3Config, credentials: Credentials| {
        Store::s3(&config, credentials, Limits::default()).await.map(drop).unwrap_err().to_string()
    };
    let missing = said(S3Config { bucket: "nowhere".into(), ..config.clone() }, moto.credentials()).await;
    assert!(missing.contains("there is no bucket `nowhere`: create it, or correct `bucket`"), "{missing}");
    let wrong = said(config.clone(), Credentials::new(moto.key(), "wrong", None)).await;
    assert!(wrong.contains("the credentials are refused") && wrong.contains("SignatureDoesNotMatch"), "{wrong}");
    let unknown = said(config.clone(), Credentials::new("AKIAUNKNOWN", "wrong", None)).await;
    assert!(unknown.contains("the credentials are refused"), "{unknown}");
    let odd = said(config.clone(), Credentials::new("a\nb", "wrong", None)).await;
    assert!(odd.contains("characters that none have"), "{odd}");
    let plain = S3Config { endpoint: Some("http://storage.test".into()), ..config.clone() };
    assert!(said(plain, moto.credentials()).await.contains("allow it with `plain_http`"));
    let nobody = S3Config { endpoint: Some("http://127.0.0.1:1".into()), ..config };
    let nobody = said(nobody, moto.credentials()).await;
    assert!(nobody.contains(&format!("bucket `{BUCKET}` at `http://127.0.0.1:1`")), "{nobody}");
}

#[tokio::test]
async fn a_storage_that_is_too_busy_is_asked_again() {
    let Some(moto) = Moto::start().await else { return };
    let proxy = Proxy::start(moto.port(), |number, _| match number % 11 {
        2 => Fate::SlowDown,
        5 => Fate::Dropped,
        8 => Fate::Broken,
        _ => Fate::Passes,
    })
    .await;
    let namespace = open(&moto, proxy.port).await.namespace("team-a").unwrap();
    let one = take(&namespace, "one", &workspace()).await;
    assert_eq!(Workspace::read(&restore(&namespace, &one.digest).await), workspace());
    namespace.delete("one").await.unwrap();
    namespace.collect().await.unwrap();
    assert!(proxy.failed.lock().unwrap().len() > 20);
}

#[tokio::test]
async fn a_record_whose_answer_was_lost_is_still_ones_own() {
    let Some(moto) = Moto::start().await else { return };
    let first = std::sync::atomic::AtomicBool::new(true);
    let proxy = Proxy::start(moto.port(), move |_, line| {
        let record = line.starts_with("PUT ") && line.contains("/snapshots/one");
        if record && first.swap(false, Ordering::SeqCst) { Fate::AnswerLost } else { Fate::Passes }
    })
    .await;
    let namespace = open(&moto, proxy.port).await.namespace("team-a").unwrap();
    let one = take(&namespace, "one", &workspace()).await;
    assert_eq!(namespace.get("one").await.unwrap(), one);
    assert_eq!(proxy.failed.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_storage_that_stays_away_is_given_up() {
    let Some(moto) = Moto::start().await else { return };
    let proxy = Proxy::start(moto.port(), |number, line| {
        let chunk = line.starts_with("PUT ") && line.contains("/chunks/");
        if chunk && number > 3 { Fate::SlowDown } else { Fate::Passes }
    })
    .await;
    let namespace = open(&moto, proxy.port).await.namespace("team-a").unwrap();
    let archive = std::io::Cursor::new(workspace().archive("workspace"));
    let error = namespace.take(crate::made::meta("one"), archive).await.unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains("cannot write `team-a/chunks/") && shown.contains("503 SlowDown"), "{shown}");
    assert!(namespace.list(None).await.unwrap().is_empty());
    // The claim was given back.
    namespace.collect().await.unwrap();
    assert!(proxy.requests.load(Ordering::SeqCst) > 10);
}
