//! Which packages came, went or changed their version, and which paths are theirs.
//!
//! A package vouches for a path only on the side where its own list names it: a new package cannot cover a change of a
//! file that was there before.

mod apk;
mod cargo;
mod dpkg;
mod npm;
mod pip;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use exeat_disks::{Kind, Tree};

use crate::limits;
use crate::model::{Counts, Manager, PackageChange};
use crate::notes::Notes;
use crate::walk::Difference;

/// What the managers need to know.
pub(crate) struct Scene<'a> {
    pub(crate) before: &'a Tree,
    pub(crate) after: &'a Tree,
    /// All paths that differ.
    paths: HashSet<&'a Path>,
}

/// The packages that differ, and their claims to paths that differ.
#[derive(Default)]
pub(crate) struct Catalogue {
    pub(crate) packages: Vec<PackageChange>,
    files: HashMap<PathBuf, Claim>,
    folders: HashMap<PathBuf, Claim>,
}

/// Which side's list names a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Before,
    After,
}

/// A package's claim to a path, and the sides that it holds on.
#[derive(Default)]
struct Claim {
    package: usize,
    before: bool,
    after: bool,
}

impl Claim {
    fn add(&mut self, package: usize, side: On) {
        self.package = package;
        match side {
            On::Before => self.before = true,
            On::After => self.after = true,
        }
    }

    fn covers(&self, difference: &Difference) -> bool {
        (self.before || difference.before.is_none()) && (self.after || difference.after.is_none())
    }
}

/// All packages that differ.
pub(crate) fn find(before: &Tree, after: &Tree, differences: &[Difference], notes: &mut Notes) -> Catalogue {
    let paths = differences.iter().map(|difference| difference.path.as_path()).collect();
    let scene = Scene { before, after, paths };
    let mut found = Catalogue::default();
    dpkg::find(&scene, &mut found, notes);
    apk::find(&scene, &mut found, notes);
    pip::find(&scene, &mut found, notes);
    npm::find(&scene, &mut found, notes);
    cargo::find(&scene, &mut found, notes);
    if found.packages.len() == limits::PACKAGES {
        notes.push(format!("only the first {} packages are told", limits::PACKAGES));
    }
    found
}

impl<'a> Scene<'a> {
    /// Whether a path differs.
    pub(crate) fn differs(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }

    /// The paths that differ, in order.
    pub(crate) fn paths(&self) -> Vec<&'a Path> {
        let mut paths: Vec<_> = self.paths.iter().copied().collect();
        paths.sort();
        paths
    }

    /// Both trees, with the side that each is.
    pub(crate) fn sides(&self) -> [(&'a Tree, On); 2] {
        [(self.before, On::Before), (self.after, On::After)]
    }

    /// Both sides' text of a file, following symlinks inside the tree; empty where there is none.
    pub(crate) fn texts(&self, path: &Path, limit: u64, notes: &mut Notes) -> (String, String) {
        (text(self.before, path, limit, notes), text(self.after, path, limit, notes))
    }
}

/// A file's text, at most `limit` bytes of it; empty where there is none.
pub(crate) fn text(tree: &Tree, path: &Path, limit: u64, notes: &mut Notes) -> String {
    let Ok(path) = tree.resolve(path) else { return String::new() };
    match tree.stat(&path) {
        Ok(Some(stat)) if stat.kind == Kind::File && stat.size <= limit => {}
        Ok(Some(stat)) if stat.kind == Kind::File => {
            notes.push(format!("`/{}` is too large to be read for packages", path.display()));
            return String::new();
        }
        _ => return String::new(),
    }
    match tree.read(&path, limit) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            notes.push(error.to_string());
            String::new()
        }
    }
}

/// Name to version, on one side.
pub(crate) type Versions = BTreeMap<String, String>;

impl Catalogue {
    /// Adds the packages whose versions differ. Returns their names with their numbers.
    pub(crate) fn compare(
        &mut self, manager: Manager, place: Option<&Path>, before: &Versions, after: &Versions,
    ) -> Vec<(String, usize)> {
        let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let mut added = Vec::new();
        for name in names {
            let (old, new) = (before.get(name), after.get(name));
            if old == new || self.packages.len() >= limits::PACKAGES {
                continue;
            }
            added.push((name.clone(), self.packages.len()));
            self.packages.push(PackageChange {
                manager,
                name: name.clone(),
                place: place.map(|place| format!("/{}", place.to_string_lossy())),
                before: old.cloned(),
                after: new.cloned(),
                files: Counts::default(),
            });
        }
        added
    }

    /// Claims one path for a package on one side, where it differs.
    pub(crate) fn claim(&mut self, scene: &Scene<'_>, path: PathBuf, package: usize, side: On) {
        if scene.differs(&path) {
            self.files.entry(path).or_default().add(package, side);
        }
    }

    /// Claims a folder with all that is in it on one side.
    pub(crate) fn claim_folder(&mut self, path: PathBuf, package: usize, side: On) {
        self.folders.entry(path).or_default().add(package, side);
    }

    /// Whose a difference is.
    pub(crate) fn owner(&self, difference: &Difference) -> Option<usize> {
        let file = self.files.get(&difference.path).filter(|claim| claim.covers(difference));
        let folder = || difference.path.ancestors().find_map(|above| self.folders.get(above));
        file.or_else(|| folder().filter(|claim| claim.covers(difference))).map(|claim| claim.package)
    }
}

/// A name or version as it is told: trimmed, and not absurdly long.
pub(crate) fn sane(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text.chars().count() <= limits::NAME).then(|| text.to_owned())
}

/// An absolute path of a list as a path in a tree.
pub(crate) fn inside(path: &str) -> PathBuf {
    PathBuf::from(path.trim_start_matches('/'))
}
