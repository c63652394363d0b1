//! Making hostile text safe to print.

use std::fmt::Write;

/// A name or path on one line: what could steer a terminal or hide is written as `\u{…}`, a backslash twice.
pub(crate) fn name(text: &str) -> String {
    escaped(text, |character| character == '\\' || is_hostile(character) || character == '\t')
}

/// A line of a file: like [`name`], but tabs and backslashes stay as they are.
pub(crate) fn line(text: &str) -> String {
    escaped(text, |character| character != '\t' && is_hostile(character))
}

/// The first `limit` characters, escaped, with a mark where there were more.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    let mut kept = name(&text.chars().take(limit).collect::<String>());
    if text.chars().nth(limit).is_some() {
        kept.push('…');
    }
    kept
}

fn escaped(text: &str, hostile: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' if hostile('\\') => out.push_str("\\\\"),
            '\n' if hostile('\n') => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' if hostile('\t') => out.push_str("\\t"),
            other if hostile(other) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out
}

/// Control characters, marks that change the reading direction (Unicode UAX 9), and characters that are not seen.
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
