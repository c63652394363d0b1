//! Root file systems from images.

use std::collections::{BTreeMap, HashSet};

use exeat_lifecycle::Layer;

use crate::error::Error;
use crate::supervisor::Supervisor;

impl Supervisor {
    /// An image's layers, the topmost first, with a skeleton above them, and the variables that it sets.
    pub(crate) async fn image(&self, reference: &str) -> Result<(Vec<Layer>, BTreeMap<String, String>), Error> {
        Err(Error::Input(format!("image `{reference}`: not yet")))
    }

    /// Removes layers of images that neither an image nor a sandbox needs.
    pub(crate) async fn collect_images(&self, _kept: &HashSet<Layer>) -> Result<(), Error> {
        Ok(())
    }
}
