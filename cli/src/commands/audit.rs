//! `exeat audit`: what was asked, decided and done, and whether the record of it is whole.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use exeat_journal::{ActionFilter, Catalog, Decision, Entry, Event, Filter, Mark, OperationFacts, Record, Report};

use crate::config::Config;
use crate::output::{Output, print_json, print_line, table};
use crate::problem::Problem;
use crate::state::State;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List requests with their decisions and outcomes, newest last.
    List(Selection),
    /// Show one record whole, and the outcome of an intent.
    Show {
        /// The record's number.
        sequence: u64,
    },
    /// Follow the journal as it grows.
    Tail {
        /// Begin with this record; without it, with the next one.
        #[arg(long, value_name = "SEQUENCE")]
        from: Option<u64>,
    },
    /// Check every record: checksums, numbers, and the chain of hashes.
    Verify {
        /// A journal folder, such as a copy; without it, the configured one.
        directory: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
pub(crate) struct Selection {
    /// Only this session.
    #[arg(long)]
    session: Option<String>,
    /// Only this action (`github:git/push`), or all that begin so (`npm:`).
    #[arg(long)]
    action: Option<String>,
    /// Only what was decided so.
    #[arg(long, value_enum)]
    decision: Option<Choice>,
    /// Not before this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    since: Option<jiff::Timestamp>,
    /// Not after this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    until: Option<jiff::Timestamp>,
    /// At most so many, the newest.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Choice {
    Allowed,
    Refused,
}

pub(crate) fn audit(config: Option<&Path>, command: &Command, output: Output) -> Result<ExitCode, Problem> {
    if let Command::Verify { directory: Some(directory) } = command {
        return verify(directory, output);
    }
    let state = State::of(&Config::read(config)?)?;
    match command {
        Command::List(selection) => list(&open(&state)?, selection, output),
        Command::Show { sequence } => show(&open(&state)?, *sequence, output),
        Command::Tail { from } => tail(&state, *from, output),
        Command::Verify { .. } => verify(&state.journal(), output),
    }
}

fn open(state: &State) -> Result<Catalog, Problem> {
    Catalog::open(&state.journal(), &state.index()).map_err(|error| {
        Problem::failure(error)
            .advise("`exeat audit verify` says what is wrong; before the first `exeat up` there is no journal")
    })
}

fn list(catalog: &Catalog, selection: &Selection, output: Output) -> Result<ExitCode, Problem> {
    let decisions = match selection.decision {
        Some(Choice::Allowed) => vec![Decision::Allowed],
        Some(Choice::Refused) => vec![Decision::Refused],
        None => vec![Decision::Allowed, Decision::Refused],
    };
    let mut entries = Vec::new();
    for decision in decisions {
        let filter = Filter {
            session: selection.session.clone(),
            action: selection.action.as_deref().map(ActionFilter::parse),
            decision: Some(decision),
            since: selection.since.map(Mark::Time),
            until: selection.until.map(Mark::Time),
            limit: Some(selection.limit),
        };
        entries.extend(catalog.entries(&filter).map_err(Problem::failure)?);
    }
    entries.sort_by_key(|entry| entry.record.sequence);
    let newest = &entries[entries.len().saturating_sub(selection.limit)..];
    match output {
        Output::Json => newest.iter().try_for_each(print_json)?,
        Output::Table => print_line(requests(newest))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Requests as a table: one line an operation, so that a push of two refs has two.
fn requests(entries: &[Entry]) -> impl std::fmt::Display {
    let mut table = table(&["SEQ", "TIME", "SESSION", "DECISION", "ACTION", "RESOURCE", "POLICY", "OUTCOME"]);
    for Entry { record, outcome } in entries {
        let (session, operations, decision, result) = match &record.event {
            Event::Intent(intent) => {
                (Some(&intent.session), &intent.operations, "allowed", result_of(outcome.as_ref()))
            }
            Event::Refusal(refusal) => (refusal.session.as_ref(), &refusal.operations, "refused", refusal.code.clone()),
            _ => continue,
        };
        let unknown = [OperationFacts { action: "-".to_owned(), resource: target(record), ..Default::default() }];
        let operations = if operations.is_empty() { &unknown[..] } else { operations };
        for operation in operations {
            let time = record.time.strftime("%H:%M:%S").to_string();
            let session = session.cloned().unwrap_or_else(|| "-".to_owned());
            // In a push that is refused for one ref, another may have been allowed by itself; it does not happen either.
            let decision = if decision == "refused" && operation.allowed { "withheld" } else { decision };
            let policies = if operation.policies.is_empty() { "-".to_owned() } else { operation.policies.join(" ") };
            table.add_row([
                record.sequence.to_string(),
                time,
                session,
                decision.to_owned(),
                operation.action.clone(),
                operation.resource.clone(),
                policies,
                result.clone(),
            ]);
        }
    }
    table
}

fn target(record: &Record) -> String {
    let request = match &record.event {
        Event::Intent(intent) => Some(&intent.request),
        Event::Refusal(refusal) => refusal.request.as_ref(),
        _ => None,
    };
    request
        .map_or_else(|| "-".to_owned(), |request| format!("{} {}{}", request.method, request.authority, request.path))
}

fn result_of(outcome: Option<&Record>) -> String {
    match outcome.map(|record| &record.event) {
        Some(Event::Outcome { error: Some(error), .. }) => error.clone(),
        Some(Event::Outcome { status: Some(status), .. }) => status.to_string(),
        _ => "unknown".to_owned(),
    }
}

fn show(catalog: &Catalog, sequence: u64, output: Output) -> Result<ExitCode, Problem> {
    let entry = catalog.get(sequence).map_err(Problem::failure)?;
    let entry = entry.ok_or_else(|| Problem::input(format!("the journal has no record {sequence}")))?;
    match output {
        Output::Json => print_json(&entry)?,
        Output::Table => print_line(serde_json::to_string_pretty(&entry).map_err(Problem::failure)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn tail(state: &State, from: Option<u64>, output: Output) -> Result<ExitCode, Problem> {
    let journal = state.journal();
    let from = match from {
        Some(from) => from,
        None => exeat_journal::last_sequence(&journal).map_err(Problem::failure)? + 1,
    };
    for record in exeat_journal::follow(&journal, from).map_err(Problem::failure)? {
        let record = record.map_err(Problem::failure)?;
        match output {
            Output::Json => print_json(&record)?,
            Output::Table => print_line(sentence(&record))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn sentence(record: &Record) -> String {
    let actions = |operations: &[OperationFacts]| match operations {
        [] => String::new(),
        _ => {
            let each = operations.iter().map(|operation| format!("{} {}", operation.action, operation.resource));
            format!("  ({})", each.collect::<Vec<_>>().join(", "))
        }
    };
    let what = match &record.event {
        Event::Intent(intent) => {
            format!("allowed  {}  {}{}", intent.session, target(record), actions(&intent.operations))
        }
        Event::Refusal(refusal) => {
            let session = refusal.session.as_deref().unwrap_or("-");
            format!("refused  {session}  {}  {}{}", target(record), refusal.message, actions(&refusal.operations))
        }
        Event::Outcome { intent, .. } => format!("outcome  of {intent}: {}", result_of(Some(record))),
        other => serde_json::to_string(other).unwrap_or_default(),
    };
    format!("{:>6}  {}  {what}", record.sequence, record.time.strftime("%Y-%m-%dT%H:%M:%SZ"))
}

fn verify(directory: &Path, output: Output) -> Result<ExitCode, Problem> {
    let report = exeat_journal::verify(directory, |_| {}).map_err(Problem::failure)?;
    match output {
        Output::Json => print_json(&report)?,
        Output::Table => print_line(summary(&report))?,
    }
    Ok(if report.bad.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the verifier found, for people.
fn summary(report: &Report) -> String {
    let mut lines = vec![format!("{} records in {} segments", report.records, report.segments)];
    match &report.bad {
        Some(bad) => lines
            .push(format!("DAMAGED: record {} in {} at byte {}: {}", bad.sequence, bad.segment, bad.offset, bad.why)),
        None => lines.push("every record is whole and chained to the one before".to_owned()),
    }
    if let Some(hash) = &report.last_hash {
        lines.push(format!("last hash {hash}: keep it elsewhere, it shows later whether the end was cut off"));
    }
    if report.unfinished_count > 0 {
        lines.push(format!("{} requests have no outcome: whether they were done is unknown", report.unfinished_count));
    }
    lines.join("\n")
}
