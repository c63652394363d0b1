//! Where everything of the sandboxes is.
//!
//! ```text
//!   <state>/sb/<sandbox>/sandbox.json     its record
//!                      /<generation>/     its writable folder, sockets, gVisor's state
//!          /layers/<name>/                frozen layers
//!          /memory/<name>/                images of memory
//!          /snapshots/<snapshot>.json     records of snapshots
//!          /images/                       images and their layers
//! ```

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use exeat_lifecycle::{Layer, Memory, SandboxId, SnapshotId};

use crate::error::Error;

/// Where everything is.
#[derive(Clone, Debug)]
pub(crate) struct Paths(PathBuf);

impl Paths {
    /// Makes the folders that are not there.
    pub(crate) fn create(state: &Path) -> Result<Self, Error> {
        let state = std::path::absolute(state).map_err(|error| Error::io("use", state, &error))?;
        let paths = Paths(state);
        for folder in [paths.sandboxes(), paths.layers(), paths.memories(), paths.snapshots(), paths.images()] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(|error| Error::io("make", &folder, &error))?;
        }
        Ok(paths)
    }

    pub(crate) fn sandboxes(&self) -> PathBuf {
        self.0.join("sb")
    }

    pub(crate) fn sandbox(&self, id: &SandboxId) -> PathBuf {
        self.sandboxes().join(id.as_str())
    }

    pub(crate) fn record(&self, id: &SandboxId) -> PathBuf {
        self.sandbox(id).join("sandbox.json")
    }

    pub(crate) fn generation(&self, id: &SandboxId, generation: u64) -> PathBuf {
        self.sandbox(id).join(generation.to_string())
    }

    pub(crate) fn layers(&self) -> PathBuf {
        self.0.join("layers")
    }

    pub(crate) fn layer(&self, layer: &Layer) -> PathBuf {
        match layer {
            Layer::Own(name) => self.layers().join(name),
            Layer::Image(diff_id) => self.images().join("layers").join(diff_id),
        }
    }

    pub(crate) fn memories(&self) -> PathBuf {
        self.0.join("memory")
    }

    pub(crate) fn memory(&self, memory: &Memory) -> PathBuf {
        self.memories().join(memory.as_str())
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.0.join("snapshots")
    }

    pub(crate) fn snapshot(&self, id: &SnapshotId) -> PathBuf {
        self.snapshots().join(format!("{id}.json"))
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.0.join("images")
    }
}
