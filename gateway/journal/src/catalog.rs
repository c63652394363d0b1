//! Answers about the journal: from the index where there is one, from the journal itself where there is none.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::format::Parsed;
use crate::index::{Facts, Index, IndexError, Indexed, Place};
use crate::segments::{self, Window};
use crate::shelf::Shelf;
use crate::{Event, Filter, ReadError, Reader, Record};

/// Records handed to the index at once.
const BATCH: usize = 1_000;

/// Why a question has no answer: the journal itself cannot be read. Trouble with the index is none, only slower.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CatalogError(#[from] pub ReadError);

/// A record, and where it is an intent, what became of it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Entry {
    /// The record.
    pub record: Record,
    /// Its outcome. An intent without one reads "unknown".
    pub outcome: Option<Record>,
}

/// A journal that can be asked.
///
/// It keeps the index for itself as long as it lives; others wait up to two seconds for it and then read the journal
/// from one end to the other instead. Answers are the same either way.
pub struct Catalog {
    journal: PathBuf,
    index: Mutex<Option<Indexing>>,
}

struct Indexing {
    shelf: Shelf,
    /// Behind the index's head.
    reader: Option<Reader>,
}

impl Catalog {
    /// Opens the journal in `journal` with the index in `index`, which is caught up or made anew as needed.
    ///
    /// # Errors
    /// [`CatalogError`] when the journal cannot be read or is damaged.
    pub fn open(journal: &Path, index: &Path) -> Result<Catalog, CatalogError> {
        let shelf = Shelf::take(index).unwrap_or_else(|error| {
            tracing::warn!(%error, "reading the journal without its index");
            None
        });
        let indexing = shelf.map(|shelf| Indexing { shelf, reader: None });
        let catalog = Catalog { journal: journal.to_owned(), index: Mutex::new(indexing) };
        drop(catalog.current()?);
        Ok(catalog)
    }

    /// The same without an index: every answer reads the journal.
    pub fn scanning(journal: &Path) -> Catalog {
        Catalog { journal: journal.to_owned(), index: Mutex::new(None) }
    }

    /// Whether answers come from the index.
    pub fn is_indexed(&self) -> bool {
        self.lock().is_some()
    }

    /// The records that a filter asks for, in order.
    ///
    /// # Errors
    /// [`CatalogError`] when the journal cannot be read; one that turns out to be damaged on the way is the last item.
    pub fn list(
        &self, filter: &Filter,
    ) -> Result<impl Iterator<Item = Result<Record, ReadError>> + Send + use<>, CatalogError> {
        let found = self.ask(|index| {
            let sequences = index.select(filter)?.into_iter();
            sequences.map(|sequence| Ok((sequence, index.place(sequence)?))).collect::<Result<Vec<_>, IndexError>>()
        })?;
        Ok(match found {
            Some(found) => Listing::Found { fetch: Fetch::new(&self.journal), found: found.into_iter() },
            None => scan(&self.journal, filter)?,
        })
    }

    /// The same with the outcome of each intent among them.
    ///
    /// # Errors
    /// [`CatalogError`]
    pub fn entries(&self, filter: &Filter) -> Result<Vec<Entry>, CatalogError> {
        let records = self.list(filter)?.collect::<Result<Vec<_>, _>>()?;
        let intents = records.iter().filter(|record| matches!(record.event, Event::Intent(_)));
        let mut outcomes = self.outcomes(intents.map(|record| record.sequence).collect())?;
        Ok(records.into_iter().map(|record| Entry { outcome: outcomes.remove(&record.sequence), record }).collect())
    }

    /// One record, and its outcome where it is an intent.
    ///
    /// # Errors
    /// [`CatalogError`]
    pub fn get(&self, sequence: u64) -> Result<Option<Entry>, CatalogError> {
        let place = self.ask(|index| index.place(sequence))?.flatten();
        let Some(record) = Fetch::new(&self.journal).get(sequence, place).transpose()? else { return Ok(None) };
        let intents = matches!(record.event, Event::Intent(_)).then_some(sequence);
        let outcome = self.outcomes(intents.into_iter().collect())?.remove(&sequence);
        Ok(Some(Entry { record, outcome }))
    }

