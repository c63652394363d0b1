//! Python's packages: `*.dist-info` folders with METADATA and RECORD
//! (<https://packaging.python.org/en/latest/specifications/recording-installed-packages/>).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use exeat_disks::Tree;

use super::{Catalogue, Scene, Versions, sane, text};
use crate::limits;
use crate::model::Manager;
use crate::notes::Notes;

/// What is known of the packages in one folder, on one side: names, versions, and each one's `dist-info`.
#[derive(Default)]
struct Found {
    versions: Versions,
    folders: BTreeMap<String, PathBuf>,
}

pub(super) fn find(scene: &Scene<'_>, catalogue: &mut Catalogue, notes: &mut Notes) {
    let mut places: BTreeMap<PathBuf, (Found, Found)> = BTreeMap::new();
    for metadata in scene.paths().into_iter().filter(|path| is_metadata(path)) {
        let Some(folder) = metadata.parent() else { continue };
        let Some(place) = folder.parent() else { continue };
        let (before, after) = places.entry(place.to_owned()).or_default();
        note(scene.before, metadata, folder, before, notes);
        note(scene.after, metadata, folder, after, notes);
    }
    for (place, (before, after)) in places {
        for (name, package) in catalogue.compare(Manager::Pip, Some(&place), &before.versions, &after.versions) {
            for ((tree, side), found) in scene.sides().into_iter().zip([&before, &after]) {
                let Some(folder) = found.folders.get(&name) else { continue };
                catalogue.claim_folder(folder.clone(), package, side);
                let record = text(tree, &folder.join("RECORD"), limits::DESCRIPTION, notes);
                record.lines().filter_map(|line| recorded(&place, line)).for_each(|path| {
                    catalogue.claim(scene, path, package, side);
                });
            }
        }
    }
}

fn is_metadata(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name).and_then(|folder| folder.to_str());
    path.file_name().is_some_and(|name| name == "METADATA")
        && folder.is_some_and(|folder| folder.ends_with(".dist-info"))
}

fn note(tree: &Tree, metadata: &Path, folder: &Path, found: &mut Found, notes: &mut Notes) {
    let text = text(tree, metadata, limits::DESCRIPTION, notes);
    // The description, which can hold anything, comes after the first empty line.
    let head = text.split("\n\n").next().unwrap_or_default();
    let field = |wanted: &str| head.lines().find_map(|line| line.strip_prefix(wanted).and_then(sane));
    if let (Some(name), Some(version)) = (field("Name:"), field("Version:")) {
        let name = normalised(&name);
        found.folders.insert(name.clone(), folder.to_owned());
        found.versions.insert(name, version);
    }
}

/// The name as PyPI compares it
/// (<https://packaging.python.org/en/latest/specifications/name-normalization/>).
fn normalised(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    lower.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The path of one line of a RECORD, whose paths are relative to the folder that holds the packages.
fn recorded(place: &Path, line: &str) -> Option<PathBuf> {
    let listed = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?.0,
        None => line.split(',').next()?,
    };
    let mut path = if listed.starts_with('/') { PathBuf::new() } else { place.to_owned() };
    for part in Path::new(listed).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => {
                path.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    path.starts_with(prefix(place)).then_some(path)
}

/// The folder of the Python installation or venv, which has the programs too; a package has no business elsewhere.
fn prefix(place: &Path) -> &Path {
    let lib = place.ancestors().find(|above| above.file_name().is_some_and(|name| name == "lib"));
    lib.and_then(Path::parent).filter(|prefix| !prefix.as_os_str().is_empty()).unwrap_or(place)
}
