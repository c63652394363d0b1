//! From the API server's watches to the view: what is there at first, and every change from then on.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, pin_mut};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::SetOnce;

use crate::contact::Contact;
use crate::facts::Key;
use crate::view::Change;

/// One kind that is watched.
pub(crate) struct Watching<K> {
    /// In the plural, for messages.
    pub(crate) kind: &'static str,
    pub(crate) api: Api<K>,
    /// Only those with this label; an empty one is all.
    pub(crate) label: &'static str,
}

impl<K> Watching<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    /// Watches for as long as it is polled. `facts` says what is kept of an object; the rest is dropped at once. `synced` is set
    /// when all that is there at first has been taken in.
    pub(crate) async fn run<T>(
        self, contact: Arc<Contact>, synced: Arc<SetOnce<()>>, facts: impl Fn(K) -> T, mut take: impl FnMut(Change<T>),
    ) {
        let config = match self.label {
            "" => watcher::Config::default(),
            label => watcher::Config::default().labels(label),
        };
        let events = watch_objects(self.api, config).default_backoff();
        let kept = events.map_ok(|event| keep(event, &facts));
        pin_mut!(kept);
        let mut first = HashMap::new();
        while let Some(event) = kept.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    tracing::warn!(kind = self.kind, %error, "a watch is broken and begins anew");
                    contact.fails(self.kind);
                    continue;
                }
            };
            contact.works(self.kind);
            match event {
                Kept::Begin => first.clear(),
                Kept::First(key, facts) => drop(first.insert(key, facts)),
                Kept::Complete => {
                    take(Change::All(std::mem::take(&mut first)));
                    let _ = synced.set(());
                }
                Kept::Is(key, facts) => take(Change::Is(key, facts)),
                Kept::Gone(key) => take(Change::Gone(key)),
            }
        }
    }
}

/// A watch's event with only what is kept of its object.
enum Kept<T> {
    Begin,
    First(Key, T),
    Complete,
    Is(Key, T),
    Gone(Key),
}

fn keep<K: Resource<DynamicType = ()> + ResourceExt, T>(event: Event<K>, facts: impl Fn(K) -> T) -> Kept<T> {
    match event {
        Event::Init => Kept::Begin,
        Event::InitApply(object) => Kept::First(Key::of(&object), facts(object)),
        Event::InitDone => Kept::Complete,
        Event::Apply(object) => Kept::Is(Key::of(&object), facts(object)),
        Event::Delete(object) => Kept::Gone(Key::of(&object)),
    }
}
