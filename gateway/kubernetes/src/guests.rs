//! Sessions: admitted when their pod first speaks, ended when what they stood on is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use exeat_core::Cause;
use exeat_proxy::{Applicant, Gateway, Guest, StartError};
use futures_util::future::select_all;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::facts::Key;
use crate::standing::{Standing, Who, stand};
use crate::terms::Tenancy;
use crate::view::View;

/// The sessions of one gateway, by their sandboxes.
pub(crate) struct Guests {
    gateway: Arc<Gateway>,
    view: Arc<View>,
    tenancy: Arc<Tenancy>,
    seats: Mutex<HashMap<Key, Arc<Seat>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Where the session of one sandbox is. Whoever admits or ends one keeps it locked meanwhile.
#[derive(Default)]
struct Seat(AsyncMutex<Option<Seated>>);

struct Seated {
    who: Who,
    guest: Arc<Guest>,
}

impl Guests {
    pub(crate) fn new(gateway: Arc<Gateway>, view: Arc<View>, tenancy: Arc<Tenancy>) -> Arc<Self> {
        Arc::new(Guests {
            gateway,
            view,
            tenancy,
            seats: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// The session of whoever stands there: the one that is open, or a new one. One of the same sandbox that stood on something
    /// else ends first.
    ///
    /// # Errors
    /// Why there is no place for it.
    pub(crate) async fn seat(self: &Arc<Self>, standing: Standing) -> Result<Arc<Guest>, Cause> {
        let Standing { who, ground } = standing;
        let seat = self.seat_of(&who.sandbox);
        let mut seated = seat.0.lock().await;
        if let Some(here) = seated.as_ref().filter(|here| here.who == who) {
            return Ok(Arc::clone(&here.guest));
        }
        if let Some(before) = seated.take() {
            self.dismiss(&before.guest).await;
        }
        if self.stop.is_cancelled() {
            return Err(Cause::Overloaded);
        }
        let terms = self.tenancy.terms(&who);
        let applicant = Applicant::new(who.session(), terms).with_facts(who.facts());
        let guest = match self.gateway.admit(applicant).await {
            Ok(guest) => guest,
            Err(error) => {
                tracing::error!(sandbox = %who.sandbox, %error, "a session cannot be opened");
                drop(seated);
                self.clear(&who.sandbox);
                return Err(match error {
                    StartError::Journal(_) => Cause::JournalUnavailable,
                    StartError::Full(_) | StartError::Trust(_) => Cause::Overloaded,
                });
            }
        };
        *seated = Some(Seated { who: who.clone(), guest: Arc::clone(&guest) });
        drop(seated);
        self.tasks.spawn(Arc::clone(self).attend(seat, who, ground, Arc::clone(&guest)));
        Ok(guest)
    }

    /// Waits until a session no longer stands on what it stood on, and ends it.
    async fn attend(self: Arc<Self>, seat: Arc<Seat>, who: Who, mut ground: Vec<CancellationToken>, guest: Arc<Guest>) {
        loop {
            let changed = select_all(ground.iter().map(|object| Box::pin(object.cancelled())));
            tokio::select! {
                _ = changed => {}
                () = guest.ended() => return,
                () = self.stop.cancelled() => break,
            }
            match self.view.look(|objects| stand(objects, &who.proof)) {
                Ok(again) if again.who == who => ground = again.ground,
                _ => break,
            }
        }
        let mut seated = seat.0.lock().await;
        if seated.take_if(|here| Arc::ptr_eq(&here.guest, &guest)).is_some() {
            self.dismiss(&guest).await;
        }
        drop(seated);
        self.clear(&who.sandbox);
    }

    async fn dismiss(&self, guest: &Guest) {
        if let Err(error) = self.gateway.dismiss(guest).await {
            tracing::error!(session = guest.session().id, %error, "a session's end could not be recorded");
        }
    }

    /// Ends every session and waits until each is in the journal.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn seat_of(&self, sandbox: &Key) -> Arc<Seat> {
        Arc::clone(self.seats.lock().unwrap_or_else(PoisonError::into_inner).entry(sandbox.clone()).or_default())
    }

    /// Takes a seat away that nobody holds and nobody is about to.
    fn clear(&self, sandbox: &Key) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        // Two know it: the table and whoever calls this.
        let is_free =
            |seat: &Arc<Seat>| Arc::strong_count(seat) <= 2 && seat.0.try_lock().is_ok_and(|seated| seated.is_none());
        if seats.get(sandbox).is_some_and(is_free) {
            seats.remove(sandbox);
        }
    }
}
