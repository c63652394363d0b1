//! The answer, in the form that is JSON. Fields are added, never renamed; `docs/changes.md` describes them.

use serde::{Deserialize, Serialize};

use crate::observed::{Listener, Process};

/// Everything that differs between two states of a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Packages installed, removed, or of another version.
    pub packages: Vec<PackageChange>,
    /// Files that belong to none of them, sorted by path.
    pub files: Vec<FileChange>,
    /// What is not listed one by one, sorted by folder.
    pub summaries: Vec<Summary>,
    /// Processes and listening services; `None` where one of the sides was not observed.
    pub running: Option<Running>,
    /// What could not be read or was left out by a limit, in sentences.
    pub notes: Vec<String>,
}

/// Whether something came, went, or is another now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Only the second state has it.
    Added,
    /// Only the first state has it.
    Removed,
    /// Both have it, and it differs.
    Changed,
    /// The second state has it at another path.
    Renamed,
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// The absolute path in the sandbox. Bytes that are not UTF-8 are replaced; see `path_hex`.
    pub path: String,
    /// The path's bytes in hexadecimal, where they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// What happened.
    pub how: How,
    /// Where a renamed file was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// The file in the first state.
    pub before: Option<FileState>,
    /// The file in the second state.
    pub after: Option<FileState>,
    /// What is known of its content.
    pub content: Content,
}

/// A file's facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// `file`, `folder`, `symlink`, `fifo`, `socket`, `character_device`, `block_device`.
    pub kind: String,
    /// Permissions in octal, with set-user-id, set-group-id and sticky: `0755`.
    pub mode: String,
    /// The owner's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
    /// Bytes of content; 0 for folders.
    pub size: u64,
    /// A symlink's target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What is said of a file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Content {
    /// No content that differs: mode, owner or kind do, or it is no regular file.
    Same,
    /// Text, with what differs as hunks of a unified diff; of an added or removed file, all of it.
    Text {
        /// Lines that only the second state has.
        added: u64,
        /// Lines that only the first state has.
        removed: u64,
        /// Unified hunks with three lines of context, raw: escape them before they reach a terminal.
        hunks: String,
        /// Whether lines were left out.
        cut: bool,
    },
    /// Not text: it has a NUL byte or is not UTF-8.
    Binary,
    /// Too large or too many lines for a diff.
    TooLarge,
    /// It could not be read, or enough was shown already.
    NotShown,
}

/// Who installed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    /// Debian's dpkg.
    Apt,
    /// Alpine's apk.
    Apk,
    /// Python's pip and what writes the same `dist-info`.
    Pip,
    /// npm and what fills `node_modules` like it.
    Npm,
    /// `cargo install`.
    Cargo,
}

/// A package that came, went, or has another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// Who installed it.
    pub manager: Manager,
    /// Its name.
    pub name: String,
    /// The folder it is installed in, where there can be several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The version in the first state.
    pub before: Option<String>,
    /// The version in the second state.
    pub after: Option<String>,
    /// Its own files that differ.
    pub files: Counts,
}

/// How many paths of a group differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Paths that only the second state has.
    pub added: u64,
    /// Paths that only the first state has.
    pub removed: u64,
    /// Paths that differ.
    pub changed: u64,
    /// Bytes of the added and changed files in the second state.
    pub bytes: u64,
}

/// Paths that are counted instead of being listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The folder, absolute; `**/name` for all folders of a name.
    pub folder: String,
    /// Why it is not listed.
    pub reason: Reason,
    /// How much it is.
    pub files: Counts,
}

/// Why paths are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A cache or temporary files.
    Noise,
    /// A package manager's own records.
    Records,
    /// A whole folder that is new.
    NewFolder,
    /// A whole folder that is gone.
    GoneFolder,
}

/// Processes and services that came and went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Processes that only the second state has.
    pub started: Vec<Process>,
    /// Processes that only the first state has.
    pub ended: Vec<Process>,
    /// Listeners that only the second state has.
    pub opened: Vec<Listener>,
    /// Listeners that only the first state has.
    pub closed: Vec<Listener>,
}
