//! Debian's packages: `var/lib/dpkg/status` and `info/<package>.list` (dpkg(1), deb-control(5)).

use std::path::{Path, PathBuf};

use super::{Catalogue, Scene, Versions, inside, sane, text};
use crate::limits;
use crate::model::Manager;
use crate::notes::Notes;

const STATUS: &str = "var/lib/dpkg/status";
const INFO: &str = "var/lib/dpkg/info";

/// Folders that are links to the ones below `usr` on a merged system, while older packages list them as they were.
const MERGED: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

pub(super) fn find(scene: &Scene<'_>, found: &mut Catalogue, notes: &mut Notes) {
    if !scene.differs(Path::new(STATUS)) {
        return;
    }
    let (before, after) = scene.texts(Path::new(STATUS), limits::DATABASE, notes);
    let changed: Vec<_> = scene.paths.iter().copied().filter(|path| path.starts_with(INFO)).collect();
    for (name, package) in found.compare(Manager::Apt, None, &installed(&before), &installed(&after)) {
        for list in lists(&changed, &name) {
            for (tree, side) in scene.sides() {
                let owned = text(tree, &list, limits::DESCRIPTION, notes);
                owned.lines().flat_map(places).for_each(|path| found.claim(scene, path, package, side));
            }
        }
    }
}

/// The installed packages. One of a foreign architecture is called `name:architecture`.
fn installed(status: &str) -> Versions {
    let mut versions = Versions::new();
    for paragraph in status.split("\n\n") {
        let field = |wanted: &str| {
            paragraph.lines().find_map(|line| line.strip_prefix(wanted)?.strip_prefix(':').and_then(sane))
        };
        let installed = field("Status").is_some_and(|status| status.ends_with(" installed"));
        let (Some(name), Some(version), true) = (field("Package"), field("Version"), installed) else { continue };
        let name = if versions.contains_key(&name) {
            format!("{name}:{}", field("Architecture").unwrap_or_default())
        } else {
            name
        };
        versions.insert(name, version);
    }
    versions
}

/// The lists that a package may have: with its architecture in the name where it can be installed for several.
fn lists(changed: &[&Path], name: &str) -> Vec<PathBuf> {
    if name.contains('/') {
        return Vec::new();
    }
    let mut lists = vec![Path::new(INFO).join(format!("{name}.list"))];
    let prefix = format!("{INFO}/{}:", name.split(':').next().unwrap_or(name));
    let fits = |path: &&Path| path.to_str().is_some_and(|path| path.starts_with(&prefix) && path.ends_with(".list"));
    lists.extend(changed.iter().copied().filter(fits).map(Path::to_owned));
    lists
}

/// Where a listed path can be.
fn places(line: &str) -> Vec<PathBuf> {
    let path = inside(line);
    let first = path.components().next().and_then(|first| first.as_os_str().to_str());
    let merged = first.is_some_and(|first| MERGED.contains(&first)).then(|| Path::new("usr").join(&path));
    std::iter::once(path).chain(merged).collect()
}
