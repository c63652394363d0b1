//! Whoever waits for a claim comes first: what nobody waits for holds back while claims are being bound.
//!
//! A burst of claims is as fast as the API server answers. Filling up the pool, labels of pods and events are most of what a
//! claim costs it, and can all come after.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// Whether claims are being bound.
#[derive(Default)]
pub(crate) struct Precedence {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    under_way: usize,
    rush: Option<Rush>,
}

/// Claims without a lull between them.
#[derive(Clone, Copy)]
struct Rush {
    began: Instant,
    /// When the last one was done with.
    ended: Instant,
    /// How long it may hold anything back.
    most: Duration,
}

impl Rush {
    /// The next one. Whoever makes claims all the time holds others back for half of it at the most.
    fn after(last: Option<Rush>, now: Instant) -> Rush {
        let most = last.map_or(limits::HELD_BACK, |last| {
            let end = last.lull().min(last.began + last.most);
            (last.began + last.most - end + (now - end)).min(limits::HELD_BACK)
        });
        Rush { began: now, ended: now, most }
    }

    /// Until when it may be that the next claim is about to come.
    fn lull(self) -> Instant {
        self.ended + limits::LULL
    }
}

impl State {
    fn is_quiet(&self, now: Instant) -> bool {
        self.under_way == 0 && self.rush.is_none_or(|rush| rush.lull() <= now)
    }
}

impl Precedence {
    /// A claim is being bound until this is dropped.
    pub(crate) fn take(&self) -> Taken<'_> {
        let now = Instant::now();
        let mut state = self.state();
        if state.is_quiet(now) {
            state.rush = Some(Rush::after(state.rush, now));
        }
        state.under_way += 1;
        Taken { precedence: self }
    }

    /// How long what nobody waits for is to hold back before it asks again.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let now = Instant::now();
        let state = self.state();
        let rush = state.rush.filter(|_| !state.is_quiet(now))?;
        // Claims that never stop must not keep everything else from ever being done.
        let most = (rush.began + rush.most).checked_duration_since(now).filter(|left| !left.is_zero())?;
        let lull = if state.under_way == 0 { rush.lull() - now } else { limits::LULL };
        Some(lull.min(most))
    }

    /// Returns when nothing needs to hold back.
    pub(crate) async fn wait(&self) {
        while let Some(pause) = self.pause() {
            tokio::time::sleep(pause).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A claim that is being bound.
pub(crate) struct Taken<'p> {
    precedence: &'p Precedence,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.precedence.state();
        state.under_way -= 1;
        if let Some(rush) = &mut state.rush {
            rush.ended = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rest_waits_for_a_lull() {
        let precedence = Precedence::default();
        assert_eq!(precedence.pause(), None);
        let one = precedence.take();
        let other = precedence.take();
        drop(one);
        assert_eq!(precedence.pause(), Some(limits::LULL), "another is under way");
        drop(other);
        assert_eq!(precedence.pause(), Some(limits::LULL));
        let began = Instant::now();
        precedence.wait().await;
        assert!(began.elapsed() >= limits::LULL);
        assert_eq!(precedence.pause(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn claims_without_end_hold_nothing_back_for_ever() {
        let precedence = Precedence::default();
        let began = Instant::now();
        while precedence.pause().is_some() || began.elapsed().is_zero() {
            drop(precedence.take());
            tokio::time::sleep(limits::LULL / 2).await;
            assert!(began.elapsed() < limits::HELD_BACK * 2);
        }
        assert!(began.elapsed() >= limits::HELD_BACK);
        // Nor does the next one begin it anew.
        drop(precedence.take());
        assert_eq!(precedence.pause(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn nor_do_rushes_that_leave_no_more_than_a_lull_between_them() {
        let precedence = Precedence::default();
        let step = Duration::from_millis(10);
        let (mut free, mut all) = (0, 0);
        for _ in 0..60 {
            let claim = precedence.take();
            for _ in 0..100 {
                tokio::time::sleep(step).await;
                free += u32::from(precedence.pause().is_none());
                all += 1;
            }
            drop(claim);
            tokio::time::sleep(limits::LULL + step).await;
        }
        assert!(free * 3 > all, "{free} of {all}");
        // After a rest everything is as it was.
        tokio::time::sleep(limits::HELD_BACK).await;
        drop(precedence.take());
        assert_eq!(precedence.pause(), Some(limits::LULL));
    }
}
