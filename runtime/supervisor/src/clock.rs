//! What time brings: pools are filled, sandboxes that have ended are noticed, idle ones fall asleep, snapshots are taken
//! when they are due, and whose time is over is ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use exeat_lifecycle::{Cause, ExpiryPolicy, Kind};
use jiff::{Timestamp, ToSpan};

use crate::error::Error;
use crate::limits;
use crate::sandbox::{Sandbox, Take};
use crate::supervisor::{Entry, Supervisor};

impl Supervisor {
    /// Keeps the pools full.
    pub(crate) async fn fill_pools(self) {
        let mut changes = self.changes();
        loop {
            self.fill().await;
            // A claim is a change; whoever missed one looks again soon.
            let _ = tokio::time::timeout(limits::TICK, changes.recv()).await;
        }
    }

    /// Looks after everything else, for as long as the process lives.
    pub(crate) async fn keep_time(self) {
        loop {
            tokio::time::sleep(limits::TICK).await;
            if self.0.unswept.swap(false, Ordering::SeqCst)
                && let Err(error) = self.sweep().await
            {
                tracing::warn!(%error, "what nothing refers to is removed later");
            }
            for entry in self.entries() {
                let record = entry.record();
                match self.look_after(&entry, &record).await {
                    // Somebody has deleted it meanwhile.
                    Ok(()) | Err(Error::NotFound { .. }) => {}
                    Err(error) => {
                        tracing::warn!(sandbox = %record.id, %error, "what was due could not be done; it is tried again");
                    }
                }
            }
        }
    }

    async fn look_after(&self, entry: &Arc<Entry>, record: &Sandbox) -> Result<(), Error> {
        if !record.life.phase.is_settled() || self.has_ended(record) {
            let Ok(_turn) = entry.operating.try_lock() else { return Ok(()) };
            if *record == entry.record() {
                return self.recover(entry).await;
            }
            return Ok(());
        }
        let now = Timestamp::now();
        if record.is_expired(now) {
            return self.expire(record).await;
        }
        let Some(guest) = entry.guest() else {
            // A supervisor that found it could not listen for it.
            if record.life.running().is_some()
                && let Ok(_turn) = entry.operating.try_lock()
            {
                return self.adopt(entry).await;
            }
            return Ok(());
        };
        if record.pool.is_some() {
            return Ok(());
        }
        if record.spec.idle_seconds.is_some_and(|seconds| guest.idle() >= Duration::from_secs(seconds)) {
            self.pause(&record.id).await?;
            return Ok(());
        }
        if self.is_due(record, now) {
            let take = Take { label: None, kind: Kind::Disk, cause: Cause::Scheduled };
            self.snapshot(&record.id, take).await?;
            return self.retain(record).await;
        }
        Ok(())
    }

    fn has_ended(&self, record: &Sandbox) -> bool {
        record.life.running().is_some_and(|number| self.generation(record, number).init().is_none())
    }

    async fn expire(&self, record: &Sandbox) -> Result<(), Error> {
        match record.spec.shutdown.as_ref().map(|shutdown| shutdown.policy) {
            Some(ExpiryPolicy::Delete) => self.delete(&record.id).await,
            _ if record.life.running().is_some() => self.pause(&record.id).await.map(|_| ()),
            _ => Ok(()),
        }
    }

    fn is_due(&self, record: &Sandbox, now: Timestamp) -> bool {
        let Some(every) = record.spec.snapshots.every_seconds.and_then(|every| i64::try_from(every).ok()) else {
            return false;
        };
        let last = self
            .snapshots()
            .into_iter()
            .filter(|snapshot| snapshot.sandbox == record.id && snapshot.cause == Cause::Scheduled);
        let last = last.map(|snapshot| snapshot.created).max().unwrap_or(record.created);
        last.checked_add(every.seconds()).is_ok_and(|due| due <= now)
    }
}
