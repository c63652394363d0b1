//! The sandbox that a claim has already.

use std::sync::Arc;

use exeat_api::{Reason, Sandbox, SandboxClaim};
use kube::ResourceExt;

use super::Unbound;
use crate::Key;
use crate::world::World;

/// The claim's sandbox, by whom it says that it belongs to: the one record of a binding that cannot be half written.
/// A sandbox of the claim's own name that is another's can never be the claim's.
pub(super) fn bound(world: &World, claim: &SandboxClaim) -> Result<Option<Arc<Sandbox>>, Unbound> {
    let uid = claim.uid().unwrap_or_default();
    if let Some(sandbox) = world.sandbox_of(&uid) {
        return Ok(Some(sandbox));
    }
    let name = claim.name_any();
    match world.sandboxes.get(&Key::of(claim)) {
        None => Ok(None),
        Some(_) => Err(Unbound::new(
            Reason::AdoptionConflict,
            format!(
                "the sandbox `{name}` is not controlled by the claim `{name}`: use another name, or delete that sandbox"
            ),
        )),
    }
}
