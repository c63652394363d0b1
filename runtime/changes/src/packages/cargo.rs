//! What `cargo install` put there: `.crates2.json`
//! (<https://doc.rust-lang.org/cargo/guide/cargo-home.html>).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Catalogue, On, Scene, Versions, sane};
use crate::limits;
use crate::model::Manager;
use crate::notes::Notes;

#[derive(Default, Deserialize)]
struct Installed {
    #[serde(default)]
    installs: BTreeMap<String, Install>,
}

#[derive(Deserialize)]
struct Install {
    #[serde(default)]
    bins: Vec<String>,
}

pub(super) fn find(scene: &Scene<'_>, catalogue: &mut Catalogue, notes: &mut Notes) {
    for path in scene.paths().into_iter().filter(|path| path.file_name().is_some_and(|name| name == ".crates2.json")) {
        let (before, after) = scene.texts(path, limits::DESCRIPTION, notes);
        let (before, after) = (parse(&before), parse(&after));
        let Some(place) = path.parent() else { continue };
        for (name, package) in catalogue.compare(Manager::Cargo, Some(place), &versions(&before), &versions(&after)) {
            for (installed, side) in [(&before, On::Before), (&after, On::After)] {
                for program in programs(installed, &name) {
                    catalogue.claim(scene, place.join("bin").join(program), package, side);
                }
                catalogue.claim(scene, path.to_owned(), package, side);
                catalogue.claim(scene, place.join(".crates.toml"), package, side);
            }
        }
    }
}

fn parse(text: &str) -> Installed {
    serde_json::from_str(text).unwrap_or_default()
}

/// Name and version of a key: `name 1.2.3 (source)`.
fn named(key: &str) -> Option<(String, String)> {
    let mut words = key.split(' ');
    Some((sane(words.next()?)?, sane(words.next()?)?))
}

fn versions(installed: &Installed) -> Versions {
    installed.installs.keys().filter_map(|key| named(key)).collect()
}

fn programs<'a>(installed: &'a Installed, name: &'a str) -> impl Iterator<Item = &'a String> {
    let of = move |key: &str| named(key).is_some_and(|(found, _)| found == name);
    let safe = |program: &&String| !program.contains('/') && *program != "..";
    installed.installs.iter().filter(move |(key, _)| of(key)).flat_map(|(_, install)| &install.bins).filter(safe)
}
