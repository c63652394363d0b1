//! Results, for people or for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::problem::Problem;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Tables and sentences.
    #[default]
    Table,
    /// JSON; lists as one object a line.
    Json,
}

/// A table with a heading, as wide as the terminal.
pub(crate) fn table(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(heading);
    table
}

/// Prints one line. A reader that has seen enough (`| head`) ends the program quietly.
pub(crate) fn print_line(line: impl std::fmt::Display) -> Result<(), Problem> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.map_err(|error| Problem::failure(format!("cannot print: {error}"))),
    }
}

/// Prints one JSON object on a line.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Problem> {
    print_line(serde_json::to_string(value).map_err(Problem::failure)?)
}
