//! From record to record along the chain: the one place that judges whether a journal is whole. Readers, the
//! verifier and recovery all walk here, so that they cannot disagree.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::format::{FRAME, HEADER, Hash, Header, MAX_PAYLOAD, Parsed, parse};
use crate::segments::{self, Window};

/// The first thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Bad {
    /// The segment's file name.
    pub segment: String,
    /// Where in it, in bytes from its beginning.
    pub offset: u64,
    /// The number of the record that should be there.
    pub sequence: u64,
    /// What is wrong.
    pub why: String,
}

/// Where a record is: its segment and the offset in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the segment's first record.
    pub segment: u64,
    /// In bytes from the segment's beginning.
    pub offset: u64,
}

/// A record on the way.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) sequence: u64,
    pub(crate) place: Place,
    pub(crate) hash: Hash,
    pub(crate) payload: Vec<u8>,
}

impl Located {
    /// Its bytes on disk.
    pub(crate) fn size(&self) -> u64 {
        (FRAME + self.payload.len()) as u64
    }
}

/// The end of the last segment where a write stopped half way, or is under way.
#[derive(Clone, Debug)]
pub(crate) struct Torn {
    /// What is wrong with the first record that is not whole.
    pub(crate) bad: Bad,
    /// The offset behind its last byte that is not zero.
    pub(crate) end: u64,
}

/// One step along the chain.
#[derive(Debug)]
pub(crate) enum Step {
    Record(Located),
    /// Nothing more, for now: the rest is zeros.
    End,
    Torn(Torn),
    Bad(Bad),
}

/// A walk along the chain, from the beginning of a segment.
pub(crate) struct Walk {
    directory: PathBuf,
    segment: Option<Segment>,
    /// The number of the next record.
    due: u64,
    /// The hash of the last one.
    last: Hash,
    /// Up to this offset of the current segment it is known that the rest is zeros, as long as nobody writes.
    blank: Option<u64>,
    bad: Option<Bad>,
}

struct Segment {
    first: u64,
    window: Window,
    offset: u64,
}

impl Walk {
    /// A walk from the beginning of the segment that holds the record `from`.
    pub(crate) fn open(directory: &Path, from: u64) -> io::Result<Walk> {
        let firsts = segments::list(directory)?;
        let mut walk =
            Walk { directory: directory.to_owned(), segment: None, due: 1, last: [0; 32], blank: None, bad: None };
        if let Some(first) = firsts.iter().rev().find(|first| **first <= from.max(1)).copied() {
            walk.due = first;
            walk.bad = walk.enter(first)?;
        }
        Ok(walk)
    }

    /// The number of the next record.
    pub(crate) fn due(&self) -> u64 {
        self.due
    }

    /// The hash of the last record, or of the one before the segment where the walk began.
    pub(crate) fn last(&self) -> Hash {
        self.last
    }

    /// Where the next record will be. `None` in an empty directory.
    pub(crate) fn place(&self) -> Option<Place> {
        self.segment.as_ref().map(|segment| Place { segment: segment.first, offset: segment.offset })
    }

