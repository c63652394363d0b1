//! Refusals that `git` shows to whoever runs it. What it shows was tried with git 2.39.

use exeat_core::{Answer, Refusal, Verdict};
use http::StatusCode;

use super::pktline::{flush, write};
use super::receive_pack::glance;

/// The data of one side-band packet: 65,520 bytes with length and band (gitprotocol-capabilities, `side-band-64k`),
/// or 1,000.
const BAND_64K: usize = 65_515;
const BAND: usize = 995;
/// The type of an answer to a push.
const RESULT: &str = "application/x-git-receive-pack-result";
/// A reason stands in one line of git's table of refs.
const REASON: usize = 200;

/// A push's report-status: `ng <ref> <reason>` for each ref, and a line for a person where the client took a side
/// band (gitprotocol-pack, "Report Status"). git shows them as `! [remote rejected] main -> main (reason)` and
/// `remote: exeat: …`.
pub(crate) fn push(body: &[u8], refusal: &Refusal) -> Answer {
    if body == b"0000" {
        // git's probe. Of its answer git takes the status alone; so that it asks for what it wants and can show why
        // not, the probe seems to pass.
        return Answer::new(StatusCode::OK, RESULT, "");
    }
    let (capabilities, refs) = glance(body);
    let can = |name: &str| capabilities.iter().any(|capability| capability == name);
    let mut report = Vec::new();
    if can("report-status") || can("report-status-v2") {
        // Without a ref there is nothing but the unpacking that could have failed.
        let unpack = if refs.is_empty() { line(&refusal.message()) } else { "ok".to_owned() };
        write(&mut report, format!("unpack {unpack}\n").as_bytes());
        for (at, name) in refs.iter().enumerate() {
            write(&mut report, format!("ng {name} {}\n", reason(refusal, at, refs.len())).as_bytes());
        }
        flush(&mut report);
    }
    let band = if can("side-band-64k") { BAND_64K } else { BAND };
    let out = match can("side-band-64k") || can("side-band") {
        true => {
            let mut out = Vec::new();
            side_band(&mut out, 2, person(refusal).as_bytes(), band);
            side_band(&mut out, 1, &report, band);
            flush(&mut out);
            out
        }
        // A client that takes neither sees the status alone.
        false if report.is_empty() => return text(refusal),
        false => report,
    };
    Answer::new(StatusCode::OK, RESULT, out)
}

/// An `ERR` packet in place of a pack (gitprotocol-pack, "pkt-line(ERR …)"): git shows `fatal: remote error: exeat:
/// …`. With a status of 403 it would show the status alone.
pub(crate) fn fetch(refusal: &Refusal) -> Answer {
    let mut out = Vec::new();
    write(&mut out, format!("ERR {}", person(refusal).trim_end()).as_bytes());
    Answer::new(StatusCode::OK, "application/x-git-upload-pack-result", out)
}

/// Plain text with the cause's own status: git shows it as `remote: …` when it discovers refs.
pub(crate) fn text(refusal: &Refusal) -> Answer {
    Answer::new(refusal.cause.status(), "text/plain; charset=utf-8", person(refusal))
}

fn person(refusal: &Refusal) -> String {
    let advice = refusal.advice.iter().map(|advice| format!("exeat: {}\n", line(advice)));
    std::iter::once(format!("{}\n", line(&refusal.message()))).chain(advice).collect()
}

/// Why the ref at one place of a push was refused.
fn reason(refusal: &Refusal, at: usize, refs: usize) -> String {
    let judged = refusal.verdicts.len() == refs;
    match refusal.verdicts.get(at).filter(|_| judged) {
        Some(Verdict { allowed: true, .. }) => {
            "exeat: not pushed, since another ref of this push was refused".to_owned()
        }
        Some(verdict) => short(&format!("exeat: {}", why(verdict))),
        None => short(&refusal.message()),
    }
}

fn why(verdict: &Verdict) -> String {
    match (verdict.errors.as_slice(), verdict.policies.as_slice()) {
        ([], []) => "no policy permits it".to_owned(),
        ([], policies) => format!("forbidden by policy {}", policies.join(", ")),
        (errors, _) => format!("policy {} could not be evaluated", errors.join(", ")),
    }
}

fn short(text: &str) -> String {
    let text = line(text);
    match text.char_indices().nth(REASON) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// One line without control characters.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn side_band(out: &mut Vec<u8>, band: u8, data: &[u8], size: usize) {
    for chunk in data.chunks(size) {
        write(out, &[&[band], chunk].concat());
    }
}
