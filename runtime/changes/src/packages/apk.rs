//! Alpine's packages: `lib/apk/db/installed` (<https://wiki.alpinelinux.org/wiki/Apk_spec>).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Catalogue, On, Scene, Versions, inside, sane};
use crate::limits;
use crate::model::Manager;
use crate::notes::Notes;

/// The database; newer releases have it below `usr`.
const DATABASES: &[&str] = &["lib/apk/db/installed", "usr/lib/apk/db/installed"];

pub(super) fn find(scene: &Scene<'_>, found: &mut Catalogue, notes: &mut Notes) {
    for database in DATABASES.iter().map(Path::new).filter(|database| scene.differs(database)) {
        let (before, after) = scene.texts(database, limits::DATABASE, notes);
        let packages: HashMap<_, _> =
            found.compare(Manager::Apk, None, &installed(&before), &installed(&after)).into_iter().collect();
        for (database, side) in [(&before, On::Before), (&after, On::After)] {
            for (name, path) in files(database) {
                if let Some(package) = packages.get(name) {
                    found.claim(scene, path, *package, side);
                }
            }
        }
    }
}

fn installed(database: &str) -> Versions {
    let mut versions = Versions::new();
    let mut name = None;
    for line in database.lines() {
        match line.split_once(':') {
            Some(("P", value)) => name = sane(value),
            Some(("V", value)) => versions.extend(name.take().zip(sane(value))),
            _ => {}
        }
    }
    versions
}

/// Each file and folder with its package's name.
fn files(database: &str) -> impl Iterator<Item = (&str, PathBuf)> {
    let (mut name, mut folder) = ("", "");
    database.lines().filter_map(move |line| {
        match line.split_once(':')? {
            ("P", value) => name = value,
            ("F", value) => {
                folder = value;
                return Some((name, inside(value)));
            }
            ("R", value) => return Some((name, inside(folder).join(value))),
            _ => {}
        }
        None
    })
}
