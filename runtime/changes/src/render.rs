//! The text form: what `exeat sandbox diff` prints.

use std::fmt::{self, Display, Formatter};

use crate::escape;
use crate::limits;
use crate::model::{Changes, Content, Counts, FileChange, FileState, How, Manager, PackageChange, Reason, Summary};
use crate::observed::Listener;

impl Display for Changes {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let quiet = self.packages.is_empty() && self.files.is_empty() && self.summaries.is_empty();
        let running = self.running.as_ref().filter(|running| **running != Default::default());
        if quiet && running.is_none() {
            writeln!(out, "nothing has changed")?;
        }
        packages(out, &self.packages)?;
        section(out, "Files", &self.files, one_file)?;
        section(out, "Not listed one by one (`--all` lists them)", &self.summaries, |out, summary| {
            one_summary(out, summary)
        })?;
        if let Some(running) = running {
            let opened = running.opened.iter().map(|listener| ('+', listener));
            let listeners: Vec<_> = opened.chain(running.closed.iter().map(|listener| ('-', listener))).collect();
            section(out, "Services", &listeners, |out, (sign, listener)| one_listener(out, *sign, listener))?;
            let started = running.started.iter().map(|process| ('+', process));
            let processes: Vec<_> = started.chain(running.ended.iter().map(|process| ('-', process))).collect();
            section(out, "Processes", &processes, |out, (sign, process)| {
                writeln!(out, "  {sign} {}", escape::cut(&process.command, limits::COMMAND))
            })?;
        }
        section(out, "Notes", &self.notes, |out, note| writeln!(out, "  {}", escape::name(note)))?;
        self.files.iter().try_for_each(|file| hunks(out, file))
    }
}

/// A headline and a line for each, where there are any.
fn section<T>(
    out: &mut Formatter<'_>, headline: &str, items: &[T], mut line: impl FnMut(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if !items.is_empty() {
        writeln!(out, "{headline}")?;
    }
    items.iter().try_for_each(|item| line(out, item))
}

fn packages(out: &mut Formatter<'_>, packages: &[PackageChange]) -> fmt::Result {
    for group in packages.chunk_by(|one, next| (one.manager, &one.place) == (next.manager, &next.place)) {
        let Some(first) = group.first() else { continue };
        write!(out, "Packages: {}", manager(first.manager))?;
        match &first.place {
            Some(place) => writeln!(out, ", in {}", escape::name(place))?,
            None => writeln!(out)?,
        }
        group.iter().take(limits::GROUP).try_for_each(|package| one_package(out, package))?;
        if let Some(more) = group.len().checked_sub(limits::GROUP).filter(|more| *more > 0) {
            writeln!(out, "  and {more} more (`--output json` has them all)")?;
        }
    }
    Ok(())
}

fn manager(manager: Manager) -> &'static str {
    match manager {
        Manager::Apt => "apt",
        Manager::Apk => "apk",
        Manager::Pip => "pip",
        Manager::Npm => "npm",
        Manager::Cargo => "cargo",
    }
}

fn one_package(out: &mut Formatter<'_>, package: &PackageChange) -> fmt::Result {
    let name = escape::name(&package.name);
    match (&package.before, &package.after) {
        (Some(before), Some(after)) => {
            write!(out, "  ~ {name} {} → {}", escape::name(before), escape::name(after))?;
        }
        (None, Some(after)) => write!(out, "  + {name} {}", escape::name(after))?,
        (before, None) => write!(out, "  - {name} {}", escape::name(before.as_deref().unwrap_or_default()))?,
    }
    writeln!(out, "{}", in_brackets(&counts(&package.files)))
}

