//! A work-queue: each key is worked on by one worker at a time, and again if it was added meanwhile.
//!
//! ```text
//!   add ──────▶ ready ──▶ next ──▶ busy ──▶ done ──▶ gone
//!   add_after ─▶ later ──┘ ▲                 │
//!                          └── added meanwhile, or failed: after a pause that doubles
//! ```

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::limits;

/// When a key is to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// When something about it changes.
    OnChange,
    /// After this time, or when something changes.
    After(Duration),
    /// It failed: after a pause that doubles with each failure in a row.
    Failed,
}

impl Again {
    /// The same, but not later than this.
    pub(crate) fn by(self, most: Duration) -> Self {
        match self {
            Again::OnChange => Again::After(most),
            Again::After(pause) => Again::After(pause.min(most)),
            Again::Failed => Again::Failed,
        }
    }
}

/// Keys that are to be looked at.
pub(crate) struct Queue<K> {
    state: Mutex<State<K>>,
    wake: Notify,
}

struct State<K> {
    ready: VecDeque<K>,
    /// Those in `ready`, and those that were added while they were being worked on.
    waiting: HashSet<K>,
    busy: HashSet<K>,
    /// The number keeps keys apart that are due at the same moment.
    later: BTreeMap<(Instant, u64), K>,
    due: HashMap<K, (Instant, u64)>,
    failures: HashMap<K, u32>,
    count: u64,
}

impl<K: Clone + Eq + Hash + Send + 'static> Queue<K> {
    /// An empty one.
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            ready: VecDeque::new(),
            waiting: HashSet::new(),
            busy: HashSet::new(),
            later: BTreeMap::new(),
            due: HashMap::new(),
            failures: HashMap::new(),
            count: 0,
        };
        Arc::new(Queue { state: Mutex::new(state), wake: Notify::new() })
    }

    /// The key is to be looked at now.
    pub(crate) fn add(&self, key: K) {
        self.state().add(key);
        self.wake.notify_one();
    }

    /// The key is to be looked at after a while; sooner, if it already was to be.
    pub(crate) fn add_after(&self, key: K, pause: Duration) {
        self.state().add_at(key, Instant::now() + pause);
        self.wake.notify_one();
    }

    /// How many keys are ready and wait for a worker.
    pub(crate) fn depth(&self) -> usize {
        self.state().ready.len()
    }

    /// Works on keys for ever, on so many at once.
    pub(crate) async fn work<Work, Done>(self: Arc<Self>, workers: usize, work: Work)
    where
        Work: Fn(K) -> Done + Clone + Send + 'static,
        Done: Future<Output = Again> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(workers.max(1)));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let key = self.next().await;
            let (queue, work) = (Arc::clone(&self), work.clone());
            tokio::spawn(async move {
                // A worker that panics must not leave its key busy for ever.
                let mut finish = Finish { queue: &queue, key: Some(key.clone()), again: Again::Failed };
                finish.again = work(key).await;
                drop(finish);
                drop(place);
            });
        }
    }

    async fn next(&self) -> K {
        loop {
            let woken = self.wake.notified();
            let next_due = {
                let mut state = self.state();
                state.ripen(Instant::now());
                if let Some(key) = state.take() {
                    if !state.ready.is_empty() {
                        self.wake.notify_one();
                    }
                    return key;
                }
                state.later.first_key_value().map(|((at, _), _)| *at)
            };
            match next_due {
                Some(at) => tokio::select! { () = woken => {}, () = sleep_until(at) => {} },
                None => woken.await,
            }
        }
    }

    fn done(&self, key: K, again: Again) {
        let mut state = self.state();
        state.busy.remove(&key);
        if state.waiting.contains(&key) {
            state.ready.push_back(key.clone());
        }
        match again {
            Again::OnChange => drop(state.failures.remove(&key)),
            Again::After(pause) => {
                state.failures.remove(&key);
                state.add_at(key, Instant::now() + pause);
            }
            Again::Failed => {
                let failures = state.failures.entry(key.clone()).or_default();
                let pause = limits::FIRST_PAUSE.saturating_mul(1 << (*failures).min(20)).min(limits::LONGEST_PAUSE);
                *failures = failures.saturating_add(1);
                state.add_at(key, Instant::now() + pause);
            }
        }
        drop(state);
        self.wake.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    fn add(&mut self, key: K) {
        if self.waiting.insert(key.clone()) && !self.busy.contains(&key) {
            self.ready.push_back(key);
        }
    }

    fn add_at(&mut self, key: K, at: Instant) {
        if let Some(known) = self.due.get(&key).copied() {
            if known.0 <= at {
                return;
            }
            self.later.remove(&known);
        }
        self.count += 1;
        self.later.insert((at, self.count), key.clone());
        self.due.insert(key, (at, self.count));
    }

    /// What was to be looked at later, and now is.
    fn ripen(&mut self, now: Instant) {
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let key = entry.remove();
            self.due.remove(&key);
            self.add(key);
        }
    }

    fn take(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        self.waiting.remove(&key);
        self.busy.insert(key.clone());
        Some(key)
    }
}

/// Says that a key has been worked on, however that ended.
struct Finish<'q, K: Clone + Eq + Hash + Send + 'static> {
    queue: &'q Queue<K>,
    key: Option<K>,
    again: Again,
}

impl<K: Clone + Eq + Hash + Send + 'static> Drop for Finish<'_, K> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.queue.done(key, self.again);
        }
    }
}

#[cfg(test)]
mod tests;
