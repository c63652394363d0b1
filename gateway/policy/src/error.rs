//! Why a policy set cannot be put in force, in words that say where.

use std::path::PathBuf;

use miette::Diagnostic;

/// Why a policy set cannot be put in force.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("`{0}` cannot be read: {1}")]
    Unreadable(PathBuf, String),
    /// There is no policy at all, which would deny everything without saying so.
    #[error("`{0}` holds no policies in `*.cedar` files; `exeat init` writes some to start from")]
    Empty(PathBuf),
    /// A policy that does not parse or does not validate against the schema.
    #[error("{place}: {message}")]
    Invalid {
        /// `file:line:column`, or an object's name before line and column.
        place: String,
        /// Cedar's own message, and its help where it has one.
        message: String,
    },
    /// A policy without a name.
    #[error(
        "{place}: every policy needs a name, `@id(\"…\")` of visible ASCII without spaces, but this one has none:\n{policy}"
    )]
    Unnamed {
        /// The file or object.
        place: String,
        /// The policy's text.
        policy: String,
    },
    /// Two policies with one name.
    #[error("the policy id `{id}` is given twice, in {first} and in {second}")]
    Duplicate {
        /// The name.
        id: String,
        /// Where it stands first.
        first: String,
        /// Where it stands again.
        second: String,
    },
    /// The schema itself does not hold together.
    #[error("the policy schema is not valid: {0}")]
    Schema(String),
}

impl LoadError {
    /// What Cedar says of a text, with the line and column where it knows them.
    pub(crate) fn at(name: &str, text: &str, error: &dyn Diagnostic) -> Self {
        let offset = error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
        let place = match offset.and_then(|offset| text.get(..offset)) {
            Some(before) => {
                let line = before.matches('\n').count() + 1;
                let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
                format!("{name}:{line}:{column}")
            }
            None => name.to_owned(),
        };
        let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
        LoadError::Invalid { place, message: format!("{error}{help}") }
    }
}
