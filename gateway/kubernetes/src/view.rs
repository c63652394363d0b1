//! What the cluster is known to hold, and who waits for it to change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::credentials::CredentialFacts;
use crate::facts::{ClaimFacts, Key, PodFacts, SandboxFacts};
use crate::policies::PolicyFacts;
use crate::workflow::WorkflowFacts;

/// One object as it is known. What is known of it never changes: another entry takes its place.
pub(crate) struct Entry<T> {
    pub(crate) facts: T,
    /// Cancelled when another entry has taken its place, or none.
    pub(crate) replaced: CancellationToken,
    /// Whoever asks the API server about it: one at a time.
    pub(crate) asking: Mutex<()>,
}

/// What a watch says about one object, or about all.
pub(crate) enum Change<T> {
    Is(Key, T),
    Gone(Key),
    /// These are all that there are.
    All(HashMap<Key, T>),
}

/// The objects of one kind.
pub(crate) struct Table<T> {
    entries: HashMap<Key, Arc<Entry<T>>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { entries: HashMap::new() }
    }
}

impl<T: PartialEq> Table<T> {
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Entry<T>>> {
        self.entries.get(key)
    }

    /// Those of one namespace.
    pub(crate) fn of(&self, namespace: &str) -> BTreeMap<Key, T>
    where
        T: Clone,
    {
        let of_it = self.entries.iter().filter(|(key, _)| key.namespace == namespace);
        of_it.map(|(key, entry)| (key.clone(), entry.facts.clone())).collect()
    }

    /// Whether there are any in a namespace.
    pub(crate) fn are_in(&self, namespace: &str) -> bool {
        self.entries.keys().any(|key| key.namespace == namespace)
    }

    /// Takes a change in and returns the namespaces that it touched.
    pub(crate) fn take(&mut self, change: Change<T>) -> BTreeSet<String> {
        self.apply(change).iter().map(|replaced| replaced.key.namespace.clone()).collect()
    }

    /// Takes a change in, tells those who stand on what it replaces, and returns what became of which objects.
    fn apply(&mut self, change: Change<T>) -> Vec<Replaced<T>> {
        match change {
            Change::Is(key, facts) => self.put(key, facts).into_iter().collect(),
            Change::Gone(key) => self.remove(key).into_iter().collect(),
            Change::All(all) => {
                let gone: Vec<Key> = self.entries.keys().filter(|key| !all.contains_key(key)).cloned().collect();
                let gone = gone.into_iter().filter_map(|key| self.remove(key)).collect::<Vec<_>>();
                let put = all.into_iter().filter_map(|(key, facts)| self.put(key, facts));
                gone.into_iter().chain(put.collect::<Vec<_>>()).collect()
            }
        }
    }

    fn put(&mut self, key: Key, facts: T) -> Option<Replaced<T>> {
        if self.entries.get(&key).is_some_and(|entry| entry.facts == facts) {
            return None;
        }
        let entry = Arc::new(Entry { facts, replaced: CancellationToken::new(), asking: Mutex::default() });
        let before = self.entries.insert(key.clone(), Arc::clone(&entry));
        Some(Replaced::new(key, before, Some(entry)))
    }

    fn remove(&mut self, key: Key) -> Option<Replaced<T>> {
        let before = self.entries.remove(&key)?;
        Some(Replaced::new(key, Some(before), None))
    }
}

/// An entry that took another's place.
struct Replaced<T> {
    key: Key,
    before: Option<Arc<Entry<T>>>,
    now: Option<Arc<Entry<T>>>,
}

impl<T> Replaced<T> {
    fn new(key: Key, before: Option<Arc<Entry<T>>>, now: Option<Arc<Entry<T>>>) -> Self {
        Replaced { key, before, now }
    }
}

/// Tells those who stood on what has been replaced, once all of a change can be seen.
impl<T> Drop for Replaced<T> {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            before.replaced.cancel();
        }
    }
}

/// A second way to find entries: by something that is in their facts.
struct Index<K>(HashMap<K, Key>);

impl<K: Eq + Hash + Clone> Index<K> {
    fn follow<T>(&mut self, replaced: &Replaced<T>, words: impl Fn(&T) -> &[K]) {
        for word in replaced.before.iter().flat_map(|entry| words(&entry.facts)) {
            if self.0.get(word) == Some(&replaced.key) {
                self.0.remove(word);
            }
        }
        for word in replaced.now.iter().flat_map(|entry| words(&entry.facts)) {
            self.0.insert(word.clone(), replaced.key.clone());
        }
    }
}

/// Everything that is known, at one moment.
pub(crate) struct Objects {
    pub(crate) pods: Table<PodFacts>,
    pub(crate) sandboxes: Table<SandboxFacts>,
    pub(crate) claims: Table<ClaimFacts>,
    pub(crate) policies: Table<PolicyFacts>,
    pub(crate) credentials: Table<CredentialFacts>,
    pub(crate) workflows: Table<WorkflowFacts>,
    addresses: Index<IpAddr>,
    claim_uids: Index<String>,
}

impl Default for Objects {
    fn default() -> Self {
        Objects {
            pods: Table::default(),
            sandboxes: Table::default(),
            claims: Table::default(),
            policies: Table::default(),
            credentials: Table::default(),
            workflows: Table::default(),
            addresses: Index(HashMap::new()),
            claim_uids: Index(HashMap::new()),
        }
    }
}

impl Objects {
    /// The pod that has this address and runs.
    pub(crate) fn pod_at(&self, address: IpAddr) -> Option<&Arc<Entry<PodFacts>>> {
        self.pods.get(self.addresses.0.get(&address)?)
    }

    /// The claim with this UID.
    pub(crate) fn claim(&self, uid: &str) -> Option<(&Key, &Arc<Entry<ClaimFacts>>)> {
        let key = self.claim_uids.0.get(uid)?;
        Some((key, self.claims.get(key)?))
    }

    pub(crate) fn change_pods(&mut self, change: Change<PodFacts>) {
        for replaced in self.pods.apply(change) {
            self.addresses.follow(&replaced, |pod| &pod.addresses);
        }
    }

    pub(crate) fn change_claims(&mut self, change: Change<ClaimFacts>) {
        for replaced in self.claims.apply(change) {
            self.claim_uids.follow(&replaced, |claim| std::slice::from_ref(&claim.uid));
        }
    }
}

/// The objects as the watches have them, and a bell that rings when they change.
pub(crate) struct View {
    objects: RwLock<Objects>,
    bell: watch::Sender<()>,
}

impl View {
    pub(crate) fn new() -> Self {
        View { objects: RwLock::default(), bell: watch::Sender::new(()) }
    }

    /// Looks at the objects as they are now.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Objects) -> T) -> T {
        look(&self.objects.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a change in.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Objects) -> T) -> T {
        let changed = change(&mut self.objects.write().unwrap_or_else(PoisonError::into_inner));
        self.bell.send_replace(());
        changed
    }

    /// Rings for every change from now on.
    pub(crate) fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }
}
