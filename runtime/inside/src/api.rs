//! Which API a request is for.

/// The APIs that sandboxd serves. On one connection they are told apart by a request's `:authority`, so that a router
/// outside that forwards the first three can reach the fourth by no path; in a pod the first three have ports of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// Agent Sandbox's older HTTP API, which it serves on port 8888.
    Legacy,
    /// Agent Sandbox's `filesystem.yaml`, on port 8080 there.
    Rest,
    /// Agent Sandbox's gRPC `process.v1.ProcessService`, on port 9090 there.
    Grpc,
    /// Exeat's own, for the supervisor only.
    Exeat,
}

impl Api {
    /// All of them.
    pub const ALL: [Api; 4] = [Api::Legacy, Api::Rest, Api::Grpc, Api::Exeat];

    /// Its `:authority`.
    pub fn authority(self) -> &'static str {
        match self {
            Api::Legacy => "legacy",
            Api::Rest => "rest",
            Api::Grpc => "grpc",
            Api::Exeat => "exeat",
        }
    }

    /// Its port where it has one of its own, in a pod: Agent Sandbox's, and for ours the next one.
    pub fn port(self) -> u16 {
        match self {
            Api::Legacy => 8888,
            Api::Rest => 8080,
            Api::Grpc => 9090,
            Api::Exeat => 9091,
        }
    }

    /// The API of an `:authority` without its port.
    pub fn of(authority: &str) -> Option<Api> {
        Api::ALL.into_iter().find(|api| api.authority() == authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_has_an_authority_of_its_own() {
        for api in Api::ALL {
            assert_eq!(Api::of(api.authority()), Some(api));
        }
        assert_eq!(Api::of("localhost"), None);
    }
}
