//! The store: layouts and archives in, layers shared, and what nobody needs out again.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use exeat_images::{BlobFault, Digest, Direct, Error, Image, LayerId, Limits, Store, Unpack, UnpackError, Unpacked};
use serde_json::json;

use crate::built::{Built, Form, configuration, descriptor, names, reference, store, two_layers, two_layers_as};
use crate::program::{has, run};
use crate::tar::Tar;

fn import(store: &Store, built: &Built, name: &str) -> Result<Image, Error> {
    let layout = tempfile::tempdir().unwrap();
    built.layout(layout.path());
    store.import_layout(layout.path(), &reference(name))
}

/// After a refusal nothing is there.
fn assert_empty(folder: &Path) {
    for part in ["layers", "images", "work", "locks"] {
        assert_eq!(names(&folder.join(part)), Vec::<String>::new(), "{part}");
    }
}

#[test]
fn a_layout_becomes_layers_and_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let built = two_layers();
    let image = import(&store, &built, "two:1").unwrap();

    assert_eq!((&image.layers, image.digest), (&built.layers, Digest::of(&built.manifest)));
    assert_eq!(fs::read(store.layer_path(&built.layers[0]).join("etc/old")).unwrap(), b"old");
    assert_eq!(fs::read(store.layer_path(&built.layers[1]).join("etc/new")).unwrap(), b"new");
    let config = &image.config;
    assert_eq!(
        (&config.env[..], &config.entrypoint[..]),
        (&["PATH=/bin".into(), "A=b".into()][..], &["/bin/tool".into()][..])
    );
    assert_eq!((&*config.user, &*config.working_dir, config.cmd.len()), ("7:8", "/srv", 0));
    assert!(config.exposed_ports.contains_key("80/tcp"));

    let again = self::store(folder.path());
    assert_eq!(again.get(&reference("two:1")).unwrap(), image);
    assert_eq!(again.list().unwrap(), [image]);
    assert!(matches!(again.get(&reference("two:2")), Err(Error::NoImage(_))));
}

#[test]
fn layers_are_shared_and_collected_when_nobody_needs_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let common = Tar::default().file("common", &[1; 100_000]).end();
    let own = |name: &str| Tar::default().file(name, &[2; 50_000]).end();
    // The same layer, compressed in two ways.
    let one = import(&store, &Built::of(&[(common.clone(), Form::Gzip), (own("one"), Form::Gzip)]), "one").unwrap();
    let two = import(&store, &Built::of(&[(common, Form::Zstd), (own("two"), Form::Plain)]), "two").unwrap();
    assert_eq!(one.layers[0], two.layers[0]);
    assert_eq!(names(&folder.path().join("layers")).len(), 3);
    assert_eq!(store.collect(&HashSet::new()).unwrap().layers, 0);

    assert!(store.remove(&reference("one")).unwrap() && !store.remove(&reference("one")).unwrap());
    assert_eq!(store.collect(&HashSet::from([one.layers[1]])).unwrap().layers, 0);
    let collected = store.collect(&HashSet::new()).unwrap();
    assert_eq!(collected.layers, 1);
    assert!((50_000..200_000).contains(&collected.bytes), "{collected:?}");
    assert!(store.layer_path(&two.layers[0]).join("common").exists() && !store.layer_path(&one.layers[1]).exists());
    store.remove(&reference("two")).unwrap();
    assert_eq!(store.collect(&HashSet::new()).unwrap().layers, 2);
    assert_empty(folder.path());
}

#[test]
fn a_layer_whose_root_is_opaque_hides_those_below() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let tars = [
        Tar::default().file("a", b""),
        Tar::default().file(".wh..wh..opq", b"").file("b", b""),
        Tar::default().file("c", b""),
    ];
    let built = Built::of(&tars.map(|tar| (tar.end(), Form::Gzip)));
    assert_eq!(import(&store, &built, "opaque").unwrap().layers, built.layers[1..]);
}

/// Imports something wrong, and looks that nothing of it stays.
fn refused(built: &Built) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let error = import(&store(folder.path()), built, "wrong").expect_err("it must be refused");
    assert_empty(folder.path());
    error
}

fn one_layer() -> Built {
    Built::of(&[(Tar::default().file("a", &[3; 10_000]).end(), Form::Gzip)])
}

#[test]
fn blobs_that_are_not_what_was_promised_are_refused() {
    let damage = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut built = one_layer();
        let layer = built.stored[0];
        change(built.blobs.get_mut(&layer).unwrap());
        match refused(&built) {
            Error::Blob { digest, fault } if digest == layer => fault,
            other => panic!("{other}"),
        }
    };
    assert!(matches!(damage(&|blob| *blob.last_mut().unwrap() ^= 1), BlobFault::Digest { .. }));
    assert!(matches!(damage(&|blob| blob[0] ^= 1), BlobFault::Digest { .. }));
    assert!(matches!(damage(&|blob| blob.truncate(20)), BlobFault::Short { found: 20, .. }));
    assert!(matches!(damage(&|blob| blob.push(0)), BlobFault::Long { .. }));
    let mut built = one_layer();
    for bytes in built.blobs.values_mut().filter(|bytes| bytes[0] == b'{') {
        let position = bytes.len() - 2;
        bytes.insert(position, b' ');
    }
    assert!(matches!(refused(&built), Error::Blob { .. } | Error::Import { .. }));
}

#[test]
fn a_layer_with_another_content_than_the_configuration_says_is_refused() {
    let tar = Tar::default().file("a", b"x").end();
    let other = LayerId(Digest::of(b"other"));
    let error = refused(&Built::with(&[(tar.clone(), Form::Gzip)], &configuration(&[other])));
    assert!(matches!(error, Error::DiffId { layer, found } if layer == other && found == LayerId(Digest::of(&tar))));
}

