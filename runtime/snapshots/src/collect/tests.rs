//! Takes, restores, deletions and collectors at the same time, in thousands of orders, and dropped at every request.

use std::io::Cursor;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::backend::memory::Memory;
use crate::error::Error;
use crate::limits;
use crate::record::Snapshot;
use crate::store::{Namespace, Store};
use crate::take::Meta;

fn namespace(memory: &Memory) -> Namespace {
    Store::memory(memory.clone()).namespace("team-a").unwrap()
}

/// An archive of a file that all have, in several chunks, and one of its own.
fn workspace(own: u8) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content).unwrap();
    };
    add("./", tar::EntryType::Directory, b"");
    let shared: Vec<u8> = (0..100_000_u32).flat_map(|number| number.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    add("shared", tar::EntryType::Regular, &shared);
    add("own", tar::EntryType::Regular, &vec![own; 70_000]);
    archive.into_inner().unwrap()
}

async fn take(namespace: &Namespace, name: &str, own: u8) -> Result<Snapshot, Error> {
    let meta = Meta {
        name: name.into(),
        sandbox: "site".into(),
        sandbox_uid: "uid".into(),
        parent: None,
        taken: jiff::Timestamp::UNIX_EPOCH,
        folder: String::new(),
    };
    namespace.take(meta, Cursor::new(workspace(own))).await
}

async fn restore(namespace: &Namespace, snapshot: &Snapshot) -> Result<(), Error> {
    let mut archive = namespace.restore(&snapshot.digest).await?;
    let mut bytes = Vec::new();
    archive.read_to_end(&mut bytes).await.map(drop).map_err(Error::Source)
}

/// Every snapshot that is there is whole.
async fn assert_whole(namespace: &Namespace, said: &str) {
    for snapshot in namespace.list(None).await.unwrap() {
        let verified = namespace.verify(&snapshot.digest).await.unwrap();
        assert_eq!((verified.damage, verified.others), (Vec::new(), 0), "{said}: {}", snapshot.name);
    }
}

/// What is left when everything was deleted and collected.
async fn left(namespace: &Namespace, memory: &Memory) -> Vec<String> {
    for snapshot in namespace.list(None).await.unwrap() {
        namespace.delete(&snapshot.name).await.unwrap();
    }
    memory.advance(limits::CLAIM + Duration::from_secs(1));
    namespace.collect().await.unwrap();
    memory.keys()
}

