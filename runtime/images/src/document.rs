//! Manifests, indexes and configurations: what registries send, read strictly.
//!
//! ```text
//!   Resolving ── index ──▶ Resolving ── manifest ──▶ Resolving ── configuration ──▶ Plan
//! ```
//!
//! It asks for one document after the other and is fed with their bytes, so that a registry and a folder are read by the
//! same rules.

use std::collections::BTreeMap;

use exeat_digest::Digest;
use serde::Deserialize;

use crate::digest::{LayerId, Promise, Tally};
use crate::error::Error;
use crate::image::ImageConfig;
use crate::limits;

/// What a registry is told it may send (OCI image specification, media-types.md; Docker's v2 schema 2).
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Kinds of layers, all of which are tars. How they are compressed is seen by their bytes.
const LAYER_KINDS: &[&str] = &[
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];
const INDEX_KINDS: &[&str] =
    &["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFEST_KINDS: &[&str] =
    &["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// Where a layer is stored, and what it is once unpacked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PlannedLayer {
    pub(crate) blob: Promise,
    pub(crate) id: LayerId,
}

/// Everything that is known of an image before its layers are fetched.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Of the manifest.
    pub(crate) digest: Digest,
    /// From the lowest to the highest.
    pub(crate) layers: Vec<PlannedLayer>,
    pub(crate) config: ImageConfig,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// This document, which is then fed to the state.
    Fetch(Promise, Resolving),
    /// Nothing; the image is known.
    Done(Plan),
}

/// On the way from a name to a plan.
#[derive(Debug)]
pub(crate) struct Resolving(State);

#[derive(Debug)]
enum State {
    /// An index or a manifest, in so many indexes.
    Document {
        promise: Option<Promise>,
        depth: usize,
    },
    Config {
        promise: Promise,
        digest: Digest,
        blobs: Vec<Promise>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u32>,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    media_type: Option<String>,
    digest: String,
    size: u64,
    platform: Option<Platform>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Clone, Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    rootfs: Option<RootFs>,
    #[serde(default)]
    config: Option<ImageConfig>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Vec<Digest>,
}

impl Resolving {
    /// Begins with the document that a name leads to.
    pub(crate) fn first() -> Self {
        Self(State::Document { promise: None, depth: 0 })
    }

    /// Whether a manifest or an index comes next, which registries keep apart from blobs.
    pub(crate) fn is_document(&self) -> bool {
        matches!(self.0, State::Document { .. })
    }

    /// Takes the bytes of the document that was asked for.
    pub(crate) fn feed(self, bytes: &[u8]) -> Result<Step, Error> {
        match self.0 {
            State::Document { promise, depth } => {
                promise.map_or(Ok(()), |promise| hold(bytes, promise))?;
                document(bytes, depth)
            }
            State::Config { promise, digest, blobs } => {
                hold(bytes, promise)?;
                let (ids, config) = configuration(bytes)?;
                Ok(Step::Done(Plan { digest, layers: pair(blobs, ids)?, config }))
            }
        }
    }
}

/// Holds a document that is in memory to its descriptor.
pub(crate) fn hold(bytes: &[u8], promise: Promise) -> Result<(), Error> {
    let mut tally = Tally::new(promise);
    let held = tally.add(bytes).and_then(|_| tally.finish());
    held.map_err(|fault| Error::Blob { digest: promise.digest, fault })
}

fn refused(what: &'static str, why: impl Into<String>) -> Error {
    Error::Document { what, why: why.into() }
}

fn document(bytes: &[u8], depth: usize) -> Result<Step, Error> {
    let document: Document =
        serde_json::from_slice(bytes).map_err(|error| refused("manifest", format!("it cannot be read: {error}")))?;
    if document.schema_version != Some(2) {
        return Err(refused("manifest", "its schema version is not 2; push the image again with a current tool"));
    }
    // A document that can be read as both would be one thing to us and another to others (OCI advisory GHSA-77vh-xpmg-72qh).
    match (document.manifests, document.config, document.layers) {
        (Some(manifests), None, None) => {
            check_kind("index", document.media_type.as_deref(), INDEX_KINDS)?;
            choose(&manifests, depth)
        }
        (None, Some(config), Some(layers)) => {
            check_kind("manifest", document.media_type.as_deref(), MANIFEST_KINDS)?;
            manifest(Digest::of(bytes), &config, &layers)
        }
        _ => Err(refused("manifest", "it is neither an index nor an image's manifest")),
    }
}

fn check_kind(what: &'static str, kind: Option<&str>, known: &[&str]) -> Result<(), Error> {
    match kind {
        Some(kind) if !known.contains(&kind) => Err(refused(what, format!("it calls itself `{kind}`"))),
        _ => Ok(()),
    }
}

/// This machine, in the words of Go's GOARCH, which images use.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

fn choose(manifests: &[Descriptor], depth: usize) -> Result<Step, Error> {
    if depth >= limits::INDEX_DEPTH {
        return Err(refused("index", format!("it leads to more than {} indexes", limits::INDEX_DEPTH)));
    }
    let fits = |platform: &Platform| platform.os == "linux" && platform.architecture == architecture();
    let chosen = manifests.iter().find(|one| one.platform.as_ref().is_some_and(fits));
    // An index of one without a platform leaves it to the configuration, which is checked.
    let only = || manifests.first().filter(|one| manifests.len() == 1 && one.platform.is_none());
    let Some(chosen) = chosen.or_else(only) else {
        let offered = manifests.iter().filter_map(|one| one.platform.as_ref()).map(shown).collect::<Vec<_>>();
        return Err(wrong_platform(if offered.is_empty() { "no platform".into() } else { offered.join(", ") }));
    };
    fetch(chosen, depth + 1)
}

/// Asks for a document of an index.
pub(crate) fn fetch(chosen: &Descriptor, depth: usize) -> Result<Step, Error> {
    let promise = chosen.promise("index", limits::MANIFEST_BYTES)?;
    Ok(Step::Fetch(promise, Resolving(State::Document { promise: Some(promise), depth })))
}

fn shown(platform: &Platform) -> String {
    format!("`{}/{}`", platform.os.escape_debug(), platform.architecture.escape_debug())
}

fn wrong_platform(offered: String) -> Error {
    Error::Platform { wanted: format!("linux/{}", architecture()), offered }
}

impl Descriptor {
    pub(crate) fn is(&self, digest: &Digest) -> bool {
        self.digest.parse::<Digest>().is_ok_and(|own| own == *digest)
    }

