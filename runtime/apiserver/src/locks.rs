//! One at a time for each object.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use crate::objects::Key;

/// A lock for each object that somebody works on.
#[derive(Default)]
pub(crate) struct Locks(Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>);

impl Locks {
    /// Waits for those who work on the object.
    pub(crate) async fn lock(&self, key: &Key) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| lock.strong_count() > 0);
            match locks.get(key).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    let lock = Arc::new(tokio::sync::Mutex::new(()));
                    locks.insert(key.clone(), Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }
}
