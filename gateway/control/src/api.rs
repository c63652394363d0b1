//! The API's shapes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `POST /v1/sessions`: asks for a session. The answer is an [`OpenedSession`] in one line, and the response then stays open:
/// the session ends when the client closes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// What kind of agent it is.
    pub profile: String,
    /// For whom it works.
    pub user: String,
    /// The teams that the user is in.
    #[serde(default)]
    pub teams: Vec<String>,
}

/// Everything that a sandbox needs to be this session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenedSession {
    /// The session's id in the journal.
    pub id: String,
    /// A folder that holds `gateway.sock` and nothing else.
    pub gateway: PathBuf,
    /// The certificate that its tools must trust, as PEM.
    pub certificate_pem: String,
    /// Environment variables: placeholders for tools that insist on a credential.
    pub environment: Vec<(String, String)>,
    /// Files for its home directory.
    pub home_files: Vec<HomeFile>,
    /// Ports on which names are carried for tools that know no proxy.
    pub ports: Vec<u16>,
}

/// A file for a sandbox's home directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HomeFile {
    /// Relative to the home directory.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// `GET /v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The gateway's version.
    pub version: String,
    /// Its process id.
    pub process: u32,
    /// The policies in force.
    pub policy_version: String,
    /// How many they are.
    pub policies: usize,
    /// Sessions that are open.
    pub sessions: usize,
}