    /// The first outcome of each of these intents that has one.
    fn outcomes(&self, intents: BTreeSet<u64>) -> Result<BTreeMap<u64, Record>, CatalogError> {
        let Some(first) = intents.first().copied() else { return Ok(BTreeMap::new()) };
        let known = self.ask(|index| {
            let pairs = intents
                .iter()
                .filter_map(|intent| index.outcome(*intent).transpose().map(|outcome| (*intent, outcome)));
            let places = pairs.map(|(intent, outcome)| {
                let outcome = outcome?;
                Ok((intent, outcome, index.place(outcome)?))
            });
            places.collect::<Result<Vec<_>, IndexError>>()
        })?;
        let Some(known) = known else { return scan_outcomes(&self.journal, first, intents) };
        let mut fetch = Fetch::new(&self.journal);
        let fetched =
            known.into_iter().filter_map(|(intent, outcome, place)| Some((intent, fetch.get(outcome, place)?)));
        fetched.map(|(intent, record)| Ok((intent, record?))).collect()
    }

    /// Asks the index, once it knows all that is in the journal. `None` when there is no index, or no longer one.
    fn ask<T>(
        &self, question: impl FnOnce(&mut dyn Index) -> Result<T, IndexError>,
    ) -> Result<Option<T>, CatalogError> {
        let mut guard = self.current()?;
        let Some(indexing) = guard.as_mut() else { return Ok(None) };
        match indexing.shelf.ask(question) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => {
                give_up(&mut guard, &error);
                Ok(None)
            }
        }
    }

    /// The index, caught up with the journal.
    fn current(&self) -> Result<MutexGuard<'_, Option<Indexing>>, CatalogError> {
        let mut guard = self.lock();
        if let Some(indexing) = guard.as_mut() {
            match indexing.catch_up(&self.journal) {
                Ok(()) => {}
                Err(Behind::Journal(error)) => return Err(CatalogError(error)),
                Err(Behind::Index(error)) => give_up(&mut guard, &error),
            }
        }
        Ok(guard)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Indexing>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn give_up(guard: &mut Option<Indexing>, error: &IndexError) {
    tracing::warn!(%error, "reading the journal without its index");
    if let Some(indexing) = guard.take() {
        indexing.shelf.discard();
    }
}

/// Why an index is behind its journal.
enum Behind {
    Journal(ReadError),
    Index(IndexError),
}

impl From<ReadError> for Behind {
    fn from(error: ReadError) -> Self {
        Behind::Journal(error)
    }
}

impl From<IndexError> for Behind {
    fn from(error: IndexError) -> Self {
        Behind::Index(error)
    }
}

impl Indexing {
    fn catch_up(&mut self, journal: &Path) -> Result<(), Behind> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.behind_head(journal)?,
        };
        loop {
            let mut batch = Vec::new();
            let mut end = None;
            while end.is_none() && batch.len() < BATCH {
                match reader.next_located() {
                    Some(Ok((located, record))) => {
                        batch.push(Indexed { facts: Facts::of(&record), place: located.place, hash: located.hash });
                    }
                    Some(Err(error)) => end = Some(Err(error)),
                    None => end = Some(Ok(())),
                }
            }
            self.shelf.ask(|index| index.apply(&batch))?;
            if let Some(end) = end {
                end?;
                self.reader = Some(reader);
                return Ok(());
            }
        }
    }

    /// A reader behind the index's head; behind nothing, with a new index, where the journal has another record there.
    fn behind_head(&mut self, journal: &Path) -> Result<Reader, Behind> {
        if let Some(head) = self.shelf.ask(|index| index.head())? {
            let mut reader = Reader::open(journal, head.sequence)?;
            let agrees = matches!(
                reader.next_located().transpose()?,
                Some((located, _)) if located.sequence == head.sequence && located.hash == head.hash
            );
            if agrees {
                return Ok(reader);
            }
            tracing::info!("the index is of another journal; it is made anew");
            self.shelf.renew()?;
        }
        Ok(Reader::open(journal, 1)?)
    }
}

