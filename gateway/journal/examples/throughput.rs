//! How fast a journal takes events that are waited for, by how many appenders wait at once; and how fast it is
//! verified.
//!
//! `cargo run --release -p exeat-journal --example throughput [seconds] [directory]`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use exeat_journal::{Config, DEFAULT_SEGMENT_BYTES, Event, Intent, Journal, OperationFacts, RequestFacts, verify};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let directory = arguments
        .next()
        .map_or_else(|| std::env::temp_dir().join(format!("throughput-{}", std::process::id())), PathBuf::from);
    println!(
        "{:>9} {:>11} {:>9} {:>9} {:>9} {:>9} {:>10}",
        "appenders", "appends/s", "p50 µs", "p99 µs", "p99.9 µs", "max µs", "verified/s"
    );
    for appenders in [1, 8, 32, 128, 256] {
        let journal = Journal::open(&Config { directory: directory.clone(), segment_bytes: DEFAULT_SEGMENT_BYTES })?;
        let mut times = measure(&journal, appenders, Duration::from_secs(seconds)).await?;
        journal.close().await?;
        let begin = Instant::now();
        let report = verify(&directory, |_| {})?;
        let verified = report.records as f64 / begin.elapsed().as_secs_f64();
        assert!(report.bad.is_none() && report.records == times.len() as u64);
        std::fs::remove_dir_all(&directory)?;
        times.sort_unstable();
        let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default().as_micros();
        let rate = times.len() as u64 / seconds;
        println!(
            "{appenders:>9} {rate:>11} {:>9} {:>9} {:>9} {:>9} {verified:>10.0}",
            at(0.5),
            at(0.99),
            at(0.999),
            at(0.999_999_9)
        );
    }
    Ok(())
}

async fn measure(
    journal: &Journal, appenders: usize, time: Duration,
) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let end = Instant::now() + time;
    let mut tasks = Vec::new();
    for _ in 0..appenders {
        let journal = journal.clone();
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            while Instant::now() < end {
                let begin = Instant::now();
                journal.append(event()).await?;
                times.push(begin.elapsed());
            }
            Ok::<_, exeat_journal::AppendError>(times)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    Ok(times)
}

/// A push to a repository, about 700 bytes.
fn event() -> Event {
    let text = |text: &str| text.to_owned();
    let operation = OperationFacts {
        action: text("github:git/push"),
        group: Some(text("mutate")),
        resource: text("GitHub::Ref::\"acme/site/refs/heads/agent/fix-login\""),
        allowed: true,
        policies: vec![text("coders-may-push-their-branches")],
        ..OperationFacts::default()
    };
    Event::Intent(Box::new(Intent {
        session: text("coder-3f9a2c17"),
        profile: text("coder"),
        user: text("ada@acme.example"),
        request: RequestFacts {
            method: text("POST"),
            scheme: text("https"),
            authority: text("github.com:443"),
            path: text("/acme/site.git/git-receive-pack"),
            query: None,
            user_agent: Some(text("git/2.51.0")),
        },
        operations: vec![operation],
        policy_version: text("sha256:0f3a9be17c04"),
        credential: Some(text("github-app")),
        body_sha256: None,
    }))
}
