//! What is served: groups, kinds, verbs.

use exeat_api::{AGENTS, EXTENSIONS, SNAPSHOTS, V1, V1BETA1};

/// A collection of objects of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Resource {
    Sandboxes,
    Claims,
    Templates,
    Pools,
    Snapshots,
    Triggers,
    Pods,
}

impl Resource {
    pub(crate) const ALL: [Resource; 7] = [
        Resource::Sandboxes,
        Resource::Claims,
        Resource::Templates,
        Resource::Pools,
        Resource::Snapshots,
        Resource::Triggers,
        Resource::Pods,
    ];

    pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<Resource> {
        Resource::ALL
            .into_iter()
            .find(|known| known.group() == group && known.version() == version && known.plural() == plural)
    }

    /// Its group; Kubernetes' own has no name.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Resource::Sandboxes => AGENTS,
            Resource::Claims | Resource::Templates | Resource::Pools => EXTENSIONS,
            Resource::Snapshots | Resource::Triggers => SNAPSHOTS,
            Resource::Pods => "",
        }
    }

    pub(crate) fn version(self) -> &'static str {
        match self {
            Resource::Snapshots | Resource::Triggers | Resource::Pods => V1,
            _ => V1BETA1,
        }
    }

    pub(crate) fn api_version(self) -> String {
        match self.group() {
            "" => self.version().to_owned(),
            group => format!("{group}/{}", self.version()),
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Resource::Sandboxes => "sandboxes",
            Resource::Claims => "sandboxclaims",
            Resource::Templates => "sandboxtemplates",
            Resource::Pools => "sandboxwarmpools",
            Resource::Snapshots => "podsnapshots",
            Resource::Triggers => "podsnapshotmanualtriggers",
            Resource::Pods => "pods",
        }
    }

    pub(crate) fn kind(self) -> &'static str {
        match self {
            Resource::Sandboxes => "Sandbox",
            Resource::Claims => "SandboxClaim",
            Resource::Templates => "SandboxTemplate",
            Resource::Pools => "SandboxWarmPool",
            Resource::Snapshots => "PodSnapshot",
            Resource::Triggers => "PodSnapshotManualTrigger",
            Resource::Pods => "Pod",
        }
    }

    pub(crate) fn verbs(self) -> &'static [&'static str] {
        match self {
            Resource::Claims => &["create", "delete", "get", "list", "patch", "watch"],
            Resource::Sandboxes => &["delete", "get", "list", "patch", "watch"],
            Resource::Triggers => &["create", "delete", "get", "list", "watch"],
            Resource::Snapshots => &["delete", "get", "list", "watch"],
            Resource::Templates | Resource::Pools | Resource::Pods => &["get", "list", "watch"],
        }
    }
}
