//! Files that are the same at another path.

use std::collections::HashMap;

use exeat_disks::{Kind, Stat, Time, Tree};

use crate::limits;
use crate::walk::{Difference, same_bytes};

/// Pairs of positions: a removed file, and the added one that is the same. Size and time of change are equal, which a
/// renaming keeps, and then the bytes are compared.
pub(crate) fn find(before: &Tree, after: &Tree, listed: &[&Difference]) -> Vec<(usize, usize)> {
    let mut gone: HashMap<(u64, Time), Vec<usize>> = HashMap::new();
    for (position, difference) in listed.iter().enumerate() {
        if let (Some(stat), None) = (eligible(difference.before.as_ref()), &difference.after) {
            let candidates = gone.entry((stat.size, stat.modified)).or_default();
            if candidates.len() < limits::RENAME_CANDIDATES {
                candidates.push(position);
            }
        }
    }
    let mut pairs = Vec::new();
    for (position, difference) in listed.iter().enumerate() {
        let (None, Some(stat)) = (&difference.before, eligible(difference.after.as_ref())) else { continue };
        let Some(candidates) = gone.get_mut(&(stat.size, stat.modified)) else { continue };
        let is_same = |candidate: &usize| {
            let old = &listed[*candidate].path;
            same_bytes((before, old), (after, &difference.path)).unwrap_or(false)
        };
        if let Some(chosen) = candidates.iter().position(is_same) {
            pairs.push((candidates.remove(chosen), position));
        }
    }
    pairs
}

fn eligible(stat: Option<&Stat>) -> Option<&Stat> {
    stat.filter(|stat| stat.kind == Kind::File && limits::RENAMED.contains(&stat.size))
}
