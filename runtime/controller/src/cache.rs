//! What is known of one kind: kept the same as the API server by a watch, and by the answers to what we write ourselves,
//! so that nobody acts on what was before his own last change.

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use futures_util::StreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use tokio::sync::watch;

use crate::Key;
use crate::limits;

/// The objects of one kind.
pub(crate) struct Cache<K> {
    inner: RwLock<Inner<K>>,
    synced: watch::Sender<bool>,
}

struct Inner<K> {
    objects: HashMap<Key, Arc<K>>,
    gone: Gone,
    /// While everything is being listed: what has been seen since that began.
    listed: Option<HashSet<Key>>,
}

/// A change that has been seen.
pub(crate) struct Change<'c, K> {
    /// Which object.
    pub(crate) key: &'c Key,
    /// What it was.
    pub(crate) before: Option<&'c Arc<K>>,
    /// What it is.
    pub(crate) after: Option<&'c Arc<K>>,
}

/// Told of every change, before anybody can see it in the cache's contents later than in its own.
pub(crate) trait Listener<K>: Send + Sync {
    /// Something has changed.
    fn changed(&self, change: Change<'_, K>);
}

impl<K> Cache<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    K::DynamicType: Default,
{
    /// Nothing is known yet.
    pub(crate) fn new() -> Self {
        let inner = Inner { objects: HashMap::new(), gone: Gone::default(), listed: None };
        Cache { inner: RwLock::new(inner), synced: watch::Sender::new(false) }
    }

    /// The object, as it is known to be.
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.read().objects.get(key).cloned()
    }

    /// All of them.
    pub(crate) fn list(&self) -> Vec<Arc<K>> {
        self.read().objects.values().cloned().collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.read().objects.len()
    }

    /// Waits until everything that there was at the start is known.
    pub(crate) async fn synced(&self) {
        let mut synced = self.synced.subscribe();
        // The sender lives as long as the cache.
        let _ = synced.wait_for(|synced| *synced).await;
    }

    /// Takes what the API server has answered to a change of our own.
    pub(crate) fn learn(&self, object: K, listener: &dyn Listener<K>) {
        self.put(Key::of(&object), slim(object), listener);
    }

    /// Takes note that an object is not there.
    pub(crate) fn forget(&self, key: &Key, uid: &str, listener: &dyn Listener<K>) {
        let mut inner = self.write();
        inner.gone.add(uid);
        let Some(before) = inner.objects.get(key).filter(|known| known.uid().as_deref() == Some(uid)).cloned() else {
            return;
        };
        inner.objects.remove(key);
        drop(inner);
        listener.changed(Change { key, before: Some(&before), after: None });
    }

    /// Follows the API server for ever.
    pub(crate) async fn follow(&self, api: Api<K>, config: watcher::Config, listener: &dyn Listener<K>) {
        let mut events = pin!(watcher(api, config));
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => self.write().listed = Some(HashSet::new()),
                Ok(Event::InitDone) => {
                    self.keep_listed(listener);
                    self.synced.send_replace(true);
                }
                Ok(Event::InitApply(object) | Event::Apply(object)) => {
                    self.put(Key::of(&object), slim(object), listener)
                }
                Ok(Event::Delete(object)) => {
                    self.forget(&Key::of(&object), object.uid().as_deref().unwrap_or_default(), listener);
                }
                // The watcher tries again by itself.
                Err(error) => {
                    let kind = K::kind(&K::DynamicType::default()).into_owned();
                    tracing::warn!(%error, kind, "a watch was interrupted");
                    tokio::time::sleep(limits::FIRST_PAUSE).await;
                }
            }
        }
    }

    fn put(&self, key: Key, object: Arc<K>, listener: &dyn Listener<K>) {
        let uid = object.uid().unwrap_or_default();
        let before = {
            let mut inner = self.write();
            if let Some(listed) = &mut inner.listed {
                listed.insert(key.clone());
            }
            if inner.gone.contains(&uid) {
                return;
            }
            if let Some(known) = inner.objects.get(&key)
                && known.uid().as_deref() == Some(&uid)
                && version(&**known) >= version(&*object)
            {
                return;
            }
            inner.objects.insert(key.clone(), Arc::clone(&object))
        };
        listener.changed(Change { key: &key, before: before.as_ref(), after: Some(&object) });
    }

    /// Whoever was in no whole list, nor has been written since that began, is gone.
    fn keep_listed(&self, listener: &dyn Listener<K>) {
        let lost: Vec<(Key, String)> = {
            let mut inner = self.write();
            let Some(listed) = inner.listed.take() else { return };
            let lost = inner.objects.iter().filter(|(key, _)| !listed.contains(*key));
            lost.map(|(key, object)| (key.clone(), object.uid().unwrap_or_default())).collect()
        };
        for (key, uid) in lost {
            self.forget(&key, &uid, listener);
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<K>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner<K>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who owns which field is nothing that is asked here, and is often longer than the rest.
fn slim<K: Resource>(mut object: K) -> Arc<K> {
    object.meta_mut().managed_fields = None;
    Arc::new(object)
}

/// Resource versions of one kind can be compared as numbers (KEP-5504); what is none is older than everything.
fn version<K: Resource>(object: &K) -> u64 {
    object.meta().resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// UIDs of objects that were deleted, the last ones.
#[derive(Default)]
struct Gone {
    order: VecDeque<String>,
    known: HashSet<String>,
}

impl Gone {
    fn add(&mut self, uid: &str) {
        if uid.is_empty() || !self.known.insert(uid.to_owned()) {
            return;
        }
        self.order.push_back(uid.to_owned());
        if self.order.len() > limits::GONE
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    fn contains(&self, uid: &str) -> bool {
        self.known.contains(uid)
    }
}
