//! Events: what has been done, for those who look at an object later.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use crate::limits;
use crate::world::World;

/// Says what has been done.
#[derive(Clone)]
pub(crate) struct Events {
    recorder: Recorder,
    later: mpsc::Sender<Said>,
}

struct Said {
    about: ObjectReference,
    reason: &'static str,
    action: &'static str,
    note: String,
}

impl Events {
    /// The second part writes what is said later, and never returns.
    pub(crate) fn new(client: kube::Client, instance: &str, world: Arc<World>) -> (Self, impl Future<Output = ()>) {
        let reporter = Reporter { controller: "exeat-controller".to_owned(), instance: Some(instance.to_owned()) };
        let (later, said) = mpsc::channel(limits::EVENTS);
        let events = Events { recorder: Recorder::new(client, reporter), later };
        (events.clone(), write(events, said, world))
    }

    /// Says something, and waits until it is said.
    pub(crate) async fn say<K: Resource<DynamicType = ()>>(&self, about: &K, reason: &str, action: &str, note: &str) {
        self.publish(&about.object_ref(&()), reason, action, note).await;
    }

    /// Says something when there is nothing more pressing. Nothing waits for an event, so too many of them are not said.
    pub(crate) fn say_later<K: Resource<DynamicType = ()>>(
        &self, about: &K, reason: &'static str, action: &'static str, note: String,
    ) {
        let said = Said { about: about.object_ref(&()), reason, action, note };
        if self.later.try_send(said).is_err() {
            tracing::debug!(reason, "too many events: one is not written");
        }
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

async fn write(events: Events, said: mpsc::Receiver<Said>, world: Arc<World>) {
    let said = stream::unfold(said, async |mut said| Some((said.recv().await?, said)));
    let write = async |Said { about, reason, action, note }| {
        world.precedence.wait().await;
        events.publish(&about, reason, action, &note).await;
    };
    said.for_each_concurrent(limits::EVENTS_AT_ONCE, write).await;
}
