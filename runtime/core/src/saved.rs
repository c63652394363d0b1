//! A state that a sandbox can be started from.

use serde::{Deserialize, Serialize};

use crate::{SandboxId, SnapshotId};

/// A frozen folder in overlayfs format. Nothing ever writes to it again, so any number of sandboxes can stand on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// A layer of an image, by the SHA-256 of its uncompressed tar in hex (the OCI image specification's diff id).
    Image(String),
    /// A layer made here, by its folder's name.
    Own(String),
}

impl Layer {
    /// The layer that a generation of a sandbox becomes when it is frozen. A generation is frozen at most once, so this
    /// name needs no writing down beforehand.
    pub fn of_generation(sandbox: &SandboxId, generation: u64) -> Self {
        Layer::Own(format!("{sandbox}.{generation}"))
    }

    /// Whether it was made here, and is no part of an image.
    pub fn is_own(&self) -> bool {
        matches!(self, Layer::Own(_))
    }

    /// The layer that a snapshot of a running sandbox copies.
    pub fn of_snapshot(snapshot: &SnapshotId) -> Self {
        Layer::Own(snapshot.to_string())
    }
}

/// An image of memory and processes, by its folder's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Memory(String);

impl Memory {
    /// The image that is made when a generation is paused.
    pub fn of_generation(sandbox: &SandboxId, generation: u64) -> Self {
        Memory(format!("{sandbox}.{generation}"))
    }

    /// The image of a live snapshot.
    pub fn of_snapshot(snapshot: &SnapshotId) -> Self {
        Memory(snapshot.to_string())
    }

    /// The folder's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A state that a sandbox can be started from: disk, and memory where it was taken live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The disk: frozen layers, the topmost first.
    pub layers: Vec<Layer>,
    /// The memory and processes; without it, the sandbox boots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
}

impl Saved {
    /// This disk with one more layer on top, and without memory.
    pub fn topped(&self, layer: Layer) -> Saved {
        let layers = std::iter::once(layer).chain(self.layers.iter().cloned()).collect();
        Saved { layers, memory: None }
    }
}
