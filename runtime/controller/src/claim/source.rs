//! What a claim's sandbox comes from: a pool's template, or a template, as claims of `v1alpha1` name it.

use std::sync::Arc;

use exeat_api::conversion::{Source, source};
use exeat_api::{Reason, SandboxClaim, SandboxTemplate, SandboxWarmPool};

use super::{Claims, Unbound};
use crate::Key;

impl Claims {
    /// The pools whose sandboxes will do, the best first. They need not be there.
    pub(super) fn pools(&self, claim: &SandboxClaim) -> Vec<Key> {
        let own = Key::of(claim).beside(&claim.spec.warm_pool_ref.name);
        match source(claim) {
            Source::Template { name, pools } if self.world.pools.get(&own).is_none() => {
                let all = self.world.pools.list();
                let of_it = all.iter().filter(|pool| pool.spec.sandbox_template_ref.name == name);
                let mut of_it: Vec<Key> = of_it.map(|pool| Key::of(&**pool)).collect();
                of_it.retain(|pool| pools && pool.namespace == own.namespace);
                of_it.sort();
                of_it
            }
            _ => vec![own],
        }
    }

    /// The template that the claim's sandbox is made from. Before it is said to be missing, the API server itself is asked:
    /// clients give up.
    pub(super) async fn template(&self, claim: &SandboxClaim) -> Result<Arc<SandboxTemplate>, Unbound> {
        let key = Key::of(claim).beside(&claim.spec.warm_pool_ref.name);
        let name = match (self.pool(&key).await?, source(claim)) {
            (Some(pool), _) => pool.spec.sandbox_template_ref.name.clone(),
            (None, Source::Template { name, .. }) => name.to_owned(),
            (None, Source::Pool(name)) => {
                let why = format!("there is no SandboxWarmPool `{name}` in `{}`", key.namespace);
                return Err(Unbound::new(Reason::WarmPoolNotFound, why));
            }
        };
        let (world, key) = (&*self.world, key.beside(&name));
        let template = match world.templates.get(&key) {
            Some(template) => Some(template),
            None => self.calls.look(&world.templates, world, &key).await?.map(Arc::new),
        };
        let why = || format!("there is no SandboxTemplate `{name}` in `{}`", key.namespace);
        template.ok_or_else(|| Unbound::new(Reason::TemplateNotFound, why()))
    }

    async fn pool(&self, key: &Key) -> Result<Option<Arc<SandboxWarmPool>>, Unbound> {
        let world = &*self.world;
        match world.pools.get(key) {
            Some(pool) => Ok(Some(pool)),
            None => Ok(self.calls.look(&world.pools, world, key).await?.map(Arc::new)),
        }
    }
}
