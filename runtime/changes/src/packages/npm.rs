//! Node's packages: `node_modules/<name>/package.json`
//! (<https://docs.npmjs.com/cli/configuring-npm/package-json>).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use exeat_disks::Tree;
use serde::Deserialize;

use super::{Catalogue, On, Scene, Versions, sane, text};
use crate::limits;
use crate::model::Manager;
use crate::notes::Notes;

/// The part of a `package.json` that is read.
#[derive(Deserialize)]
struct Description {
    version: Option<String>,
}

pub(super) fn find(scene: &Scene<'_>, catalogue: &mut Catalogue, notes: &mut Notes) {
    let mut places: BTreeMap<PathBuf, (Versions, Versions)> = BTreeMap::new();
    for path in scene.paths() {
        let Some((place, name)) = package_of(path) else { continue };
        let (before, after) = places.entry(place).or_default();
        before.extend(version(scene.before, path, notes).map(|version| (name.clone(), version)));
        after.extend(version(scene.after, path, notes).map(|version| (name.clone(), version)));
    }
    for (place, (before, after)) in places {
        for (name, package) in catalogue.compare(Manager::Npm, Some(&place), &before, &after) {
            for (versions, side) in [(&before, On::Before), (&after, On::After)] {
                if versions.contains_key(&name) {
                    catalogue.claim_folder(place.join(&name), package, side);
                }
            }
        }
    }
}

/// The `node_modules` and the name of the package whose `package.json` this is.
fn package_of(path: &Path) -> Option<(PathBuf, String)> {
    if path.file_name()? != "package.json" {
        return None;
    }
    let folder = path.parent()?;
    let above = folder.parent()?;
    let name = folder.file_name()?.to_str()?;
    if above.file_name()? == "node_modules" {
        return Some((above.to_owned(), sane(name)?));
    }
    let scope = above.file_name()?.to_str()?;
    let place = above.parent()?;
    let scoped = scope.starts_with('@') && place.file_name()? == "node_modules";
    scoped.then(|| sane(&format!("{scope}/{name}"))).flatten().map(|name| (place.to_owned(), name))
}

fn version(tree: &Tree, path: &Path, notes: &mut Notes) -> Option<String> {
    // What is not asked for is skipped without recursion, however deep it is.
    let text = text(tree, path, limits::DESCRIPTION, notes);
    serde_json::from_str::<Description>(&text).ok()?.version.as_deref().and_then(sane)
}
