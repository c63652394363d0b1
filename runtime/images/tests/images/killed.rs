//! A process that dies while it unpacks leaves nothing, and what it left is removed.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use exeat_images::{Direct, Limits, Store, Unpack, UnpackError, Unpacked};

use crate::built::{Built, Form, names, reference, store};
use crate::program::child;
use crate::tar::Tar;

/// Unpacks the first half of a layer, says so, and never goes on.
struct Half;

impl Unpack for Half {
    fn unpack(&self, layer: &mut dyn Read, folder: &Path, limits: &Limits) -> Result<Unpacked, UnpackError> {
        let first = layer.take(300_000);
        Direct.unpack(&mut first.chain(Stuck), folder, limits)
    }
}

struct Stuck;

impl Read for Stuck {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        println!("half of it is there");
        loop {
            std::thread::park();
        }
    }
}

fn image() -> Built {
    let tar = (0..100).fold(Tar::default(), |tar, number| tar.file(&format!("file{number}"), &[7; 5000]));
    Built::of(&[(tar.end(), Form::Plain)])
}

#[test]
fn a_killed_process_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    image().layout(&place.path().join("layout"));
    let mut killed = Command::new(std::env::current_exe().unwrap())
        .args(child("killed::child_stops_halfway"))
        .env("EXEAT_IMAGES_PLACE", place.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(killed.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.into_iter().any(|line| line.contains("half of it is there")));
    let folder = place.path().join("store");

    // Opened by another process meanwhile, it is left alone.
    store(&folder);
    assert_eq!(names(&folder.join("work")).len(), 1);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = names(&folder.join("work"));
    assert!(std::fs::read_dir(folder.join("work").join(&left[0])).unwrap().count() > 10);

    let store = store(&folder);
    assert_eq!((names(&folder.join("work")).len(), names(&folder.join("layers")).len()), (0, 0));
    assert!(store.list().unwrap().is_empty());
    let image = store.import_layout(&place.path().join("layout"), &reference("killed")).unwrap();
    assert_eq!(names(&store.layer_path(&image.layers[0])).len(), 100);
}

#[test]
#[ignore = "the child's part of the test above"]
fn child_stops_halfway() {
    let place = std::path::PathBuf::from(std::env::var_os("EXEAT_IMAGES_PLACE").unwrap());
    let store = Store::open(&place.join("store"), Arc::new(Half), Limits::default()).unwrap();
    store.import_layout(&place.join("layout"), &reference("killed")).unwrap();
}
