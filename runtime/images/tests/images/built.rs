//! Images that the tests build.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use exeat_images::{Defaults, Digest, Direct, LayerId, Limits, Reference, Store};
use serde_json::{Value, json};

use crate::tar::Tar;

/// How a layer is stored.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Plain,
    Gzip,
    Zstd,
}

/// An image: its blobs, and what leads to them.
pub(crate) struct Built {
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(crate) manifest: Vec<u8>,
    pub(crate) layers: Vec<LayerId>,
    /// The layers as they are stored.
    pub(crate) stored: Vec<Digest>,
}

pub(crate) fn compressed(tar: &[u8], form: Form) -> Vec<u8> {
    match form {
        Form::Plain => tar.to_vec(),
        Form::Zstd => zstd::encode_all(tar, 3).unwrap(),
        Form::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(tar).unwrap();
            encoder.finish().unwrap()
        }
    }
}

pub(crate) fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len()})
}

/// This machine, as images name it.
pub(crate) fn architecture() -> &'static str {
    if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" }
}

pub(crate) fn configuration(layers: &[LayerId]) -> Value {
    json!({
        "os": "linux", "architecture": architecture(),
        "rootfs": {"type": "layers", "diff_ids": layers},
        "config": {
            "Env": ["PATH=/bin", "A=b"], "Entrypoint": ["/bin/tool"], "Cmd": null, "WorkingDir": "/srv", "User": "7:8",
            "ExposedPorts": {"80/tcp": {}},
        },
    })
}

impl Built {
    /// Builds an image of these tars.
    pub(crate) fn of(tars: &[(Vec<u8>, Form)]) -> Self {
        let layers: Vec<LayerId> = tars.iter().map(|(tar, _)| LayerId(Digest::of(tar))).collect();
        Self::with(tars, &configuration(&layers))
    }

    /// Builds one with a configuration that says something else.
    pub(crate) fn with(tars: &[(Vec<u8>, Form)], config: &Value) -> Self {
        let config = serde_json::to_vec(config).unwrap();
        let (mut blobs, mut listed, mut stored) = (BTreeMap::new(), Vec::new(), Vec::new());
        for (tar, form) in tars {
            let kind = match form {
                Form::Plain => "application/vnd.oci.image.layer.v1.tar",
                Form::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
                Form::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            };
            let blob = compressed(tar, *form);
            listed.push(descriptor(kind, &blob));
            stored.push(Digest::of(&blob));
            blobs.insert(Digest::of(&blob), blob);
        }
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config), "layers": listed,
        });
        let manifest = serde_json::to_vec(&manifest).unwrap();
        blobs.insert(Digest::of(&config), config);
        let layers = tars.iter().map(|(tar, _)| LayerId(Digest::of(tar))).collect();
        Self { blobs, manifest, layers, stored }
    }

    /// Writes it down as an OCI layout.
    pub(crate) fn layout(&self, folder: &Path) {
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        for (digest, bytes) in &self.blobs {
            fs::write(blobs.join(digest.hex()), bytes).unwrap();
        }
        fs::write(blobs.join(Digest::of(&self.manifest).hex()), &self.manifest).unwrap();
        let listed = descriptor("application/vnd.oci.image.manifest.v1+json", &self.manifest);
        let index = json!({"schemaVersion": 2, "manifests": [listed]});
        fs::write(folder.join("index.json"), index.to_string()).unwrap();
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }
}

/// A small root file system in two layers, the second of which deletes and hides something of the first.
pub(crate) fn two_layers() -> Built {
    two_layers_as(Form::Zstd)
}

/// The same with the second in this form.
pub(crate) fn two_layers_as(form: Form) -> Built {
    let lower = Tar::default().folder("bin/").file("bin/tool", b"#!/bin/sh\n").folder("etc/").file("etc/old", b"old");
    let upper = Tar::default().file("etc/.wh.old", b"").file("etc/new", b"new").file("srv/.wh..wh..opq", b"");
    Built::of(&[(lower.end(), Form::Gzip), (upper.end(), form)])
}

pub(crate) fn reference(text: &str) -> Reference {
    Reference::parse(text, &Defaults { registry: Some("registry.test".into()), folder: None }).unwrap()
}

/// A store that unpacks in this process.
pub(crate) fn store(folder: &Path) -> Store {
    Store::open(folder, std::sync::Arc::new(Direct), Limits::default()).unwrap()
}

/// Every name in a folder of a store.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
