//! What a claim's sandbox is to come from.

use serde_json::Value;

use super::kinds::{ANY_OF_TEMPLATE, CLAIM_NOTE};
use crate::SandboxClaim;

/// What a claim's sandbox is to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'c> {
    /// A pool, by its name.
    Pool(&'c str),
    /// A template, as a claim of `v1alpha1` names it. A pool of the name that stands for it goes before, if there is one.
    Template {
        /// The template's name.
        name: &'c str,
        /// Whether a sandbox that waits in one of its pools will do.
        pools: bool,
    },
}

/// What a claim's sandbox is to come from.
pub fn source(claim: &SandboxClaim) -> Source<'_> {
    let pool = claim.spec.warm_pool_ref.name.as_str();
    let noted = claim.metadata.annotations.as_ref().and_then(|annotations| annotations.get(CLAIM_NOTE));
    let noted: Value = noted.and_then(|noted| serde_json::from_str(noted).ok()).unwrap_or_default();
    match (pool.strip_prefix(ANY_OF_TEMPLATE), noted["spec"]["warmpool"].as_str()) {
        // It was said to be a pool of just this name.
        (Some(_), Some(said)) if said == pool => Source::Pool(pool),
        (Some(name), said) if !name.is_empty() => {
            let same = noted["spec"]["sandboxTemplateRef"]["name"].as_str() == Some(name);
            Source::Template { name, pools: !(same && said == Some("none")) }
        }
        _ => Source::Pool(pool),
    }
}

/// The name of the pool that a claim of this template has in `v1beta1`, where it named no pool. There need not be one.
pub fn pool_of_template(template: &str) -> String {
    format!("{ANY_OF_TEMPLATE}{template}")
}
