//! The end of the journal, where it is written: groups, zeros ahead of them, new segments, and the way back after an
//! error.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::format::{FRAME, HEADER, Hash, Header, Parsed, seal};
use crate::segments::{self, UNFINISHED, Window};

/// How much is filled with zeros at once, ahead of the records: overwriting blocks that exist makes `fdatasync` twice
/// as fast as appending (95 against 194 µs in the middle, measured on ext4), because no metadata changes.
const STEP: u64 = 4 * 1024 * 1024;
/// A group is at most this many records …
pub(crate) const GROUP_RECORDS: usize = 1024;
/// … and, but for a single record, this many bytes. Both bound what one write can leave half done.
const GROUP_BYTES: usize = 2 * 1024 * 1024;

/// Room that must be there for a journal to be called writable: some dozens of records.
const PROBE: u64 = 64 * 1024;

/// What the writer asks of a disk. A trait because a test must be able to make a disk fail.
pub(crate) trait Disk: Send + Sync {
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// The disk that is there.
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        match file.metadata()?.is_dir() {
            true => file.sync_all(),
            false => file.sync_data(),
        }
    }
}

/// The end of what is acknowledged, and the file it is in.
pub(crate) struct Tail {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    segment_bytes: u64,
    file: File,
    /// The first sequence number of the segment.
    first: u64,
    /// Behind the last acknowledged record.
    offset: u64,
    /// The last acknowledged record's own offset, where this segment has one that is known.
    last_offset: Option<u64>,
    /// Up to here the file exists.
    allocated: u64,
    next: u64,
    last: Hash,
    /// An error left the file in an unknown state behind `offset`.
    broken: bool,
    buffer: Vec<u8>,
}

/// Where a tail is, as recovery found it.
pub(crate) struct Found {
    pub(crate) first: u64,
    pub(crate) offset: u64,
    pub(crate) last_offset: Option<u64>,
    pub(crate) next: u64,
    pub(crate) last: Hash,
}

impl Tail {
    /// The tail of a journal that has a segment.
    pub(crate) fn open(disk: Arc<dyn Disk>, directory: &Path, segment_bytes: u64, found: Found) -> io::Result<Tail> {
        let file = open(&segments::path(directory, found.first))?;
        let allocated = file.metadata()?.len();
        Ok(Tail {
            disk,
            directory: directory.to_owned(),
            segment_bytes,
            file,
            first: found.first,
            offset: found.offset,
            last_offset: found.last_offset,
            allocated,
            next: found.next,
            last: found.last,
            broken: false,
            buffer: Vec::new(),
        })
    }

    /// The tail of a journal that does not exist yet: makes its first segment.
    pub(crate) fn create(disk: Arc<dyn Disk>, directory: &Path, segment_bytes: u64) -> io::Result<Tail> {
        let header = Header { first: 1, before: 0, previous: [0; 32] };
        create(disk.as_ref(), directory, &header, segment_bytes.min(STEP))?;
        let found = Found { first: 1, offset: HEADER as u64, last_offset: None, next: 1, last: [0; 32] };
        Tail::open(disk, directory, segment_bytes, found)
    }

    /// The number that the next record gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Writes as many of `records` as make one group and returns how many: they are on the disk, and acknowledged
    /// from now on. Each has room for its frame before its payload. On an error none is, and the next call begins
    /// with the way back.
    pub(crate) fn commit<R: AsRef<[u8]> + AsMut<[u8]>>(&mut self, records: &mut [R]) -> io::Result<usize> {
        self.repair()?;
        let result = self.write_group(records);
        self.broken = result.is_err();
        result
    }

