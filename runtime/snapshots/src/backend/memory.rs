//! A storage in memory, for tests of what happens at the same time: every request waits for its turn, which a seed
//! gives, and the clock can be moved.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::Object;
use crate::error::Error;

#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, (Bytes, SystemTime)>,
    /// Of the order in which requests are carried out; 0 does not mix them.
    seed: u64,
    /// How far the clock is ahead.
    ahead: Duration,
    requests: u64,
    /// Whether claims cannot be written.
    failing: bool,
}

impl State {
    fn now(&self) -> SystemTime {
        SystemTime::now() + self.ahead
    }
}

impl Memory {
    pub(crate) fn seeded(seed: u64) -> Self {
        let memory = Self::default();
        memory.0.lock().unwrap().seed = seed;
        memory
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.lock().unwrap().ahead += by;
    }

    pub(crate) fn fail_claims(&self, failing: bool) {
        self.0.lock().unwrap().failing = failing;
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> u64 {
        self.0.lock().unwrap().requests
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().objects.keys().cloned().collect()
    }

    /// Lets others go first, some times.
    async fn turn(&self) {
        let turns = {
            let mut state = self.0.lock().unwrap();
            state.requests += 1;
            if state.seed == 0 {
                return;
            }
            // Xorshift (Marsaglia 2003).
            state.seed ^= state.seed << 13;
            state.seed ^= state.seed >> 7;
            state.seed ^= state.seed << 17;
            state.seed % 12
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn get(&self, key: &str, _: u64) -> Result<Option<Bytes>, Error> {
        self.turn().await;
        Ok(self.0.lock().unwrap().objects.get(key).map(|(bytes, _)| bytes.clone()))
    }

    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.turn().await;
        let mut state = self.0.lock().unwrap();
        if state.failing && key.contains("/claims/") {
            return Err(Error::Interrupted("the storage is away".into()));
        }
        let now = state.now();
        state.objects.insert(key.to_owned(), (bytes, now));
        Ok(())
    }

    pub(super) async fn create(&self, key: &str, bytes: Bytes) -> Result<bool, Error> {
        self.turn().await;
        let mut state = self.0.lock().unwrap();
        let now = state.now();
        let new = !state.objects.contains_key(key);
        state.objects.entry(key.to_owned()).or_insert((bytes, now));
        Ok(new)
    }

    pub(super) async fn has(&self, key: &str) -> Result<bool, Error> {
        self.turn().await;
        Ok(self.0.lock().unwrap().objects.contains_key(key))
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Object>, Error> {
        self.turn().await;
        let folder = format!("{folder}/");
        let state = self.0.lock().unwrap();
        let objects = state.objects.range(folder.clone()..).take_while(|(key, _)| key.starts_with(&folder));
        let objects = objects.map(|(key, (bytes, modified))| Object {
            name: key[folder.len()..].to_owned(),
            size: bytes.len() as u64,
            modified: *modified,
        });
        Ok(objects.filter(|object| !object.name.contains('/')).collect())
    }

    pub(super) async fn folders(&self) -> Result<Vec<String>, Error> {
        let mut names: Vec<_> =
            self.keys().iter().filter_map(|key| key.split_once('/')).map(|(name, _)| name.to_owned()).collect();
        names.dedup();
        Ok(names)
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Error> {
        self.turn().await;
        self.0.lock().unwrap().objects.remove(key);
        Ok(())
    }
}