/// Reads single records.
struct Fetch {
    journal: PathBuf,
    open: Option<(u64, Window)>,
}

impl Fetch {
    fn new(journal: &Path) -> Self {
        Fetch { journal: journal.to_owned(), open: None }
    }

    /// The record with this number. Where it is said to be is only a hint: what is not a whole record of that number
    /// is looked for along the chain, which also finds out what is wrong.
    fn get(&mut self, sequence: u64, place: Option<Place>) -> Option<Result<Record, ReadError>> {
        if let Some(record) = place.and_then(|place| self.at(sequence, place)) {
            return Some(Ok(record));
        }
        let found = Reader::open(&self.journal, sequence).map(|mut reader| reader.next()).transpose()?;
        found
            .and_then(|record| record)
            .map_or_else(|error| Some(Err(error)), |record| (record.sequence == sequence).then_some(Ok(record)))
    }

    fn at(&mut self, sequence: u64, place: Place) -> Option<Record> {
        if self.open.as_ref().is_none_or(|(segment, _)| *segment != place.segment) {
            let file = File::open(segments::path(&self.journal, place.segment)).ok()?;
            self.open = Some((place.segment, Window::new(file)));
        }
        let (_, window) = self.open.as_mut()?;
        match window.parse(place.offset).ok()? {
            Parsed::Record(frame) if frame.sequence() == sequence => Record::decode(sequence, frame.payload()).ok(),
            _ => None,
        }
    }
}

/// The answer to a question.
enum Listing {
    Found { fetch: Fetch, found: std::vec::IntoIter<(u64, Option<Place>)> },
    Scan { reader: Box<Reader>, filter: Filter },
    Newest(std::collections::vec_deque::IntoIter<Record>),
}

impl Iterator for Listing {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Listing::Found { fetch, found } => {
                let (sequence, place) = found.next()?;
                fetch.get(sequence, place)
            }
            Listing::Scan { reader, filter } => next_match(reader, filter),
            Listing::Newest(records) => records.next().map(Ok),
        }
    }
}

/// Answers from the journal alone. Which are the newest is known only at its end.
fn scan(journal: &Path, filter: &Filter) -> Result<Listing, ReadError> {
    let mut reader = Reader::open(journal, filter.bounds().0)?;
    let Some(limit) = filter.limit else {
        return Ok(Listing::Scan { reader: Box::new(reader), filter: filter.clone() });
    };
    let mut newest = VecDeque::new();
    while let Some(record) = next_match(&mut reader, filter) {
        newest.push_back(record?);
        if newest.len() > limit {
            newest.pop_front();
        }
    }
    Ok(Listing::Newest(newest.into_iter()))
}

fn next_match(reader: &mut Reader, filter: &Filter) -> Option<Result<Record, ReadError>> {
    let (_, until) = filter.bounds();
    let mut due = std::iter::from_fn(|| if reader.due() <= until { reader.next() } else { None });
    due.find(|record| record.as_ref().map_or(true, |record| filter.matches(&Facts::of(record))))
}

fn scan_outcomes(
    journal: &Path, first: u64, mut intents: BTreeSet<u64>,
) -> Result<BTreeMap<u64, Record>, CatalogError> {
    let mut outcomes = BTreeMap::new();
    for record in Reader::open(journal, first)? {
        let record = record?;
        if let Event::Outcome { intent, .. } = record.event
            && intents.remove(&intent)
        {
            outcomes.insert(intent, record);
        }
        if intents.is_empty() {
            break;
        }
    }
    Ok(outcomes)
}
