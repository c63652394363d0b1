//! What benchmarks leave behind: a file to which each adds one JSON line a figure.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::Result;

/// One figure beside its peer's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    /// What was measured: `gateway.keepalive.rps`.
    pub(crate) name: String,
    /// How much.
    pub(crate) value: f64,
    /// Of what.
    pub(crate) unit: &'static str,
    /// Whom it is compared with.
    pub(crate) beside: &'static str,
    /// The value divided by the peer's.
    pub(crate) ratio: f64,
}

impl Figure {
    /// A figure beside `peer`'s. A peer of 0 has no ratio, and JSON no number for it: it is left at 0.
    pub(crate) fn beside(name: String, unit: &'static str, value: f64, beside: &'static str, peer: f64) -> Self {
        let ratio = if peer == 0.0 { 0.0 } else { value / peer };
        Figure { name, value, unit, beside, ratio }
    }
}

/// Adds figures to the file, which is made if it is missing.
pub(crate) fn append(file: &Path, figures: &[Figure]) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut lines = String::new();
    for figure in figures {
        lines.push_str(&serde_json::to_string(figure)?);
        lines.push('\n');
    }
    // In one write, so that benchmarks side by side do not mix their lines.
    let written =
        OpenOptions::new().create(true).append(true).open(file).and_then(|mut f| f.write_all(lines.as_bytes()));
    written.map_err(|error| format!("cannot write `{}`: {error}", file.display()).into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_figure_added_to_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/results.jsonl");
        let figure = Figure::beside("gateway.keepalive.rps".to_owned(), "req/s", 30.0, "hudsucker", 40.0);
        append(&file, std::slice::from_ref(&figure)).unwrap();
        append(&file, &[figure]).unwrap();
        let line = r#"{"name":"gateway.keepalive.rps","value":30.0,"unit":"req/s","beside":"hudsucker","ratio":0.75}"#;
        assert_eq!(fs::read_to_string(file).unwrap(), format!("{line}\n{line}\n"));
    }
}
