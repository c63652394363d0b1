//! Which sandboxes there are: kept by a watch of all of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::StreamExt;
use kube::api::ApiResource;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;

use crate::known::{Known, Seen};

/// All sandboxes. There are as many as the cluster has.
pub(crate) struct Directory {
    known: RwLock<HashMap<Name, Arc<Known>>>,
    changed: watch::Sender<()>,
    complete: AtomicBool,
}

/// A namespace and a name in it.
type Name = (String, String);

impl Directory {
    pub(crate) fn new() -> Self {
        Directory { known: RwLock::default(), changed: watch::Sender::new(()), complete: AtomicBool::new(false) }
    }

    /// Whether all have been seen.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Tells of each change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Keeps the directory, for ever. What fails is tried again, with longer and longer pauses.
    pub(crate) async fn follow(&self, client: Client, kind: &ApiResource) {
        let api: Api<Seen> = Api::all_with(client, kind);
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
        let mut all = HashMap::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.apply(event, &mut all),
                Err(error) => tracing::warn!(%error, "the watch of sandboxes broke off, and is taken up again"),
            }
        }
    }

    /// `all` is what a new list has shown so far.
    fn apply(&self, event: watcher::Event<Seen>, all: &mut HashMap<Name, Arc<Known>>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            watcher::Event::Init => all.clear(),
            watcher::Event::InitApply(seen) => {
                all.insert(name(&seen), Arc::new(Known::of(&seen)));
                return;
            }
            watcher::Event::InitDone => {
                *known = std::mem::take(all);
                self.complete.store(true, Ordering::Release);
            }
            watcher::Event::Apply(seen) => {
                known.insert(name(&seen), Arc::new(Known::of(&seen)));
            }
            watcher::Event::Delete(seen) => {
                known.remove(&name(&seen));
            }
        }
        drop(known);
        self.changed.send_replace(());
    }
}

fn name(seen: &Seen) -> Name {
    (seen.namespace().unwrap_or_default(), seen.name_any())
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;

    fn seen(name: &str) -> Seen {
        let metadata = json!({ "name": name, "namespace": "team", "uid": format!("uid-of-{name}") });
        serde_json::from_value(json!({ "metadata": metadata, "spec": {} })).unwrap()
    }

    #[test]
    fn a_new_list_replaces_the_old_one_once_it_is_complete() {
        let (directory, mut all) = (Directory::new(), HashMap::new());
        let mut changes = directory.changes();
        let is_there = |name: &str| directory.get("team", name).is_some();
        for event in [Event::Init, Event::InitApply(seen("a")), Event::InitApply(seen("b"))] {
            directory.apply(event, &mut all);
        }
        assert!(!directory.is_complete() && !is_there("a"));
        directory.apply(Event::InitDone, &mut all);
        assert!(directory.is_complete() && is_there("a") && is_there("b") && changes.has_changed().unwrap());
        changes.mark_unchanged();
        directory.apply(Event::Apply(seen("c")), &mut all);
        directory.apply(Event::Delete(seen("a")), &mut all);
        assert!(is_there("c") && !is_there("a") && changes.has_changed().unwrap());
        for event in [Event::Init, Event::InitApply(seen("d"))] {
            directory.apply(event, &mut all);
        }
        assert!(is_there("b") && !is_there("d"), "what was known is known until the new list is complete");
        directory.apply(Event::InitDone, &mut all);
        assert!(!is_there("b") && is_there("d"));
    }
}
