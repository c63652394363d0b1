//! Where each differing path is told: under a package, in a summary, or by itself.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use exeat_disks::Kind;

use crate::limits;
use crate::model::{Counts, Reason, Summary};
use crate::noise;
use crate::packages::Catalogue;
use crate::walk::Difference;

/// Where a path is told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Group {
    Package(usize),
    Summary(PathBuf, Reason),
    Listed,
}

/// The differences that are told by themselves, and the summaries of others. Packages get their counts.
pub(crate) fn classify<'a>(
    differences: &'a [Difference], catalogue: &mut Catalogue, all: bool,
) -> (Vec<&'a Difference>, Vec<Summary>) {
    let groups = groups(differences, catalogue);
    let mut summaries: BTreeMap<(PathBuf, Reason), Counts> = BTreeMap::new();
    let mut listed = Vec::new();
    for (difference, group) in differences.iter().zip(groups) {
        match group {
            Group::Package(package) => count(&mut catalogue.packages[package].files, difference),
            Group::Summary(folder, reason) if !all => count(summaries.entry((folder, reason)).or_default(), difference),
            Group::Summary(..) | Group::Listed => {
                listed.push(difference);
                continue;
            }
        }
        if all {
            listed.push(difference);
        }
    }
    if !all {
        listed = sum_up_folders(listed, &mut summaries);
    }
    let summary = |((folder, reason), files): ((PathBuf, Reason), Counts)| {
        let folder = folder.to_string_lossy();
        let folder = if folder.starts_with("**") { folder.into_owned() } else { format!("/{folder}") };
        Summary { folder, reason, files }
    };
    (listed, summaries.into_iter().map(summary).collect())
}

/// Each difference's group. A new or gone folder goes with what is in it, where nothing of that is listed.
fn groups(differences: &[Difference], catalogue: &Catalogue) -> Vec<Group> {
    let mut inside: HashMap<&Path, Group> = HashMap::new();
    let mut groups = vec![Group::Listed; differences.len()];
    for (position, difference) in differences.iter().enumerate().rev() {
        let mut group = group_of(difference, catalogue);
        if is_one_sided_folder(difference) {
            match inside.get(difference.path.as_path()) {
                Some(Group::Package(package)) => group = Group::Package(*package),
                Some(other) if group == Group::Listed => group = other.clone(),
                _ => {}
            }
        }
        if let Some(parent) = difference.path.parent() {
            let known = inside.entry(parent).or_insert_with(|| group.clone());
            if group == Group::Listed {
                *known = Group::Listed;
            }
        }
        groups[position] = group;
    }
    groups
}

fn group_of(difference: &Difference, catalogue: &Catalogue) -> Group {
    if runs_as_another(difference) {
        return Group::Listed;
    }
    if let Some(package) = catalogue.owner(difference) {
        return Group::Package(package);
    }
    noise::summary_of(&difference.path).map_or(Group::Listed, |(folder, reason)| Group::Summary(folder, reason))
}

/// A program with set-user-id or set-group-id is told by itself, wherever it is.
fn runs_as_another(difference: &Difference) -> bool {
    difference.after.as_ref().is_some_and(|stat| stat.kind == Kind::File && stat.mode & 0o6000 != 0)
}

/// Sums up whole folders that came or went with more files than anybody reads.
fn sum_up_folders<'a>(
    listed: Vec<&'a Difference>, summaries: &mut BTreeMap<(PathBuf, Reason), Counts>,
) -> Vec<&'a Difference> {
    let mut kept = Vec::new();
    let mut rest = listed.as_slice();
    while let Some(first) = rest.first() {
        let length = if is_one_sided_folder(first) {
            rest.iter().take_while(|difference| difference.path.starts_with(&first.path)).count()
        } else {
            1
        };
        let (members, after) = rest.split_at(length);
        rest = after;
        if length <= limits::FOLDER || members.iter().any(|member| runs_as_another(member)) {
            kept.extend_from_slice(members);
            continue;
        }
        let reason = if first.before.is_none() { Reason::NewFolder } else { Reason::GoneFolder };
        let counts = summaries.entry((first.path.clone(), reason)).or_default();
        members.iter().for_each(|difference| count(counts, difference));
    }
    kept
}

fn is_one_sided_folder(difference: &Difference) -> bool {
    match (&difference.before, &difference.after) {
        (Some(stat), None) | (None, Some(stat)) => stat.kind == Kind::Folder,
        _ => false,
    }
}

fn count(counts: &mut Counts, difference: &Difference) {
    match (&difference.before, &difference.after) {
        (None, _) => counts.added += 1,
        (_, None) => counts.removed += 1,
        _ => counts.changed += 1,
    }
    let size = difference.after.as_ref().filter(|stat| stat.kind == Kind::File).map_or(0, |stat| stat.size);
    counts.bytes = counts.bytes.saturating_add(size);
}
