//! Who is in use: said to the API server now and then, for sandboxes that are suspended when nobody uses them.
//!
//! It is said of a sandbox for as long as somebody is in it, and once more after the last one has left. Several routers say
//! it together: what another has said a moment ago is not said again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use exeat_api::annotations;
use exeat_router::Target;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use kube::api::{ApiResource, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::known::{Known, Seen};
use crate::limits;

/// Sandboxes in use, by UID. There are as many as somebody was in within the last minute.
#[derive(Default)]
pub(crate) struct Activity(Mutex<HashMap<String, Use>>);

/// The use of one sandbox.
struct Use {
    namespace: String,
    name: String,
    /// How many are in it.
    visits: usize,
    /// Somebody was in it whom nothing has been said about.
    unsaid: bool,
    said: Option<Instant>,
    pause: Duration,
}

/// Somebody is in a sandbox for as long as this lives.
pub(crate) struct Active {
    activity: Arc<Activity>,
    uid: String,
}

/// What is to be said now.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    namespace: String,
    name: String,
    uid: String,
}

/// The field by which it is said that a sandbox is in use now.
pub(crate) fn now() -> Value {
    // Whole seconds are enough, and what people compare.
    json!(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH).to_string())
}

impl Activity {
    /// Somebody enters. Nothing where the sandbox is not suspended by itself.
    pub(crate) fn begin(self: &Arc<Self>, target: &Target, known: &Known) -> Option<Active> {
        let pause = (known.idle? / limits::REPORTS_PER_IDLE_TIME).clamp(limits::REPORT_TICK, limits::REPORT_PAUSE);
        let mut all = self.lock();
        let entry = all.entry(known.uid.clone()).or_insert_with(|| Use {
            namespace: target.namespace.clone(),
            name: target.id.clone(),
            visits: 0,
            unsaid: false,
            said: None,
            pause,
        });
        entry.visits += 1;
        entry.unsaid = true;
        entry.pause = pause;
        entry.said = entry.said.max(known.last_active.and_then(instant));
        Some(Active { activity: Arc::clone(self), uid: known.uid.clone() })
    }

    /// Says what is due, for ever.
    pub(crate) async fn report(&self, client: Client, kind: &ApiResource) {
        let mut ticks = interval(limits::REPORT_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let due = stream::iter(self.due(Instant::now()));
            let client = &client;
            due.for_each_concurrent(limits::REPORTS, |due| async move {
                if let Err(error) = say(client, kind, &due).await {
                    tracing::debug!(error, name = due.name, "it could not be said that a sandbox is in use");
                    self.unsay(&due);
                }
            })
            .await;
        }
    }

    /// What is due, taken as said.
    fn due(&self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        self.lock().retain(|uid, entry| {
            let is_time = entry.said.is_none_or(|said| now.saturating_duration_since(said) >= entry.pause);
            if is_time && (entry.visits > 0 || entry.unsaid) {
                entry.said = Some(now);
                entry.unsaid = false;
                let (namespace, name) = (entry.namespace.clone(), entry.name.clone());
                due.push(Due { namespace, name, uid: uid.clone() });
            }
            entry.visits > 0 || entry.unsaid || !is_time
        });
        due
    }

    /// It is said again after the usual pause.
    fn unsay(&self, due: &Due) {
        if let Some(entry) = self.lock().get_mut(&due.uid) {
            entry.unsaid = true;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if let Some(entry) = self.activity.lock().get_mut(&self.uid) {
            entry.visits = entry.visits.saturating_sub(1);
            entry.unsaid = true;
        }
    }
}

/// Of the sandbox of this UID alone: another of its name is not in use. That is gone is no failure.
async fn say(client: &Client, kind: &ApiResource, due: &Due) -> Result<(), String> {
    let api: Api<Seen> = Api::namespaced_with(client.clone(), &due.namespace, kind);
    let patch = json!({ "metadata": { "uid": due.uid, "annotations": { annotations::LAST_ACTIVE: now() } } });
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
    match timeout(limits::CALL_TIME, api.patch(&due.name, &parameters, &patch)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(late) => Err(late.to_string()),
    }
}

/// A moment of the past on this process's clock; nothing for one that is to come.
fn instant(time: Timestamp) -> Option<Instant> {
    let age = Timestamp::now().duration_since(time);
    Instant::now().checked_sub(Duration::try_from(age).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::State;

    fn known(idle: Option<u64>, last_active: Option<Timestamp>) -> Known {
        let idle = idle.map(Duration::from_secs);
        Known { uid: "u".into(), version: "1".into(), state: State::Coming, idle, last_active }
    }

    fn target() -> Target {
        Target { namespace: "team".into(), id: "a".into(), uid: None }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_said_while_somebody_is_there_and_once_after() {
        let activity = Arc::new(Activity::default());
        let due = |seconds| activity.due(Instant::now() + Duration::from_secs(seconds)).len();
        assert_eq!(due(0), 0);
        let long = activity.begin(&target(), &known(Some(600), None)).unwrap();
        drop(activity.begin(&target(), &known(Some(600), None)).unwrap());
        assert_eq!([due(0), due(1), due(59), due(60), due(61), due(120)], [1, 0, 0, 1, 0, 1]);
        drop(long);
        assert_eq!([due(121), due(180), due(240), due(300)], [0, 1, 0, 0]);
        assert!(activity.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_time_is_reported_more_often_and_none_not_at_all() {
        let activity = Arc::new(Activity::default());
        let due = |seconds| activity.due(Instant::now() + Duration::from_secs(seconds)).len();
        assert!(activity.begin(&target(), &known(None, None)).is_none());
        let _short = activity.begin(&target(), &known(Some(9), None)).unwrap();
        assert_eq!([due(0), due(2), due(3), due(6)], [1, 0, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_router_has_said_is_not_said_again() {
        let activity = Arc::new(Activity::default());
        let due = |seconds| activity.due(Instant::now() + Duration::from_secs(seconds)).len();
        drop(activity.begin(&target(), &known(Some(600), Some(Timestamp::now()))).unwrap());
        assert_eq!([due(1), due(61), due(200)], [0, 1, 0]);
        assert!(activity.lock().is_empty());
        let future = Timestamp::now() + jiff::SignedDuration::from_secs(3600);
        drop(activity.begin(&target(), &known(Some(600), Some(future))).unwrap());
        assert_eq!(due(300), 1, "a clock that goes wrong elsewhere keeps nobody from saying it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_made_good_after_a_pause() {
        let activity = Arc::new(Activity::default());
        drop(activity.begin(&target(), &known(Some(600), None)).unwrap());
        let due = activity.due(Instant::now());
        activity.unsay(&due[0]);
        assert_eq!(activity.due(Instant::now() + Duration::from_secs(1)), []);
        assert_eq!(activity.due(Instant::now() + Duration::from_secs(60)), due);
    }
}
