//! Events: what has been done, for those who look at an object later.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::Semaphore;

/// Events that may be under way at once. What is above that is not said: nothing waits for an event.
const UNDER_WAY: usize = 64;

/// Says what has been done.
#[derive(Clone)]
pub(crate) struct Events {
    recorder: Recorder,
    places: Arc<Semaphore>,
}

impl Events {
    pub(crate) fn new(client: kube::Client, instance: &str) -> Self {
        let reporter = Reporter { controller: "exeat-controller".to_owned(), instance: Some(instance.to_owned()) };
        Events { recorder: Recorder::new(client, reporter), places: Arc::new(Semaphore::new(UNDER_WAY)) }
    }

    /// Says something, and waits until it is said.
    pub(crate) async fn say<K: Resource<DynamicType = ()>>(&self, about: &K, reason: &str, action: &str, note: &str) {
        self.publish(&about.object_ref(&()), reason, action, note).await;
    }

    /// Says something, and does not wait for that.
    pub(crate) fn say_later<K: Resource<DynamicType = ()>>(
        &self, about: &K, reason: &'static str, action: &'static str, note: String,
    ) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let (about, events) = (about.object_ref(&()), self.clone());
        tokio::spawn(async move {
            events.publish(&about, reason, action, &note).await;
            drop(place);
        });
    }

    async fn publish(&self, about: &ObjectReference, reason: &str, action: &str, note: &str) {
        let event = Event {
            type_: EventType::Normal,
            reason: reason.to_owned(),
            note: Some(note.to_owned()),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, about).await {
            tracing::debug!(%error, "an event could not be written");
        }
    }
}
