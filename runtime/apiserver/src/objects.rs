//! Everything that is shown, and its last changes, for those who read and those who watch.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::failure::Failure;
use crate::limits;
use crate::resource::Resource;
use crate::selector::Selector;

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) resource: Resource,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(resource: Resource, namespace: impl ToString, name: impl ToString) -> Self {
        Key { resource, namespace: namespace.to_string(), name: name.to_string() }
    }
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Modified,
    Deleted,
}

impl Change {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Change::Added => "ADDED",
            Change::Modified => "MODIFIED",
            Change::Deleted => "DELETED",
        }
    }
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    version: u64,
    key: Key,
    pub(crate) change: Change,
    pub(crate) object: Arc<Value>,
}

/// What is shown.
pub(crate) struct Objects {
    inner: Mutex<Inner>,
    newest: watch::Sender<u64>,
}

struct Inner {
    newest: u64,
    /// Changes up to this one are forgotten.
    forgotten: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    keys: HashMap<(Resource, String), Key>,
    events: VecDeque<Event>,
}

impl Objects {
    /// Nothing yet. Versions begin after `start`, which is more than any that was given out before.
    pub(crate) fn new(start: u64) -> Self {
        let inner = Inner {
            newest: start,
            forgotten: start,
            objects: BTreeMap::new(),
            keys: HashMap::new(),
            events: VecDeque::new(),
        };
        Objects { inner: Mutex::new(inner), newest: watch::Sender::new(start) }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.lock().objects.get(key).cloned()
    }

    /// Where the object with this UID is.
    pub(crate) fn find(&self, resource: Resource, uid: &str) -> Option<Key> {
        self.lock().keys.get(&(resource, uid.to_owned())).cloned()
    }

    /// Those that are meant, and the version at which this is so.
    pub(crate) fn list(
        &self, resource: Resource, namespace: Option<&str>, selector: &Selector,
    ) -> (u64, Vec<Arc<Value>>) {
        let inner = self.lock();
        let first = Key::new(resource, namespace.unwrap_or_default(), "");
        let found = inner
            .objects
            .range(first..)
            .take_while(|(key, _)| key.resource == resource && namespace.is_none_or(|wanted| key.namespace == wanted))
            .filter(|(_, object)| selector.matches(object));
        (inner.newest, found.map(|(_, object)| Arc::clone(object)).collect())
    }

    /// How many there are.
    pub(crate) fn count(&self, resource: Resource) -> usize {
        self.list(resource, None, &Selector::default()).1.len()
    }

    /// Shows an object as it is now. Nothing has happened where it is shown so already.
    pub(crate) fn put(&self, key: Key, mut object: Value) -> Arc<Value> {
        let mut inner = self.lock();
        let before = inner.objects.get(&key).cloned();
        if let Some(before) = &before {
            object["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
            if object == **before {
                return Arc::clone(before);
            }
        }
        let change = if before.is_some() { Change::Modified } else { Change::Added };
        let object = inner.happened(key.clone(), change, object);
        if let Some(before) = before.as_ref().and_then(|before| uid(before)) {
            inner.keys.remove(&(key.resource, before.to_owned()));
        }
        if let Some(uid) = uid(&object) {
            inner.keys.insert((key.resource, uid.to_owned()), key.clone());
        }
        inner.objects.insert(key, Arc::clone(&object));
        self.newest.send_replace(inner.newest);
        object
    }

    /// Shows an object no more.
    pub(crate) fn remove(&self, key: &Key) -> Option<Arc<Value>> {
        let mut inner = self.lock();
        let object = inner.objects.remove(key)?;
        if let Some(uid) = uid(&object) {
            inner.keys.remove(&(key.resource, uid.to_owned()));
        }
        let last = inner.happened(key.clone(), Change::Deleted, (*object).clone());
        self.newest.send_replace(inner.newest);
        Some(last)
    }

    /// The next changes after a version, at most [`limits::WATCH_BATCH`], and the version to go on from.
    ///
    /// # Errors
    /// [`Failure::Gone`] where some of them are forgotten, or the version is none that was given out.
    pub(crate) fn after(
        &self, version: u64, resource: Resource, namespace: Option<&str>, selector: &Selector,
    ) -> Result<(u64, Vec<Event>), Failure> {
        let inner = self.lock();
        if version < inner.forgotten || version > inner.newest {
            return Err(Failure::Gone);
        }
        let first = inner.events.partition_point(|event| event.version <= version);
        let mut events = Vec::new();
        for event in inner.events.range(first..) {
            let meant = event.key.resource == resource && namespace.is_none_or(|wanted| event.key.namespace == wanted);
            if meant && selector.matches(&event.object) {
                events.push(event.clone());
            }
            if events.len() == limits::WATCH_BATCH {
                return Ok((event.version, events));
            }
        }
        Ok((inner.newest, events))
    }

    /// Tells of each new version.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn happened(&mut self, key: Key, change: Change, mut object: Value) -> Arc<Value> {
        self.newest += 1;
        object["metadata"]["resourceVersion"] = json!(self.newest.to_string());
        let object = Arc::new(object);
        self.events.push_back(Event { version: self.newest, key, change, object: Arc::clone(&object) });
        if self.events.len() > limits::EVENTS {
            self.forgotten = self.events.pop_front().map_or(self.forgotten, |event| event.version);
        }
        object
    }
}

fn uid(object: &Value) -> Option<&str> {
    object["metadata"]["uid"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, data: u32) -> (Key, Value) {
        (Key::new(Resource::Pods, "default", name), json!({ "metadata": { "name": name }, "data": data }))
    }

    #[test]
    fn only_changes_are_told_and_in_order() {
        let objects = Objects::new(100);
        for (name, data) in [("a", 1), ("a", 1), ("b", 1), ("a", 2)] {
            let (key, value) = object(name, data);
            objects.put(key, value);
        }
        objects.remove(&Key::new(Resource::Pods, "default", "b"));
        let after = |version| objects.after(version, Resource::Pods, Some("default"), &Selector::default());
        let (newest, events) = after(100).unwrap();
        let told: Vec<_> = events
            .iter()
            .map(|event| (event.change.as_str(), event.object["metadata"]["name"].as_str().unwrap()))
            .collect();
        assert_eq!(told, [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]);
        assert_eq!(newest, 104);
        assert!(after(newest).unwrap().1.is_empty());
        assert!(after(99).is_err() && after(105).is_err());
    }

    #[test]
    fn who_lags_too_far_is_told_to_begin_anew_and_others_miss_nothing() {
        let objects = Objects::new(0);
        let count = u32::try_from(limits::EVENTS).unwrap() + 10;
        for data in 0..count {
            let (key, value) = object("a", data);
            objects.put(key, value);
        }
        let after = |version| objects.after(version, Resource::Pods, None, &Selector::default());
        assert!(after(9).is_err());
        let (mut version, mut seen) = (10, 0);
        loop {
            let (next, events) = after(version).unwrap();
            if events.is_empty() {
                break;
            }
            (version, seen) = (next, seen + events.len());
        }
        assert_eq!(seen, limits::EVENTS);
    }
}