    /// Whether a record could be written now: goes the way back where an error left one to go, and makes room for what comes next,
    /// as the next write would.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        self.repair()?;
        self.allocate((self.offset + PROBE).min(self.segment_bytes))
    }

    fn write_group<R: AsRef<[u8]> + AsMut<[u8]>>(&mut self, records: &mut [R]) -> io::Result<usize> {
        let mut count = self.fitting(records);
        if count == 0 {
            self.rotate()?;
            count = self.fitting(records);
        }
        let (mut next, mut last, mut last_start) = (self.next, self.last, 0);
        self.buffer.clear();
        for (place, record) in records[..count].iter_mut().enumerate() {
            last = seal(record.as_mut(), next, place as u32, &last);
            last_start = self.buffer.len() as u64;
            self.buffer.extend_from_slice(record.as_ref());
            next += 1;
        }
        let end = self.offset + self.buffer.len() as u64;
        self.allocate(end)?;
        self.disk.write(&self.file, &self.buffer, self.offset)?;
        self.disk.sync(&self.file)?;
        self.last_offset = Some(self.offset + last_start);
        (self.next, self.last, self.offset) = (next, last, end);
        Ok(count)
    }

    /// How many of `records` go into one group in this segment. An empty segment takes at least one.
    fn fitting<R: AsRef<[u8]>>(&self, records: &[R]) -> usize {
        let mut group = 0;
        let fits = |bytes: &usize| {
            let alone = group == 0;
            group += bytes;
            let in_segment =
                self.offset + group as u64 <= self.segment_bytes || (alone && self.offset == HEADER as u64);
            in_segment && (alone || group <= GROUP_BYTES)
        };
        records.iter().take(GROUP_RECORDS).map(|record| record.as_ref().len()).take_while(fits).count()
    }

    /// Zeros up to `end` at least: real ones, since a hole would cost the metadata change that this is to avoid.
    fn allocate(&mut self, end: u64) -> io::Result<()> {
        if end <= self.allocated {
            return Ok(());
        }
        let target = (self.allocated + STEP).min(self.segment_bytes).max(end);
        fill(self.disk.as_ref(), &self.file, self.allocated, target)?;
        self.disk.sync(&self.file)?;
        self.allocated = target;
        Ok(())
    }

    /// A new segment, and the tail at its beginning. The old one is whole: all of its groups are on the disk.
    fn rotate(&mut self) -> io::Result<()> {
        let header = Header { first: self.next, before: self.first, previous: self.last };
        create(self.disk.as_ref(), &self.directory, &header, self.segment_bytes.min(STEP))?;
        self.file = open(&segments::path(&self.directory, self.next))?;
        self.allocated = self.file.metadata()?.len();
        (self.first, self.offset, self.last_offset) = (self.next, HEADER as u64, None);
        Ok(())
    }

    /// The way back after an error: a fresh descriptor, the file cut behind the last acknowledged record, the block it
    /// ends in written anew, and that on the disk. Then the last record must still be what it was.
    ///
    /// After a failed `fdatasync` the kernel calls the pages clean, and the next one says `Ok` without having written
    /// them. So nothing here waits for pages that were dirty before: cutting drops them, and what counts is dirtied
    /// again.
    pub(crate) fn repair(&mut self) -> io::Result<()> {
        if !self.broken {
            return Ok(());
        }
        self.drop_unacknowledged_segments()?;
        self.file = open(&segments::path(&self.directory, self.first))?;
        let block = self.offset - self.offset % 4096;
        let mut bytes = vec![0; (self.offset - block) as usize];
        if segments::read_at(&self.file, &mut bytes, block)? < bytes.len() {
            return Err(io::Error::other("the last acknowledged record is gone from its file"));
        }
        self.file.set_len(self.offset)?;
        self.allocated = self.offset;
        self.disk.write(&self.file, &bytes, block)?;
        self.disk.sync(&self.file)?;
        self.prove()?;
        self.broken = false;
        tracing::info!(sequence = self.next - 1, "the journal is back at its last acknowledged record");
        Ok(())
    }

    /// A segment behind the current one is a rotation that failed half way: nothing in it was acknowledged.
    fn drop_unacknowledged_segments(&self) -> io::Result<()> {
        for first in segments::list(&self.directory)?.into_iter().filter(|first| *first > self.first) {
            std::fs::remove_file(segments::path(&self.directory, first))?;
        }
        self.disk.sync(&File::open(&self.directory)?)
    }

    /// That the last acknowledged record is still readable and has the hash that the next one will name.
    fn prove(&self) -> io::Result<()> {
        let Some(offset) = self.last_offset else { return Ok(()) };
        let mut window = Window::new(self.file.try_clone()?);
        match window.parse(offset)? {
            Parsed::Record(frame) if frame.hash() == self.last => Ok(()),
            _ => Err(io::Error::other("the last acknowledged record is no longer what was written")),
        }
    }

    /// Fills everything from the tail on with zeros, durably: what a crash left half written.
    pub(crate) fn clear(&mut self, end: u64) -> io::Result<()> {
        fill(self.disk.as_ref(), &self.file, self.offset, end)?;
        self.disk.sync(&self.file)
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Makes a segment. It gets its name when its header is on the disk, so that a named segment without one is damage, and
/// no record goes into it before the name is on the disk, too.
fn create(disk: &dyn Disk, directory: &Path, header: &Header, length: u64) -> io::Result<()> {
    let unfinished = directory.join(UNFINISHED);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    disk.write(&file, &header.encode(), 0)?;
    fill(disk, &file, HEADER as u64, length.max((HEADER + FRAME) as u64))?;
    disk.sync(&file)?;
    std::fs::rename(&unfinished, segments::path(directory, header.first))?;
    disk.sync(&File::open(directory)?)
}

fn fill(disk: &dyn Disk, file: &File, from: u64, to: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut at = from;
    while at < to {
        let part = (to - at).min(ZEROS.len() as u64);
        disk.write(file, &ZEROS[..part as usize], at)?;
        at += part;
    }
    Ok(())
}