#[tokio::test(start_paused = true)]
async fn whatever_the_order_no_snapshot_loses_a_chunk() {
    let (mut busy, mut removed, mut gone) = (0, 0, 0);
    for seed in 1..=300 {
        let memory = Memory::seeded(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15));
        let namespace = namespace(&memory);
        // What the next ones find is garbage, or is about to be.
        let garbage = take(&namespace, "garbage", 1).await.unwrap();
        let old = take(&namespace, "old", 2).await.unwrap();
        namespace.delete(&garbage.name).await.unwrap();
        let (again, other, collected, twice, restored, _) = tokio::join!(
            take(&namespace, "again", 1),
            take(&namespace, "other", 3),
            namespace.collect(),
            namespace.collect(),
            restore(&namespace, &old),
            namespace.delete("old"),
        );
        again.unwrap();
        other.unwrap();
        match restored {
            Ok(()) => {}
            // It was deleted and collected before.
            Err(Error::NoContent { .. }) => gone += 1,
            Err(error) => panic!("seed {seed}: {error}"),
        }
        for collected in [collected, twice] {
            match collected {
                Ok(collected) => removed += collected.chunks,
                Err(Error::Busy(_)) => busy += 1,
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        assert_whole(&namespace, &format!("seed {seed}")).await;
        assert_eq!(namespace.list(None).await.unwrap().len(), 2);
        assert_eq!(left(&namespace, &memory).await, Vec::<String>::new(), "seed {seed}");
    }
    // Both happened, or the test shows nothing.
    assert!(busy > 20 && removed > 20, "{busy} were busy, {removed} chunks removed, {gone} came too late");
}

#[tokio::test(start_paused = true)]
async fn a_take_dropped_at_any_request_leaves_no_half_snapshot() {
    let mut undone = 0;
    for requests in 0.. {
        let memory = Memory::seeded(7);
        let namespace = namespace(&memory);
        take(&namespace, "before", 1).await.unwrap();
        let until = memory.requests() + requests;
        let finished = {
            let mut taking = pin!(take(&namespace, "dropped", 2));
            std::future::poll_fn(|context| {
                if memory.requests() >= until {
                    return Poll::Ready(false);
                }
                context.waker().wake_by_ref();
                taking.as_mut().poll(context).map(|taken| taken.map(|_| true).unwrap())
            })
            .await
        };
        assert_whole(&namespace, &format!("after {requests} requests")).await;
        memory.advance(limits::CLAIM + Duration::from_secs(1));
        namespace.collect().await.unwrap();
        assert_whole(&namespace, &format!("collected after {requests} requests")).await;
        assert!(take(&namespace, "after", 2).await.is_ok());
        assert_eq!(left(&namespace, &memory).await, Vec::<String>::new(), "after {requests} requests");
        undone += u64::from(!finished);
        if finished {
            break;
        }
    }
    assert!(undone > 10, "{undone} requests");
}

#[tokio::test(start_paused = true)]
async fn a_collector_dropped_at_any_request_takes_nothing_that_is_needed() {
    for requests in (0..270).step_by(9) {
        let memory = Memory::seeded(11);
        let namespace = namespace(&memory);
        take(&namespace, "kept", 1).await.unwrap();
        take(&namespace, "gone", 2).await.unwrap();
        namespace.delete("gone").await.unwrap();
        let until = memory.requests() + requests;
        {
            let mut collecting = pin!(namespace.collect());
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                if memory.requests() >= until { Poll::Ready(()) } else { collecting.as_mut().poll(context).map(drop) }
            })
            .await;
        }
        // Its claim holds up takes until it is over.
        memory.advance(limits::CLAIM + Duration::from_secs(1));
        take(&namespace, "again", 2).await.unwrap();
        assert_whole(&namespace, &format!("after {requests} requests")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_cannot_be_renewed_is_not_relied_upon() {
    let memory = Memory::seeded(3);
    let namespace = namespace(&memory);
    let claim = namespace.claim_use().await.unwrap();
    tokio::time::sleep(limits::CLAIM * 3).await;
    claim.check().unwrap();
    assert!(matches!(namespace.collect().await, Err(Error::Busy(_))));

    memory.fail_claims(true);
    tokio::time::sleep(limits::CLAIM - limits::CLAIM_MARGIN + limits::CLAIM_RENEWED).await;
    assert!(matches!(claim.check(), Err(Error::Overdue)));
    memory.fail_claims(false);
    claim.release().await;
    namespace.collect().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_take_that_was_held_up_is_undone() {
    let memory = Memory::seeded(5);
    let namespace = namespace(&memory);
    // The record is written when the claim has run out: the archive's end comes late.
    let archive = workspace(1);
    let (mut writer, reader) = tokio::io::duplex(64 * 1024);
    let feeding = async {
        tokio::io::AsyncWriteExt::write_all(&mut writer, &archive[..archive.len() - 512]).await.unwrap();
        memory.fail_claims(true);
        for _ in 0..5 {
            tokio::time::advance(limits::SILENCE / 2).await;
            tokio::io::AsyncWriteExt::write_all(&mut writer, &[0; 100]).await.unwrap();
        }
        tokio::io::AsyncWriteExt::write_all(&mut writer, &[0; 512]).await.unwrap();
        drop(writer);
    };
    let meta = Meta {
        name: "late".into(),
        sandbox: "site".into(),
        sandbox_uid: "uid".into(),
        parent: None,
        taken: jiff::Timestamp::UNIX_EPOCH,
        folder: String::new(),
    };
    let (taken, ()) = tokio::join!(namespace.take(meta, reader), feeding);
    assert!(matches!(taken, Err(Error::Overdue)), "{taken:?}");
    assert!(namespace.list(None).await.unwrap().is_empty());
}
