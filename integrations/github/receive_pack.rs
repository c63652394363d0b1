//! What a push asks for: the command list that comes before the pack
//! (<https://git-scm.com/docs/gitprotocol-pack>, "Reference Update Request and Packfile Transfer").
//!
//! ```text
//!   shallow <oid>                                     none or more
//!   <old> <new> refs/heads/main NUL <capabilities>    the first command
//!   <old> <new> refs/tags/v1                          more
//!   0000                                              flush-pkt: here the inspected head ends
//!   push options, 0000, PACK…                         streams through unread
//! ```
//!
//! git itself is laxer than the grammar (capabilities on any line, commands ended by `0001`). What is laxer is
//! refused, since it is not known how GitHub's own server reads it.

use std::collections::HashSet;

use exeat_core::{HeadProgress, limits};

use super::names::is_ref;
use super::pktline::{Packet, read};

/// One ref update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    /// The object id that the client saw, all zeros where there was no ref.
    pub(crate) old: String,
    /// The object id that it is to have, all zeros where the ref is to go.
    pub(crate) new: String,
    /// The full ref name.
    pub(crate) name: String,
}

impl Update {
    /// `create`, `update` or `delete`.
    pub(crate) fn kind(&self) -> &'static str {
        match (is_zero(&self.old), is_zero(&self.new)) {
            (_, true) => "delete",
            (true, false) => "create",
            (false, false) => "update",
        }
    }
}

/// Whether the beginning of a body holds the whole command list, up to its flush-pkt.
pub(crate) fn head(body: &[u8]) -> HeadProgress {
    let mut at = 0;
    loop {
        match read(&body[at..]) {
            Ok(Some((Packet::Flush, length))) => return HeadProgress::Complete(at + length),
            Ok(Some((Packet::Data(_), length))) => at += length,
            Ok(Some((Packet::Special, _))) => {
                return HeadProgress::Invalid("the push has a packet of protocol version 2");
            }
            Ok(None) => return HeadProgress::Incomplete,
            Err(why) => return HeadProgress::Invalid(why),
        }
    }
}

/// Reads the command list, which is empty for git's probe.
///
/// # Errors
/// Says what is wrong with it, for the client.
pub(crate) fn parse(body: &[u8]) -> Result<Vec<Update>, String> {
    let mut updates: Vec<Update> = Vec::new();
    let mut names = HashSet::new();
    for packet in packets(body) {
        let line = packet?;
        if line.starts_with(b"push-cert") {
            return Err("the push is signed, and its certificate is not read here: push without `--signed`".to_owned());
        }
        if line.starts_with(b"shallow ") && updates.is_empty() {
            continue;
        }
        let update = command(line, updates.is_empty())?;
        if !names.insert(update.name.clone()) {
            return Err(format!("the push updates `{}` twice", update.name));
        }
        if updates.first().is_some_and(|first| first.old.len() != update.old.len()) {
            return Err("the push mixes object ids of two lengths".to_owned());
        }
        updates.push(update);
        if updates.len() > limits::OPERATIONS_PER_REQUEST {
            return Err(format!(
                "the push updates more than {} refs: push fewer at once",
                limits::OPERATIONS_PER_REQUEST
            ));
        }
    }
    Ok(updates)
}

/// What the client can take, and the refs that it names, as far as they can be read: for an answer to it, not for a
/// judgement.
pub(crate) fn glance(body: &[u8]) -> (Vec<String>, Vec<String>) {
    let lines: Vec<&[u8]> = packets(body).map_while(Result::ok).take(limits::OPERATIONS_PER_REQUEST).collect();
    let capabilities = lines.iter().find_map(|line| {
        let nul = line.iter().position(|&byte| byte == 0)?;
        std::str::from_utf8(&line[nul + 1..]).ok()
    });
    let capabilities = capabilities.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
    let refs = lines.iter().filter_map(|line| {
        let end = line.iter().position(|&byte| byte == 0).unwrap_or(line.len());
        command(&line[..end], false).ok().map(|update| update.name)
    });
    (capabilities, refs.collect())
}

/// The packets before the first flush-pkt; a body that ends before it ends in an error.
fn packets(body: &[u8]) -> impl Iterator<Item = Result<&[u8], &'static str>> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let (item, next) = match read(rest?) {
            Ok(Some((Packet::Flush, _))) => (None, None),
            Ok(Some((Packet::Data(data), length))) => (Some(Ok(data)), rest.map(|rest| &rest[length..])),
            Ok(Some((Packet::Special, _))) => (Some(Err("the push has a packet of protocol version 2")), None),
            Ok(None) => (Some(Err("the list of refs to push does not end")), None),
            Err(why) => (Some(Err(why)), None),
        };
        rest = next;
        item
    })
}

fn command(line: &[u8], first: bool) -> Result<Update, String> {
    let broken = || "a line of the push is no `<old> <new> <ref>`".to_owned();
    let text = std::str::from_utf8(line).map_err(|_| "a line of the push is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = match text.split_once('\0') {
        None => text,
        Some((command, capabilities)) if first && !capabilities.contains(char::is_control) => command,
        Some(_) => return Err("a line of the push has a NUL where no capabilities are".to_owned()),
    };
    let (old, rest) = text.split_once(' ').ok_or_else(broken)?;
    let (new, name) = rest.split_once(' ').ok_or_else(broken)?;
    if !is_oid(old) || !is_oid(new) || old.len() != new.len() || (is_zero(old) && is_zero(new)) {
        return Err(broken());
    }
    if !is_ref(name) {
        return Err(format!("`{}` is no name for a ref", name.escape_debug()));
    }
    Ok(Update { old: old.to_owned(), new: new.to_owned(), name: name.to_owned() })
}

/// SHA-1 or SHA-256, in lower case as git writes it.
fn is_oid(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_zero(oid: &str) -> bool {
    oid.bytes().all(|b| b == b'0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, proptest};

    use super::*;
    use crate::github::pktline::{flush, write};

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (head(&body), parse(&body), glance(&body));
        }

        #[test]
        fn no_packets_make_it_panic(lines in prop::collection::vec("[0a]{40} [0a]{40} refs/[a./\0]{0,9}\n?", 0..9)) {
            let mut body = Vec::new();
            lines.iter().for_each(|line| write(&mut body, line.as_bytes()));
            flush(&mut body);
            let complete = body.len();
            body.extend_from_slice(b"PACK");
            prop_assert!(head(&body) == HeadProgress::Complete(complete));
            if let Ok(updates) = parse(&body) {
                prop_assert!(updates.len() == lines.len());
            }
            let _ = glance(&body);
        }
    }
}
