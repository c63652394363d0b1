//! Entities of questions that were asked before. The decision itself is never remembered: Cedar evaluates every request.
//!
//! Building three entities and closing their hierarchy costs more than evaluating the policies, and an agent asks about the
//! same resources again and again.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{Entities, EntityUid};
use exeat_core::{Action, Entity, Operation, Session};

/// Questions remembered. At a few kilobytes each it is a few megabytes.
const SLOTS: usize = 1024;

/// Each question has one slot, which the next with the same hash takes over.
pub(crate) struct Recent {
    slots: Vec<Mutex<Option<Arc<Asked>>>>,
    hasher: RandomState,
}

/// Who, what and on what, as Cedar has it.
pub(crate) struct Asked {
    session: Session,
    action: Action,
    resource: Vec<Entity>,
    pub(crate) cedar: Cedar,
}

/// The same in Cedar's types.
pub(crate) struct Cedar {
    pub(crate) principal: EntityUid,
    pub(crate) action: EntityUid,
    pub(crate) resource: EntityUid,
    pub(crate) entities: Entities,
}

impl Recent {
    pub(crate) fn new() -> Self {
        Recent { slots: (0..SLOTS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    /// What was asked before with the very same words, or what `build` makes of them.
    pub(crate) fn get_or<E>(
        &self, session: &Session, operation: &Operation, build: impl FnOnce() -> Result<Cedar, E>,
    ) -> Result<Arc<Asked>, E> {
        let hash = self.hasher.hash_one(Words(session, operation));
        let slot = &self.slots[(hash % SLOTS as u64) as usize];
        let same = |asked: &&Arc<Asked>| {
            asked.session == *session && asked.action == operation.action && asked.resource == operation.resource
        };
        if let Some(asked) = slot.lock().unwrap_or_else(PoisonError::into_inner).as_ref().filter(same) {
            return Ok(Arc::clone(asked));
        }
        let asked = Arc::new(Asked {
            session: session.clone(),
            action: operation.action.clone(),
            resource: operation.resource.clone(),
            cedar: build()?,
        });
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&asked));
        Ok(asked)
    }
}

struct Words<'a>(&'a Session, &'a Operation);

impl Hash for Words<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.0, &self.1.action, &self.1.resource).hash(state);
    }
}
