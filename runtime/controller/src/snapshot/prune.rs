//! Snapshots that nobody has asked for do not pile up. Pure.

use std::sync::Arc;

use exeat_api::{ResourceExt, SandboxSnapshot, labels};

use super::is_taken;
use crate::effect::{Effect, Kind};
use crate::limits;

/// Which of a sandbox's snapshots go now that another one of their kind is taken: the oldest of them.
pub(super) fn surplus(latest: &SandboxSnapshot, all: &[Arc<SandboxSnapshot>]) -> Vec<Effect> {
    let Some(occasion) = latest.labels().get(labels::TAKEN_BEFORE) else { return Vec::new() };
    let of_kind = |known: &&Arc<SandboxSnapshot>| {
        known.labels().get(labels::TAKEN_BEFORE) == Some(occasion)
            && known.name_any() != latest.name_any()
            && known.metadata.deletion_timestamp.is_none()
            && is_taken(known)
    };
    let mut others: Vec<_> = all.iter().filter(of_kind).collect();
    others.sort_by_key(|known| (known.status.as_ref().and_then(|status| status.taken_at), known.name_any()));
    let surplus = others.len().saturating_sub(limits::AUTOMATIC - 1);
    others[..surplus].iter().map(|known| Effect::delete(Kind::SandboxSnapshot, &***known)).collect()
}
