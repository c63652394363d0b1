//! Who comes in: the address and the token together, and what the cluster holds.

use std::net::IpAddr;
use std::sync::Arc;

use exeat_core::{Cause, limits};
use exeat_proxy::{Guest, Identified, Identify};
use tokio::time::Instant;

use crate::contact::Contact;
use crate::guests::Guests;
use crate::review::Reviews;
use crate::standing::{Proof, Stranger, stand_at};
use crate::view::{Objects, View};

/// Knows pods by where they come from and what they show.
pub(crate) struct Pods {
    pub(crate) view: Arc<View>,
    pub(crate) reviews: Reviews,
    pub(crate) guests: Arc<Guests>,
    pub(crate) contact: Arc<Contact>,
}

impl Identify for Pods {
    fn identify<'a>(&'a self, peer: IpAddr, token: &'a [u8]) -> Identified<'a> {
        Box::pin(self.recognise(peer, token))
    }
}

impl Pods {
    async fn recognise(&self, peer: IpAddr, token: &[u8]) -> Result<Arc<Guest>, Cause> {
        self.contact.check()?;
        let deadline = Instant::now() + limits::CLAIM_TIME;
        let proof = self.prove(peer, token, deadline).await?;
        let standing = self.wait_for(deadline, |objects| stand_at(objects, &proof, peer)).await?;
        self.guests.seat(standing).await
    }

    /// What a token proves. The API server is asked for pods alone, and for each pod one question at a time: what is at no pod's
    /// address cannot make it work, and no pod can keep the others waiting.
    async fn prove(&self, peer: IpAddr, token: &[u8], deadline: Instant) -> Result<Proof, Cause> {
        if let Some(known) = self.reviews.known(token) {
            return Ok(known?);
        }
        let nobody = || Stranger::NotKnown(format!("no sandbox's pod that is known has the address {peer}"));
        let pod = self.wait_for(deadline, |objects| objects.pod_at(peer).cloned().ok_or_else(nobody)).await?;
        let _asking = pod.asking.lock().await;
        match self.reviews.known(token) {
            Some(known) => Ok(known?),
            None => self.reviews.ask(token).await,
        }
    }

    /// Looks until what is looked for is known, or never will be, or the time is over.
    async fn wait_for<T>(
        &self, deadline: Instant, look: impl Fn(&Objects) -> Result<T, Stranger>,
    ) -> Result<T, Stranger> {
        // Before the first look, so that no change falls between.
        let mut bell = self.view.bell();
        loop {
            let stranger = match self.view.look(&look) {
                Ok(found) => return Ok(found),
                Err(stranger) => stranger,
            };
            if !stranger.may_become_known() {
                return Err(stranger);
            }
            match tokio::time::timeout_at(deadline, bell.changed()).await {
                Ok(Ok(())) => {}
                _ => return Err(stranger),
            }
        }
    }
}
