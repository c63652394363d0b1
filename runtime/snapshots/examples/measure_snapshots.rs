//! How long snapshots take: `cargo run --release -p exeat-snapshots --example measure_snapshots -- FOLDER [FILES [BYTES]]`.
//!
//! Keeps a workspace of FILES files (10,000) of BYTES each on average (10,000) in a store in FOLDER: takes it, takes it
//! again unchanged and with one changed, and restores it.

#![allow(clippy::unwrap_used, reason = "a measurement that fails says so by ending")]

use std::io::Cursor;
use std::path::PathBuf;
use std::time::Instant;

use exeat_snapshots::{Limits, Meta, Namespace, Snapshot, Store};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap());
    let mut number = |usual| arguments.next().map_or(usual, |text| text.parse::<usize>().unwrap());
    let (files, bytes) = (number(10_000), number(10_000));
    let store = Store::folder(&folder, Limits::default()).await.unwrap().namespace("measured").unwrap();
    let workspace = archive(files, bytes, None);
    take(&store, "take", workspace.clone()).await;
    take(&store, "take-unchanged", workspace).await;
    let taken = take(&store, "take-one-changed", archive(files, bytes, Some(files / 2))).await;

    let began = Instant::now();
    let mut restored = store.restore(&taken.digest).await.unwrap();
    println!("restore: {:?} to the first byte", began.elapsed());
    let size = tokio::io::copy(&mut restored, &mut tokio::io::sink()).await.unwrap();
    println!("restore: {:?}, an archive of {size} bytes", began.elapsed());
    let began = Instant::now();
    store.delete("take-one-changed").await.unwrap();
    println!("collect: {:?} in {:?}", store.collect().await.unwrap(), began.elapsed());
}

async fn take(store: &Namespace, name: &str, archive: Vec<u8>) -> Snapshot {
    let meta = Meta {
        name: name.into(),
        sandbox: "site".into(),
        sandbox_uid: "uid".into(),
        parent: None,
        taken: jiff::Timestamp::now(),
        folder: String::new(),
    };
    let began = Instant::now();
    let taken = store.take(meta, Cursor::new(archive)).await.unwrap();
    println!("{name}: {:?}, {} of {} bytes stored", began.elapsed(), taken.stored_bytes, taken.bytes);
    taken
}

/// Files of half-random text, 100 a folder.
fn archive(files: usize, bytes: usize, changed: Option<usize>) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content).unwrap();
    };
    add("./", tar::EntryType::Directory, b"");
    let mut state = 1_u64;
    for file in 0..files {
        let folder = format!("{:04}", file / 100);
        if file % 100 == 0 {
            add(&folder, tar::EntryType::Directory, b"");
        }
        let length = bytes / 2 + (file * 7919) % bytes.max(1);
        let mut content = Vec::with_capacity(length + 16);
        while content.len() < length {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            content.extend_from_slice(format!("{:x} ", state >> 32).as_bytes());
        }
        if changed == Some(file) {
            content[0] ^= 1;
        }
        add(&format!("{folder}/{file:06}"), tar::EntryType::Regular, &content);
    }
    archive.into_inner().unwrap()
}
