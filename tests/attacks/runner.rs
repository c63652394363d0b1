//! Runs attacks, a few at a time, and counts by rows.

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

/// So many at once: each has a gateway and origins of its own.
const AT_ONCE: usize = 4;

/// One test.
#[derive(Clone, Copy)]
pub(crate) struct Attack {
    pub(crate) row: &'static str,
    pub(crate) name: &'static str,
    pub(crate) run: fn() -> Pin<Box<dyn Future<Output = ()>>>,
}

macro_rules! attack {
    ($row:literal, $module:ident::$name:ident) => {
        Attack {
            row: $row,
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: || Box::pin(crate::$module::$name()),
        }
    };
}
pub(crate) use attack;

/// Runs those that the arguments select, prints the count, and says by the exit code whether all hold.
pub(crate) fn run(attacks: Vec<Attack>, not_covered: &[(&str, &str)]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if std::env::args().any(|argument| argument == "--list") {
        attacks.iter().for_each(|attack| println!("{}: test", attack.name));
        return ExitCode::SUCCESS;
    }
    let wanted = |attack: &Attack| {
        arguments.is_empty() || arguments.iter().any(|part| attack.name.contains(part.as_str()) || attack.row == part)
    };
    let selected: Vec<Attack> = attacks.into_iter().filter(wanted).collect();
    let queue = Mutex::new(selected.iter().copied().collect::<VecDeque<_>>());
    let misses = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(attack) = { queue.lock().unwrap().pop_front() } {
                    if !holds(attack) {
                        misses.lock().unwrap().push(attack);
                    }
                }
            });
        }
    });
    report(&selected, &misses.into_inner().unwrap(), not_covered)
}

fn holds(attack: Attack) -> bool {
    let began = Instant::now();
    // A thread of its own, so that a failure's message carries the attack's name.
    let thread = std::thread::Builder::new().name(format!("{} {}", attack.row, attack.name));
    let running = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on((attack.run)()))).is_ok()
    });
    let held = running.unwrap().join().unwrap_or(false);
    let word = if held { "ok" } else { "FAILED" };
    println!("{:>4} {} … {word} ({:.1} s)", attack.row, attack.name, began.elapsed().as_secs_f32());
    held
}

fn report(attacks: &[Attack], misses: &[Attack], not_covered: &[(&str, &str)]) -> ExitCode {
    let mut rows: BTreeMap<&str, bool> = attacks.iter().map(|attack| (attack.row, true)).collect();
    rows.extend(misses.iter().map(|miss| (miss.row, false)));
    println!("\ncovered: {}", rows.keys().copied().collect::<Vec<_>>().join(" "));
    for (row, why) in not_covered {
        println!("not covered: {row} ({why})");
    }
    for miss in misses {
        println!("miss: {} {}", miss.row, miss.name);
    }
    println!("attacks: {} of {} hold", rows.values().filter(|held| **held).count(), rows.len());
    if misses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
