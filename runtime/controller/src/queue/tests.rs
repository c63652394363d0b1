use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{advance, pause, timeout};

use super::*;

/// Runs a queue whose worker says what `answers` says for each look, and gives the keys in the order of the looks.
fn record(
    queue: &Arc<Queue<&'static str>>, workers: usize, answers: &'static [Again],
) -> Arc<Mutex<Vec<&'static str>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, looks) = (Arc::clone(&seen), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(Arc::clone(queue).work(workers, move |key| {
        let look = looks.fetch_add(1, Ordering::SeqCst);
        log.lock().unwrap().push(key);
        async move { answers.get(look).copied().unwrap_or(Again::OnChange) }
    }));
    seen
}

/// A timer goes off when a millisecond more has passed than it was set to.
const TICK: Duration = Duration::from_millis(1);

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_key_that_is_added_twice_is_looked_at_once() {
    pause();
    let queue = Queue::new();
    queue.add("a");
    queue.add("b");
    queue.add("a");
    let seen = record(&queue, 1, &[]);
    settle().await;
    assert_eq!(*seen.lock().unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn a_key_is_never_worked_on_by_two_and_not_forgotten() {
    let queue = Queue::new();
    let (busy, most, looks) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (b, m, l) = (Arc::clone(&busy), Arc::clone(&most), Arc::clone(&looks));
    tokio::spawn(Arc::clone(&queue).work(8, move |_: u8| {
        let (busy, most, looks) = (Arc::clone(&b), Arc::clone(&m), Arc::clone(&l));
        async move {
            most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1)).await;
            busy.fetch_sub(1, Ordering::SeqCst);
            looks.fetch_add(1, Ordering::SeqCst);
            Again::OnChange
        }
    }));
    for _ in 0..50 {
        queue.add(7);
        tokio::task::yield_now().await;
    }
    let before = looks.load(Ordering::SeqCst);
    queue.add(7);
    let again = async {
        while looks.load(Ordering::SeqCst) <= before {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), again).await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn failures_wait_longer_each_time_and_success_forgets_them() {
    pause();
    let queue = Queue::new();
    let seen = record(&queue, 1, &[Again::Failed, Again::Failed, Again::OnChange, Again::Failed]);
    queue.add("a");
    settle().await;
    assert_eq!(seen.lock().unwrap().len(), 1);
    for (wait, looks) in [(limits::FIRST_PAUSE, 2), (limits::FIRST_PAUSE, 2), (limits::FIRST_PAUSE, 3)] {
        advance(wait + TICK).await;
        settle().await;
        assert_eq!(seen.lock().unwrap().len(), looks);
    }
    queue.add("a");
    settle().await;
    advance(limits::FIRST_PAUSE + TICK).await;
    settle().await;
    assert_eq!(seen.lock().unwrap().len(), 5, "the pause is the first one again");
}

#[tokio::test]
async fn the_earliest_of_two_times_counts() {
    pause();
    let queue = Queue::new();
    let seen = record(&queue, 1, &[]);
    queue.add_after("a", Duration::from_secs(60));
    queue.add_after("a", Duration::from_secs(5));
    queue.add_after("a", Duration::from_secs(30));
    settle().await;
    advance(Duration::from_secs(5) + TICK).await;
    settle().await;
    assert_eq!(seen.lock().unwrap().len(), 1);
    advance(Duration::from_secs(120)).await;
    settle().await;
    assert_eq!(seen.lock().unwrap().len(), 1, "the later times are gone with the earliest");
}

#[tokio::test]
async fn a_worker_that_panics_is_tried_again() {
    let queue = Queue::new();
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    tokio::spawn(Arc::clone(&queue).work(1, move |_: u8| {
        let look = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(look > 0, "the first look goes wrong");
            Again::OnChange
        }
    }));
    queue.add(1);
    let again = async {
        while looks.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(5), again).await.unwrap();
}
