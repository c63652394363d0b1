//! The permission for one request, as a value.

use std::fmt;
use std::sync::Arc;

use exeat_core::{Request, Verdict};

/// Which policy set decided: the first 16 hex digits of the SHA-256 over the schema and every policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub(crate) Arc<str>);

impl Version {
    /// The 16 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The permission for one request to leave. It owns the request, so what is sent is what was judged, and it can be used
/// once: forwarding consumes it.
///
/// Only [`Policies::decide`](crate::Policies::decide) makes one.
#[derive(Debug)]
pub struct Exeat {
    request: Request,
    verdicts: Vec<Verdict>,
    version: Version,
}

impl Exeat {
    pub(crate) fn grant(request: Request, verdicts: Vec<Verdict>, version: Version) -> Self {
        Exeat { request, verdicts, version }
    }

    /// The request that may leave.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The request alone, for the answer where sending it failed. The permission is used up.
    pub fn into_request(self) -> Request {
        self.request
    }

    /// What the policies said, one for each operation; all allow.
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// The policy set that decided.
    pub fn version(&self) -> &Version {
        &self.version
    }
}

/// A request that may not leave.
#[derive(Debug)]
pub struct Denied {
    /// The request.
    pub request: Request,
    /// What the policies said, one for each operation.
    pub verdicts: Vec<Verdict>,
    /// The operation that the refusal names: the first that is not allowed.
    pub first: Verdict,
    /// The policy set that decided.
    pub version: Version,
}
