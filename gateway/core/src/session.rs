//! Who asks.

use serde::{Deserialize, Serialize};

/// A running sandbox, or a client with a token, as a Cedar principal: `Exeat::Session` in its profile, user and teams.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Session {
    /// Unique in the journal: `coder-3f9a2c17`.
    pub id: String,
    /// What kind of agent it is.
    pub profile: String,
    /// For whom it works.
    pub user: String,
    /// The teams that the user is in.
    #[serde(default)]
    pub teams: Vec<String>,
}