    fn promise(&self, what: &'static str, most: u64) -> Result<Promise, Error> {
        if self.size > most {
            return Err(refused(what, format!("it names a blob of {} bytes, and {most} are the most", self.size)));
        }
        Ok(Promise { digest: self.digest.parse()?, size: self.size })
    }
}

fn manifest(digest: Digest, config: &Descriptor, layers: &[Descriptor]) -> Result<Step, Error> {
    if layers.len() > limits::LAYERS {
        return Err(refused(
            "manifest",
            format!("it has {} layers, and {} are the most", layers.len(), limits::LAYERS),
        ));
    }
    let mut blobs = Vec::with_capacity(layers.len());
    for layer in layers {
        let kind = layer.media_type.as_deref().unwrap_or("none");
        if !LAYER_KINDS.contains(&kind) {
            return Err(refused(
                "manifest",
                format!("it has a layer of the kind `{kind}`, which is not a tar to unpack"),
            ));
        }
        blobs.push(layer.promise("manifest", limits::BLOB_BYTES)?);
    }
    if blobs.iter().map(|blob| blob.size).sum::<u64>() > limits::IMAGE_BYTES {
        return Err(refused("manifest", format!("its layers have more than {} bytes", limits::IMAGE_BYTES)));
    }
    let promise = config.promise("manifest", limits::CONFIG_BYTES)?;
    Ok(Step::Fetch(promise, Resolving(State::Config { promise, digest, blobs })))
}

/// Reads a configuration: the layers' digests and what a container runs.
pub(crate) fn configuration(bytes: &[u8]) -> Result<(Vec<LayerId>, ImageConfig), Error> {
    let what = "configuration";
    let config: Config =
        serde_json::from_slice(bytes).map_err(|error| refused(what, format!("it cannot be read: {error}")))?;
    if config.os != "linux" || config.architecture != architecture() {
        return Err(wrong_platform(shown(&Platform { os: config.os, architecture: config.architecture })));
    }
    let root = config.rootfs.ok_or_else(|| refused(what, "it does not say what the layers are (`rootfs`)"))?;
    if root.kind != "layers" {
        return Err(refused(what, format!("its root filesystem is of the kind `{}`, not `layers`", root.kind)));
    }
    if root.diff_ids.len() > limits::LAYERS {
        return Err(refused(what, format!("it has more than {} layers", limits::LAYERS)));
    }
    Ok((root.diff_ids.into_iter().map(LayerId).collect(), config.config.unwrap_or_default()))
}

fn pair(blobs: Vec<Promise>, ids: Vec<LayerId>) -> Result<Vec<PlannedLayer>, Error> {
    if blobs.len() != ids.len() {
        let why = format!("it has {} layers, and its manifest {}", ids.len(), blobs.len());
        return Err(refused("configuration", why));
    }
    Ok(blobs.into_iter().zip(ids).map(|(blob, id)| PlannedLayer { blob, id }).collect())
}

/// The entries of an `index.json` at the top of a layout.
pub(crate) fn layout_index(bytes: &[u8]) -> Result<Vec<Descriptor>, Error> {
    let document: Document =
        serde_json::from_slice(bytes).map_err(|error| refused("index", format!("it cannot be read: {error}")))?;
    document.manifests.ok_or_else(|| refused("index", "it lists no manifests"))
}

/// For the fuzzer: reads bytes as every kind of document. Nothing of it may panic.
#[doc(hidden)]
pub fn read_any(bytes: &[u8]) {
    let _ = Resolving::first().feed(bytes);
    let _ = configuration(bytes);
    let _ = layout_index(bytes);
}
