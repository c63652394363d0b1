//! What is true of every workspace.

use proptest::prelude::*;

use crate::made::{About, Node, Workspace, meta, noise, restore, store, take};

fn workspace() -> impl Strategy<Value = Workspace> {
    let part = prop_oneof![
        6 => "[a-c]{1,2}",
        1 => "[a-z .ü-]{1,3}x",
        1 => Just("long".repeat(60)),
    ];
    let length = prop_oneof![
        4 => 0..2_000_usize,
        2 => 60_000..70_000_usize,
        1 => 900_000..1_200_000_usize,
    ];
    let node = prop_oneof![
        2 => Just(Node::Folder),
        6 => (0..4_u64, length).prop_map(|(seed, length)| Node::File(noise(seed, length))),
        1 => "[a-z/.]{1,100}|[a-z]{101,300}".prop_map(Node::Link),
    ];
    let about = (
        0..0o10000_u32,
        prop_oneof![Just(0), Just(1000), Just(4_000_000_000_u32)],
        prop_oneof![
            3 => 0..2_000_000_000_i64,
            1 => Just(-5),
        ],
    )
        .prop_map(|(mode, owner, modified)| About { mode, owner, modified });
    proptest::collection::vec((proptest::collection::vec(part, 1..5), node, about), 0..30).prop_map(|entries| {
        let mut workspace = Workspace::empty();
        for (path, node, about) in entries {
            workspace.put(&path, node, about);
        }
        workspace
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_was_taken_is_restored_and_costs_nothing_twice(workspace in workspace()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let place = tempfile::tempdir().unwrap();
            let store = store(place.path()).await;
            let one = take(&store, "one", &workspace).await;
            let archive = restore(&store, &one.digest).await;
            assert_eq!(Workspace::read(&archive), workspace);
            assert_eq!(restore(&store, &one.digest).await, archive);

            let two = take(&store, "two", &workspace).await;
            assert_eq!((two.digest, two.stored_bytes), (one.digest, 0));
            let back = meta("three");
            let back = exeat_snapshots::Meta { folder: String::new(), ..back };
            let three = store.take(back, std::io::Cursor::new(archive)).await.unwrap();
            assert_eq!((three.digest, three.stored_bytes), (one.digest, 0));
            assert!(store.diff(&one.digest, &three.digest).await.unwrap().files.is_empty());
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// A small part of what the fuzz target does, for those who have no fuzzer.
    #[test]
    fn a_changed_archive_is_refused_or_restored_as_it_is(
        changes in proptest::collection::vec((0..6_144_usize, any::<u8>()), 1..6), cut in 0..6_144_usize
    ) {
        let limits = exeat_snapshots::Limits { bytes: 1 << 20, entries: 100 };
        let workspace = Workspace::empty()
            .file("a/b", b"content".to_vec())
            .file(&"long".repeat(30), b"x".to_vec())
            .with("link", Node::Link("a/b".into()));
        let mut archive = workspace.archive("w");
        for (place, byte) in changes {
            let place = place % archive.len();
            archive[place] = byte;
            // Without a right checksum nothing behind it would be looked at.
            mend(&mut archive, place / 512 * 512);
        }
        exeat_snapshots::fuzz::archive(&archive, "w", limits);
        exeat_snapshots::fuzz::archive(&archive[..cut % archive.len()], "w", limits);
    }
}

/// Gives a header the checksum that its bytes have.
fn mend(archive: &mut [u8], header: usize) {
    let Some(header) = archive.get_mut(header..header + 512) else { return };
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