#[test]
fn a_hostile_layer_is_refused_by_name() {
    let tars =
        [(Tar::default().file("good", b"").end(), Form::Gzip), (Tar::default().file("../x", b"").end(), Form::Gzip)];
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let error = import(&store, &Built::of(&tars), "hostile").unwrap_err().to_string();
    let layer = LayerId(Digest::of(&tars[1].0));
    assert_eq!(error, format!("layer `{layer}` cannot be unpacked: entry `../x`: its name holds `..`"));
    assert_eq!((names(&folder.path().join("work")).len(), store.list().unwrap().len()), (0, 0));
    assert_eq!(store.collect(&HashSet::new()).unwrap().layers, 1);
}

/// Imports a layout whose index leads to this document.
fn document(document: &serde_json::Value) -> Error {
    let mut built = one_layer();
    built.manifest = document.to_string().into_bytes();
    refused(&built)
}

#[test]
fn manifests_that_are_wrong_are_refused() {
    let config = configuration(&[]).to_string();
    let config = descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes());
    let layer = descriptor("application/vnd.oci.image.layer.v1.tar", b"x");
    let manifest = |layers: Vec<serde_json::Value>| json!({"schemaVersion": 2, "config": config, "layers": layers});
    let many = manifest(vec![layer.clone(); 128]);
    let foreign = manifest(vec![descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", b"x")]);
    let mut huge = layer.clone();
    huge["size"] = json!(u64::MAX);
    let mut both = manifest(vec![]);
    both["manifests"] = json!([]);
    let cases = [
        (many, "128 layers"),
        (foreign, "not a tar to unpack"),
        (manifest(vec![huge]), "are the most"),
        (both, "neither"),
        (json!({"schemaVersion": 1, "layers": []}), "schema version"),
        (json!([]), "cannot be read"),
        (json!({"schemaVersion": 2, "mediaType": "text/html", "manifests": []}), "calls itself `text/html`"),
    ];
    for (wrong, why) in cases {
        let error = document(&wrong).to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn an_index_leads_to_this_machine_and_not_in_circles() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut built = one_layer();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let mut wrap = |mut inner: serde_json::Value, platform: serde_json::Value| {
        inner["platform"] = platform;
        let index = json!({"schemaVersion": 2, "manifests": [inner]}).to_string().into_bytes();
        built.blobs.insert(Digest::of(&built.manifest), std::mem::replace(&mut built.manifest, index));
        import(&store, &built, "index")
    };
    let ours = json!({"os": "linux", "architecture": crate::built::architecture()});
    let first = descriptor(kind, &one_layer().manifest);
    let image = wrap(first.clone(), ours.clone()).unwrap();
    assert_eq!(image.digest, Digest::of(&one_layer().manifest));

    let other = json!({"os": "plan9", "architecture": "mips"});
    assert!(matches!(wrap(first, other), Err(Error::Platform { offered, .. }) if offered == "`plan9/mips`"));
    let mut built = one_layer();
    for _ in 0..4 {
        let mut inner = descriptor(kind, &built.manifest);
        inner["platform"] = ours.clone();
        let index = json!({"schemaVersion": 2, "manifests": [inner]}).to_string().into_bytes();
        built.blobs.insert(Digest::of(&built.manifest), std::mem::replace(&mut built.manifest, index));
    }
    assert!(import(&store, &built, "deep").unwrap_err().to_string().contains("more than 3 indexes"));
}

/// Counts how often something is unpacked.
struct Counting(AtomicUsize);

impl Unpack for Counting {
    fn unpack(&self, layer: &mut dyn Read, folder: &Path, limits: &Limits) -> Result<Unpacked, UnpackError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Direct.unpack(layer, folder, limits)
    }
}

#[test]
fn a_layer_that_two_want_at_once_is_unpacked_once() {
    let folder = tempfile::tempdir().unwrap();
    let counting = Arc::new(Counting(AtomicUsize::new(0)));
    let layout = tempfile::tempdir().unwrap();
    two_layers().layout(layout.path());
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let (folder, layout, counting) = (folder.path(), layout.path(), Arc::clone(&counting));
            // Each has a store of its own, as other processes would.
            scope.spawn(move || {
                let store = Store::open(folder, counting, Limits::default()).unwrap();
                store.import_layout(layout, &reference(name)).unwrap();
            });
        }
    });
    assert_eq!(counting.0.load(Ordering::SeqCst), 2);
    assert_eq!(store(folder.path()).list().unwrap().len(), 4);
    assert_eq!(names(&folder.path().join("locks")).len(), 0);
}

#[test]
fn archives_of_both_kinds_are_taken() {
    if !has("skopeo") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    // Docker's own form has no zstd.
    let built = two_layers_as(Form::Gzip);
    built.layout(&place.path().join("layout"));
    for kind in ["oci-archive", "docker-archive"] {
        let archive = place.path().join(kind);
        let from = format!("oci:{}", place.path().join("layout").display());
        let to = format!("{kind}:{}:registry.test/two:1", archive.display());
        run(Command::new("skopeo").args(["--insecure-policy", "copy", &from, &to]));
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let image = store.import_archive(&archive, &reference("two:1")).unwrap();
        assert_eq!(image.layers, built.layers, "{kind}");
        assert_eq!(fs::read(store.layer_path(&image.layers[1]).join("etc/new")).unwrap(), b"new");

        let whole = fs::read(&archive).unwrap();
        fs::write(&archive, &whole[..whole.len() / 2]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        assert!(self::store(folder.path()).import_archive(&archive, &reference("two:1")).is_err());
        assert_empty(folder.path());
    }
}