fn in_brackets(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

/// `3 added, 1 removed, 1.2 MB`.
fn counts(counts: &Counts) -> String {
    let parts = [(counts.added, "added"), (counts.changed, "changed"), (counts.removed, "removed")];
    let mut told: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if counts.bytes > 0 {
        told.push(size(counts.bytes));
    }
    told.join(", ")
}

fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..1_000_000 => (1e3, "kB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    format!("{:.1} {name}", bytes as f64 / unit)
}

fn one_summary(out: &mut Formatter<'_>, summary: &Summary) -> fmt::Result {
    let why = match summary.reason {
        Reason::Noise => "cache or temporary",
        Reason::Records => "a package manager's records",
        Reason::NewFolder => "new folder",
        Reason::GoneFolder => "folder is gone",
    };
    writeln!(out, "  {}: {why}, {}", escape::name(&summary.folder), counts(&summary.files))
}

fn one_listener(out: &mut Formatter<'_>, sign: char, listener: &Listener) -> fmt::Result {
    let Listener { protocol, address, port, command } = listener;
    let address = escape::cut(address, limits::COMMAND);
    let place = if *port == 0 { address } else { format!("{address}:{port}") };
    writeln!(out, "  {sign} {} {place}  {}", escape::cut(protocol, 16), escape::cut(command, limits::COMMAND))
}

fn one_file(out: &mut Formatter<'_>, file: &FileChange) -> fmt::Result {
    let sign = match file.how {
        How::Added => '+',
        How::Removed => '-',
        How::Changed => '~',
        How::Renamed => '>',
    };
    write!(out, "  {sign} ")?;
    if let Some(from) = &file.renamed_from {
        write!(out, "{} → ", escape::name(from))?;
    }
    writeln!(out, "{}{}", escape::name(&file.path), in_brackets(&facts(file).join(", ")))
}

/// What is worth saying of a file besides its path.
fn facts(file: &FileChange) -> Vec<String> {
    let mut facts = Vec::new();
    if let (Some(before), Some(after)) = (&file.before, &file.after) {
        let mut differ = |what: &str, old: &str, new: &str| {
            if old != new {
                facts.push(format!("{what} {old} → {new}"));
            }
        };
        differ("kind", &before.kind, &after.kind);
        differ("mode", &before.mode, &after.mode);
        differ("owner", &owner(before), &owner(after));
    } else if let Some(only) = file.before.as_ref().or(file.after.as_ref()) {
        facts.extend(remarkable(only));
    }
    if let Some(target) = file.after.as_ref().and_then(|after| after.target.as_ref()) {
        facts.push(format!("leads to {}", escape::cut(target, limits::COMMAND)));
    }
    facts.extend(content(file));
    facts
}

/// Kinds and modes that nobody would guess.
fn remarkable(state: &FileState) -> Vec<String> {
    let mut facts = Vec::new();
    if state.kind != "file" {
        facts.push(state.kind.replace('_', " "));
    }
    if !state.mode.starts_with('0') && state.kind == "file" {
        facts.push(format!("mode {}", state.mode));
    }
    facts
}

fn owner(state: &FileState) -> String {
    format!("{}:{}", state.user, state.group)
}

fn content(file: &FileChange) -> Option<String> {
    let bytes = |state: &Option<FileState>| state.as_ref().map(|state| size(state.size));
    let sizes = match (bytes(&file.before), bytes(&file.after)) {
        (Some(before), Some(after)) if before != after => format!("{before} → {after}"),
        (before, after) => after.or(before).unwrap_or_default(),
    };
    match &file.content {
        Content::Same => None,
        Content::Text { added, removed: 0, .. } => Some(lines('+', *added)),
        Content::Text { added: 0, removed, .. } => Some(lines('-', *removed)),
        Content::Text { added, removed, .. } => Some(format!("+{added} -{removed} lines")),
        Content::Binary => Some(format!("binary, {sizes}")),
        Content::TooLarge => Some(format!("too large for a diff, {sizes}")),
        Content::NotShown => Some(format!("not shown, {sizes}")),
    }
}

fn lines(sign: char, count: u64) -> String {
    format!("{sign}{count} {}", if count == 1 { "line" } else { "lines" })
}

/// The diff of a file that is there now; what was in a removed one is in the JSON form only.
fn hunks(out: &mut Formatter<'_>, file: &FileChange) -> fmt::Result {
    let Content::Text { hunks, cut, .. } = &file.content else { return Ok(()) };
    if file.how == How::Removed || hunks.is_empty() {
        return Ok(());
    }
    let path = escape::name(&file.path);
    let before = if file.how == How::Added { "/dev/null" } else { path.as_str() };
    writeln!(out, "\n--- {before}\n+++ {path}")?;
    for line in hunks.split_terminator('\n') {
        writeln!(out, "{}", escape::line(line))?;
    }
    if *cut { writeln!(out, "(cut: the rest is left out)") } else { Ok(()) }
}
