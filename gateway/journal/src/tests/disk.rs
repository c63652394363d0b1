//! Disks that fail: nothing is acknowledged that is not there, and the journal goes on by itself when the disk does.

use std::fs::File;
use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::{Place, message, run};
use crate::tail::{Disk, RealDisk};
use crate::{AppendError, Event, Journal};

/// Fails as it is told to. A sync that fails has lost what was to be written, as Linux does: the pages are clean, and
/// gone.
#[derive(Default)]
struct Flaky {
    fail_writes: AtomicBool,
    /// Which of the next syncs fail, the lowest bit first.
    fail_syncs: AtomicU32,
    /// The first one that fails loses what was to be written.
    lose_on_failed_sync: AtomicBool,
    last_write: Mutex<(u64, usize)>,
}

impl Disk for Flaky {
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.fail_writes.load(Ordering::SeqCst) {
            // Half of it gets there.
            RealDisk.write(file, &bytes[..bytes.len() / 2], offset)?;
            return Err(io::Error::from_raw_os_error(28));
        }
        *self.last_write.lock().unwrap() = (offset, bytes.len());
        RealDisk.write(file, bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let failing = self.fail_syncs.load(Ordering::SeqCst);
        self.fail_syncs.store(failing >> 1, Ordering::SeqCst);
        if failing & 1 == 1 {
            if self.lose_on_failed_sync.swap(false, Ordering::SeqCst) && file.metadata()?.is_file() {
                let (offset, length) = *self.last_write.lock().unwrap();
                RealDisk.write(file, &vec![0xee; length], offset)?;
            }
            return Err(io::Error::from_raw_os_error(5));
        }
        RealDisk.sync(file)
    }
}

fn open(place: &Place, disk: &Arc<Flaky>) -> Journal {
    Journal::open_on(&place.config(), Arc::new(Timestamp::now), Arc::clone(disk) as Arc<dyn Disk>).unwrap()
}

#[test]
fn a_failed_group_is_nobodys_and_the_next_one_continues_the_chain() {
    // Every pattern of failures over six syncs that begins with one, so that the way back fails at each of its steps
    // as well; and segments of four records, so that a new segment does.
    for failures in (1..64).step_by(2) {
        for at in 2..7_u64 {
            let place = Place::with_segments(800);
            let disk = Arc::new(Flaky::default());
            let mut acknowledged = Vec::new();
            run(async {
                let journal = open(&place, &disk);
                for turn in 1..=16_u64 {
                    if turn == at {
                        disk.lose_on_failed_sync.store(at.is_multiple_of(2), Ordering::SeqCst);
                        disk.fail_syncs.store(failures, Ordering::SeqCst);
                    }
                    match journal.append(message(&format!("{turn}"))).await {
                        Ok(sequence) => acknowledged.push((sequence, turn)),
                        Err(error) => assert!(matches!(error, AppendError::Disk(_)), "{error}"),
                    }
                }
                journal.close().await.unwrap();
            });
            assert!(acknowledged.len() < 16 && acknowledged.len() >= 9, "{acknowledged:?}");
            let report = place.verify();
            assert_eq!((report.bad, report.records), (None, acknowledged.len() as u64), "{failures} failures at {at}");
            for (record, (sequence, turn)) in place.records().iter().zip(acknowledged) {
                assert_eq!((record.sequence, &record.event), (sequence, &message(&format!("{turn}"))));
            }
        }
    }
}

#[test]
fn outcomes_wait_for_a_disk_that_comes_back() {
    let place = Place::new();
    let disk = Arc::new(Flaky::default());
    run(async {
        let journal = open(&place, &disk);
        journal.append(message("before")).await.unwrap();
        disk.fail_writes.store(true, Ordering::SeqCst);
        journal.append_soon(message("outcome")).await.unwrap();
        assert!(matches!(journal.append(message("refused")).await, Err(AppendError::Disk(_))));
        disk.fail_writes.store(false, Ordering::SeqCst);
        journal.append(message("after")).await.unwrap();
        journal.close().await.unwrap();
    });
    let texts: Vec<_> = place.records().into_iter().map(|record| record.event).collect();
    assert_eq!(texts, [message("before"), message("outcome"), message("after")]);
}

#[test]
fn outcomes_that_never_came_to_the_disk_are_told_at_the_end() {
    let place = Place::new();
    let disk = Arc::new(Flaky::default());
    run(async {
        let journal = open(&place, &disk);
        disk.fail_writes.store(true, Ordering::SeqCst);
        journal.append_soon(message("outcome")).await.unwrap();
        assert!(matches!(journal.close().await, Err(AppendError::Disk(_))));
    });
}

/// A file system of one megabyte, unmounted when it goes.
struct SmallDisk(Place);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let place = Place::new();
        std::fs::create_dir_all(place.path()).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(place.path()).output();
        mount.is_ok_and(|output| output.status.success()).then(|| SmallDisk(place))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_and_a_freed_one_goes_on() {
    let Some(SmallDisk(place)) = &SmallDisk::mount() else {
        println!("skipped: needs root for a small tmpfs");
        return;
    };
    let ballast = place.path().join("ballast");
    let mut acknowledged: u64 = 0;
    run(async {
        let journal = place.open();
        std::fs::write(&ballast, vec![1; 300 * 1024]).unwrap();
        let refused = loop {
            match journal.append(message(&"x".repeat(10_000))).await {
                Ok(_) => acknowledged += 1,
                Err(error) => break error,
            }
            assert!(acknowledged < 200, "a full disk takes everything");
        };
        assert!(
            matches!(&refused, AppendError::Disk(error) if error.kind() == io::ErrorKind::StorageFull),
            "{refused}"
        );
        // Full is full: again and again, at once, and without harm.
        for _ in 0..5 {
            assert!(journal.append(message(&"x".repeat(10_000))).await.is_err());
        }
        std::fs::remove_file(&ballast).unwrap();
        for _ in 0..10 {
            acknowledged += 1;
            assert_eq!(journal.append(message(&"x".repeat(10_000))).await.unwrap(), acknowledged);
        }
        journal.close().await.unwrap();
    });
    let report = place.verify();
    assert_eq!((report.bad, report.records), (None, acknowledged));
    assert!(place.records().iter().all(|record| matches!(record.event, Event::PolicyRejected { .. })));
}

#[test]
fn whether_it_can_be_written_is_known_without_writing_a_record() {
    let place = Place::new();
    let disk = Arc::new(Flaky::default());
    run(async {
        let journal = open(&place, &disk);
        journal.append(message("one")).await.unwrap();
        journal.check().await.unwrap();
        disk.fail_writes.store(true, Ordering::SeqCst);
        journal.append(message("lost")).await.unwrap_err();
        assert!(matches!(journal.check().await, Err(AppendError::Disk(_))));
        disk.fail_writes.store(false, Ordering::SeqCst);
        journal.check().await.unwrap();
        journal.append(message("two")).await.unwrap();
        journal.close().await.unwrap();
    });
    assert_eq!(place.records().len(), 2);
    place.verify();
}
