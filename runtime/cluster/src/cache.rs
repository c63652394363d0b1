//! What others have said, remembered for as long as they have said it for.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// A bounded table of answers. When it is full, the one that was used longest ago is forgotten.
pub(crate) struct Cache<K: Hash + Eq, V>(Mutex<LruCache<K, Arc<Entry<V>>>>);

/// An answer and until when it holds, or the wait for it.
type Entry<V> = OnceCell<(V, Instant)>;

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    pub(crate) fn new(size: NonZeroUsize) -> Self {
        Cache(Mutex::new(LruCache::new(size)))
    }

    /// The answer to `key`. Of all who want it at once, one finds it out by `ask`, which also says for how long it holds.
    /// A failure is for this one alone, and the next one asks.
    pub(crate) async fn get<E>(&self, key: K, ask: impl Future<Output = Result<(V, Duration), E>>) -> Result<V, E> {
        let entry = self.entry(key);
        let answer = entry.get_or_try_init(|| async {
            let (answer, time) = ask.await?;
            Ok((answer, Instant::now() + time))
        });
        answer.await.map(|(answer, _)| answer.clone())
    }

    fn entry(&self, key: K) -> Arc<Entry<V>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(entry) = entries.get(&key)
            && entry.get().is_none_or(|(_, until)| *until > now)
        {
            return Arc::clone(entry);
        }
        let entry = Arc::new(OnceCell::new());
        entries.put(key, Arc::clone(&entry));
        entry
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_holds_for_its_time_and_a_failure_for_none() {
        let cache = Cache::new(NonZeroUsize::MIN);
        let asked = &Cell::new(0);
        let get = |fails: bool| {
            cache.get("key", async move {
                asked.set(asked.get() + 1);
                if fails { Err("down") } else { Ok((asked.get(), Duration::from_secs(10))) }
            })
        };
        assert_eq!(get(true).await, Err("down"));
        assert_eq!(get(false).await, Ok(2));
        assert_eq!(get(true).await, Ok(2));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(get(false).await, Ok(3));
    }

    #[tokio::test(start_paused = true)]
    async fn many_at_once_ask_once_and_a_full_table_forgets() {
        let cache = Cache::new(NonZeroUsize::MIN);
        let asked = &Cell::new(0);
        let get = |key: &'static str| {
            cache.get(key, async move {
                asked.set(asked.get() + 1);
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok::<_, ()>((key, Duration::from_secs(10)))
            })
        };
        let both = tokio::join!(get("a"), get("a"));
        assert_eq!((both, asked.get()), ((Ok("a"), Ok("a")), 1));
        assert_eq!((get("b").await, get("a").await, asked.get()), (Ok("b"), Ok("a"), 3));
    }
}