    /// The next record, or why there is none. After [`Step::End`] and [`Step::Torn`] it may be asked again.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        loop {
            if let Some(bad) = &self.bad {
                return Ok(Step::Bad(bad.clone()));
            }
            if let Some(located) = self.take()? {
                return Ok(Step::Record(located));
            }
            if self.bad.is_some() {
                continue;
            }
            match self.look_on()? {
                Ahead::More => {}
                Ahead::Stop(step) => return Ok(step),
            }
        }
    }

    /// Takes the record at the current offset. What is in the window may be older than what the writer has written
    /// since, so that only a fresh look is believed when it shows no record.
    fn take(&mut self) -> io::Result<Option<Located>> {
        let Some(segment) = &mut self.segment else { return Ok(None) };
        if !matches!(segment.window.parse(segment.offset)?, Parsed::Record(_)) {
            segment.window.forget();
        }
        let Parsed::Record(frame) = segment.window.parse(segment.offset)? else { return Ok(None) };
        if frame.sequence() != self.due {
            let why = format!("record {} is here where record {} was due", frame.sequence(), self.due);
            self.bad = Some(self.bad_here(why));
            return Ok(None);
        }
        if frame.previous() != self.last {
            let why = "the record does not continue the chain: it names another record before it".to_owned();
            self.bad = Some(self.bad_here(why));
            return Ok(None);
        }
        let place = Place { segment: segment.first, offset: segment.offset };
        let located = Located { sequence: self.due, place, hash: frame.hash(), payload: frame.payload().to_vec() };
        segment.offset += frame.bytes().len() as u64;
        (self.due, self.last) = (self.due.saturating_add(1), located.hash);
        Ok(Some(located))
    }

    /// Where there is no whole record: the next segment, the end, a write half done, or damage.
    fn look_on(&mut self) -> io::Result<Ahead> {
        // The order of these looks matters while a writer is at work: it completes a segment before it makes the next,
        // and a group before the next group. What is seen later must not be judged by what was read earlier.
        let later = self.later()?;
        let Some(segment) = &mut self.segment else {
            return match later.first() {
                None => Ok(Ahead::Stop(Step::End)),
                Some(1) => self.go_to(1),
                Some(_) => {
                    let why = "the first segment is missing".to_owned();
                    Ok(self.stop(Bad { segment: segments::name(1), offset: 0, sequence: 1, why }))
                }
            };
        };
        if self.blank == Some(segment.offset) && later.is_empty() {
            let still = matches!(segment.window.parse(segment.offset)?, Parsed::Blank);
            return if still { Ok(Ahead::Stop(Step::End)) } else { Ok(self.changed()) };
        }
        let end = segments::written_end(segment.window.file(), segment.offset)?;
        let follower = match end {
            Some(end) => follower(segment.window.file(), segment.offset, end, self.due)?,
            None => None,
        };
        segment.window.forget();
        let why = match segment.window.parse(segment.offset)? {
            Parsed::Record(_) => return Ok(Ahead::More),
            Parsed::Bad(why) => why,
            Parsed::Blank => "zeros are here where a record was due",
        };
        match (end, later.first()) {
            (None, None) => {
                self.blank = Some(segment.offset);
                Ok(Ahead::Stop(Step::End))
            }
            (None, Some(first)) if *first == self.due => self.go_to(*first),
            (None, Some(first)) => {
                let why = format!("the segment ends before record {}, and the next begins with {first}", self.due);
                Ok(self.stop(self.bad_here(why)))
            }
            (Some(_), Some(_)) => Ok(self.stop(self.bad_here(format!("{why}, and another segment follows")))),
            (Some(end), None) => match follower {
                Some(sequence) => Ok(self.stop(self.bad_here(format!("{why}, and record {sequence} follows")))),
                None => Ok(Ahead::Stop(Step::Torn(Torn { bad: self.bad_here(why.to_owned()), end }))),
            },
        }
    }

    /// The blank end is no longer blank: look again with fresh eyes.
    fn changed(&mut self) -> Ahead {
        self.blank = None;
        Ahead::More
    }

    fn stop(&mut self, bad: Bad) -> Ahead {
        self.bad = Some(bad);
        Ahead::More
    }

    fn bad_here(&self, why: String) -> Bad {
        let Place { segment, offset } = self.place().unwrap_or(Place { segment: 1, offset: 0 });
        Bad { segment: segments::name(segment), offset, sequence: self.due, why }
    }

    /// The segments behind the current one.
    fn later(&self) -> io::Result<Vec<u64>> {
        let mut firsts = segments::list(&self.directory)?;
        let current = self.segment.as_ref().map_or(0, |segment| segment.first);
        firsts.retain(|first| *first > current);
        Ok(firsts)
    }

    fn go_to(&mut self, first: u64) -> io::Result<Ahead> {
        self.bad = self.enter(first)?;
        Ok(Ahead::More)
    }

    /// Goes on to the beginning of a segment, and says what is wrong with its header.
    fn enter(&mut self, first: u64) -> io::Result<Option<Bad>> {
        let bad =
            |why: &str| Some(Bad { segment: segments::name(first), offset: 0, sequence: first, why: why.to_owned() });
        let file = File::open(segments::path(&self.directory, first))?;
        let header = match segments::header(&file)? {
            Ok(header) => header,
            Err(why) => return Ok(bad(why)),
        };
        if let Some(why) = self.disagrees(first, &header) {
            return Ok(bad(why));
        }
        (self.due, self.last, self.blank) = (first, header.previous, None);
        self.segment = Some(Segment { first, window: Window::new(file), offset: HEADER as u64 });
        Ok(None)
    }

    /// What in a header does not continue what was walked so far. A walk that begins there takes its word for it.
    fn disagrees(&self, first: u64, header: &Header) -> Option<&'static str> {
        if header.first != first {
            return Some("the segment's name is not the number of its first record");
        }
        let before = match &self.segment {
            Some(segment) => Some((segment.first, self.last)),
            None if first == 1 => Some((0, [0; 32])),
            None => None,
        };
        match before {
            Some((before, _)) if header.before != before => Some("the segment names another segment before it"),
            Some((_, last)) if header.previous != last => {
                Some("the segment does not continue the chain: it names another record before it")
            }
            _ => None,
        }
    }
}

enum Ahead {
    More,
    Stop(Step),
}

/// A whole record behind a bad one that proves damage, by its number.
///
/// One that was written with the same group as the bad one proves nothing: a group is one write, and a power cut
/// leaves any of its blocks behind. A record of a later group does, since a group is written only when the one before
/// is on the disk. So does an earlier record: the writer never leaves one there.
fn follower(file: &File, offset: u64, end: u64, due: u64) -> io::Result<Option<u64>> {
    const CHUNK: usize = 4 * 1024 * 1024;
    let mut buffer = vec![0; CHUNK + FRAME + MAX_PAYLOAD];
    let mut at = offset + 1;
    while at < end {
        let read = segments::read_at(file, &mut buffer, at)?;
        let bytes = &buffer[..read];
        let starts = (0..read.saturating_sub(FRAME).min(CHUNK)).filter(|start| could_be(&bytes[*start..]));
        let found = starts.filter_map(|start| match parse(&bytes[start..]) {
            Parsed::Record(frame) => Some(frame),
            _ => None,
        });
        let proof = found.map(|frame| (frame.sequence(), frame.group())).find(|(sequence, group)| {
            let same_group = *sequence > due && *group <= due;
            !same_group
        });
        if let Some((sequence, _)) = proof {
            return Ok(Some(sequence));
        }
        at += CHUNK as u64;
    }
    Ok(None)
}

/// Whether a record could begin here, before the checksum is worth its time: a payload is a JSON object, and numbers
/// of records and places in groups are not astronomic.
fn could_be(bytes: &[u8]) -> bool {
    bytes[3] == 0 && bytes[14] == 0 && bytes[15] == 0 && bytes[19] == 0 && bytes[FRAME] == b'{'
}
