//! Images from a folder or a file: OCI layouts, tars of them, and what `docker save` writes.

use std::path::Path;

use exeat_digest::Digest;
use serde::Deserialize;

use crate::archive::Files;
use crate::digest::{LayerId, Promise};
use crate::document::{Descriptor, Plan, PlannedLayer, Resolving, Step, configuration, fetch, layout_index};
use crate::error::Error;
use crate::image::{Image, ImageConfig};
use crate::limits;
use crate::reference::{Defaults, Reference};
use crate::store::Store;

/// How layouts name their images (OCI image specification, annotations.md; containerd's own).
const NAMES: &[&str] = &["org.opencontainers.image.ref.name", "io.containerd.image.name"];

/// One image of `docker save` (Docker's image specification v1.2, "Combined Image JSON + Filesystem Changeset Format").
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Store {
    /// Takes an image from an OCI layout (a folder with `oci-layout`, `index.json` and `blobs`) and keeps it as
    /// `reference`. Of several images the one of that name or digest is taken, otherwise the one for this machine.
    /// It blocks.
    ///
    /// # Errors
    /// [`Error::Import`] where there is no such image; as [`Store::pull`] otherwise.
    pub fn import_layout(&self, folder: &Path, reference: &Reference) -> Result<Image, Error> {
        let files = Files::folder(folder).map_err(|why| unfit(folder, why))?;
        let _adding = self.adding()?;
        self.layout(&Source { files, path: folder }, reference)
    }

    /// Takes an image from a tar of an OCI layout, or from an archive of `docker save`, of which no file is unpacked
    /// but the layers. Which of several images is taken is as in [`Store::import_layout`]. It blocks.
    ///
    /// # Errors
    /// As [`Store::import_layout`].
    pub fn import_archive(&self, file: &Path, reference: &Reference) -> Result<Image, Error> {
        let files = Files::archive(file).map_err(|why| unfit(file, why))?;
        let source = Source { files, path: file };
        let _adding = self.adding()?;
        // Newer versions of Docker write both forms into one archive; the layout has more digests.
        if source.read("index.json", limits::MANIFEST_BYTES)?.is_some() {
            return self.layout(&source, reference);
        }
        self.saved(&source, reference)
    }

    fn layout(&self, source: &Source<'_>, reference: &Reference) -> Result<Image, Error> {
        let plan = source.plan(reference)?;
        for PlannedLayer { blob, id } in &plan.layers {
            self.take(source, id, Some(*blob), &blob_path(&blob.digest))?;
        }
        let layers = plan.layers.iter().map(|layer| layer.id).collect();
        self.record(Image { reference: reference.clone(), digest: plan.digest, layers, config: plan.config })
    }

    fn saved(&self, source: &Source<'_>, reference: &Reference) -> Result<Image, Error> {
        let (saved, digest, ids, config) = source.saved(reference)?;
        for (id, name) in ids.iter().zip(&saved.layers) {
            self.take(source, id, None, name)?;
        }
        self.record(Image { reference: reference.clone(), digest, layers: ids, config })
    }

    fn take(&self, source: &Source<'_>, id: &LayerId, blob: Option<Promise>, name: &str) -> Result<(), Error> {
        let Some(claim) = self.claim(id)? else { return Ok(()) };
        let opened = source.files.open(name).map_err(|why| source.unfit(why))?;
        let (bytes, _) = opened.ok_or_else(|| source.unfit(format!("there is no `{name}` in it")))?;
        self.install(&claim, id, blob, bytes)
    }
}

fn unfit(path: &Path, why: impl Into<String>) -> Error {
    Error::Import { path: path.to_owned(), why: why.into() }
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// What an image is taken from.
struct Source<'a> {
    files: Files,
    path: &'a Path,
}

impl Source<'_> {
    fn unfit(&self, why: impl Into<String>) -> Error {
        unfit(self.path, why)
    }

    fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, Error> {
        self.files.read(name, most).map_err(|why| self.unfit(why))
    }

    fn need(&self, name: &str, most: u64) -> Result<Vec<u8>, Error> {
        self.read(name, most)?.ok_or_else(|| self.unfit(format!("there is no `{name}` in it")))
    }

    /// Follows a layout's index to an image.
    fn plan(&self, reference: &Reference) -> Result<Plan, Error> {
        let index = self.need("index.json", limits::MANIFEST_BYTES)?;
        let listed = layout_index(&index)?;
        let mut step = match listed.iter().find(|one| is_named(one, reference)) {
            Some(named) => fetch(named, 0)?,
            None if reference.digest().is_some() => {
                return Err(self.unfit(format!("its index lists nothing that is `{reference}`")));
            }
            None if listed.len() == 1 => fetch(&listed[0], 0)?,
            None => Resolving::first().feed(&index)?,
        };
        loop {
            match step {
                Step::Done(plan) => return Ok(plan),
                Step::Fetch(promise, next) => {
                    step = next.feed(&self.need(&blob_path(&promise.digest), promise.size)?)?
                }
            }
        }
    }

    /// Finds an image in what `docker save` wrote.
    fn saved(&self, reference: &Reference) -> Result<(Saved, Digest, Vec<LayerId>, ImageConfig), Error> {
        let list = self.need("manifest.json", limits::MANIFEST_BYTES)?;
        let mut list: Vec<Saved> = serde_json::from_slice(&list)
            .map_err(|error| self.unfit(format!("its `manifest.json` cannot be read: {error}")))?;
        let wanted = list.iter().position(|saved| saved.is(reference)).or((list.len() == 1).then_some(0));
        let saved = wanted.map(|index| list.swap_remove(index));
        let saved = saved.ok_or_else(|| self.unfit(format!("it has several images, and none is `{reference}`")))?;
        let config = self.need(&saved.config, limits::CONFIG_BYTES)?;
        let (ids, parsed) = configuration(&config)?;
        if ids.len() != saved.layers.len() {
            return Err(self.unfit("its list of layers and the configuration's differ"));
        }
        Ok((saved, Digest::of(&config), ids, parsed))
    }
}

impl Saved {
    fn is(&self, reference: &Reference) -> bool {
        let defaults = Defaults { registry: Some(reference.registry().to_owned()), folder: None };
        let same = |tag: &String| Reference::parse(tag, &defaults).is_ok_and(|saved| &saved == reference);
        self.repo_tags.iter().flatten().any(same)
    }
}

fn is_named(descriptor: &Descriptor, reference: &Reference) -> bool {
    if let Some(digest) = reference.digest() {
        return descriptor.is(&digest);
    }
    let complete = reference.to_string();
    let names = NAMES.iter().filter_map(|name| descriptor.annotations.get(*name));
    names.into_iter().any(|name| *name == complete || Some(name.as_str()) == reference.tag())
}
