//! kill -9 in the middle of the load: what was acknowledged is there, and the chain is whole.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Place, message, run};
use crate::{Config, Journal};

const DIRECTORY: &str = "EXEAT_JOURNAL_CRASH_DIRECTORY";

/// Not a test but the process that is killed: appends and prints each number it is told, until it dies.
#[test]
fn victim() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    run(async {
        let journal = Journal::open(&Config { directory: directory.into(), segment_bytes: 256 * 1024 }).unwrap();
        let mut appenders = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let journal = journal.clone();
            appenders.spawn(async move {
                loop {
                    journal.append_soon(message("an outcome")).await.unwrap();
                    let sequence = journal.append(message(&"an intent ".repeat(20))).await.unwrap();
                    // One write for each line: a line that is cut by the kill is not read as a number.
                    std::io::stdout().write_all(format!("acknowledged {sequence}\n").as_bytes()).unwrap();
                }
            });
        }
        // They end only by failing, as when nobody reads what they print any more.
        appenders.join_next().await.unwrap().unwrap();
    });
}

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    let place = Place::with_segments(256 * 1024);
    let mut acknowledged = 0;
    for round in 0..6_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::crash::victim", "--nocapture"])
            .env(DIRECTORY, place.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        // Not before it writes; then at a moment that differs from round to round.
        while !line.starts_with("acknowledged ") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the victim ended by itself");
        }
        std::thread::sleep(Duration::from_micros(20_000 + round * 37_003));
        child.kill().unwrap();
        child.wait().unwrap();
        loop {
            let number = line.strip_prefix("acknowledged ").and_then(|line| line.strip_suffix('\n'));
            if let Some(sequence) = number.map(|number| number.parse::<u64>().unwrap()) {
                acknowledged = acknowledged.max(sequence);
            }
            line.clear();
            if lines.read_line(&mut line).unwrap() == 0 {
                break;
            }
        }
        run(async { place.open().close().await.unwrap() });
        let report = place.verify();
        assert_eq!(report.bad, None);
        assert!(report.last_sequence.unwrap() >= acknowledged, "{:?} < {acknowledged}", report.last_sequence);
    }
    assert!(acknowledged > 100, "{acknowledged}");
}
