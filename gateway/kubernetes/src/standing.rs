//! Who a pod is: from what the API server says of its token to its claim, as a pure function of what is known.
//!
//! ```text
//!   token ─ TokenReview ─▶ Proof: a pod's name and UID        address ─▶ the same pod has it
//!     └─▶ pod (same UID) ─ controller ─▶ Sandbox (same UID) ─ controller or label ─▶ SandboxClaim (same UID)
//! ```

use std::net::IpAddr;

use exeat_core::{Cause, Session};
use exeat_journal::SessionFacts;
use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use tokio_util::sync::CancellationToken;

use crate::AUDIENCE;
use crate::facts::{Key, OwnerKind, PodFacts, SandboxFacts};
use crate::view::{Entry, Objects};

/// The user of a session whose claim names none.
pub(crate) const NOBODY: &str = "unknown";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// What a token proves: it was given to this pod, for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) pod: Key,
    pub(crate) pod_uid: String,
}

/// Who a pod is. Two that are equal are one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) proof: Proof,
    pub(crate) sandbox: Key,
    pub(crate) sandbox_uid: String,
    pub(crate) claim_uid: Option<String>,
    pub(crate) profile: String,
    pub(crate) user: String,
    pub(crate) workflow: Option<String>,
}

/// Who a pod is, and what must not change for it to stay so.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) who: Who,
    /// One for each object that was looked at; cancelled when it is replaced.
    pub(crate) ground: Vec<CancellationToken>,
}

/// Why a pod is nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// Its sandbox is in a pool. A claim may be on its way.
    Unclaimed(Key),
    /// Something is not known, which may be on its way.
    NotKnown(String),
    /// What is known does not agree, or gives no rights.
    Refused(String),
}

impl Stranger {
    /// Whether it is worth waiting for a change.
    pub(crate) fn may_become_known(&self) -> bool {
        !matches!(self, Stranger::Refused(_))
    }
}

impl From<Stranger> for Cause {
    fn from(stranger: Stranger) -> Self {
        match stranger {
            Stranger::Unclaimed(sandbox) => Cause::Unclaimed(sandbox.to_string()),
            Stranger::NotKnown(why) | Stranger::Refused(why) => Cause::Unrecognised(why),
        }
    }
}

impl Who {
    /// The session: the sandbox's name, and the beginning of its claim's UID, so that it is never another's of the same name.
    pub(crate) fn session(&self) -> Session {
        let uid = self.claim_uid.as_ref().unwrap_or(&self.sandbox_uid);
        let short: String = uid.chars().take(8).collect();
        Session {
            id: format!("{}@{short}", self.sandbox),
            profile: self.profile.clone(),
            user: self.user.clone(),
            teams: vec![self.sandbox.namespace.clone()],
        }
    }

    /// What the journal is told besides.
    pub(crate) fn facts(&self) -> SessionFacts {
        SessionFacts {
            namespace: Some(self.sandbox.namespace.clone()),
            sandbox: Some(self.sandbox.name.clone()),
            claim_uid: self.claim_uid.clone(),
            workflow: self.workflow.clone(),
            ..SessionFacts::default()
        }
    }
}

/// What the API server's answer about a token proves.
///
/// # Errors
/// Why it proves nothing.
pub(crate) fn proof(review: &TokenReviewStatus) -> Result<Proof, Stranger> {
    let refused = |why: &str| Stranger::Refused(why.to_owned());
    if review.authenticated != Some(true) {
        return Err(refused("its token is not one that counts now"));
    }
    if !review.audiences.iter().flatten().any(|audience| audience == AUDIENCE) {
        return Err(refused("its token is for somebody else"));
    }
    let user = review.user.as_ref().ok_or_else(|| refused("its token names nobody"))?;
    let named = user.username.as_deref().and_then(|name| name.strip_prefix(SERVICE_ACCOUNT)?.split_once(':'));
    let extra = |name: &str| match user.extra.as_ref().and_then(|extra| extra.get(name)).map(Vec::as_slice) {
        Some([one]) if !one.is_empty() => Some(one.as_str()),
        _ => None,
    };
    match (named, extra(POD_NAME), extra(POD_UID)) {
        (Some((namespace, _)), Some(name), Some(uid)) => {
            Ok(Proof { pod: Key::new(namespace, name), pod_uid: uid.to_owned() })
        }
        _ => Err(refused("its token is not bound to a pod")),
    }
}

/// Who the pod of this proof is, if it is at this address.
///
/// # Errors
/// Why it is nobody.
pub(crate) fn stand_at(objects: &Objects, proof: &Proof, peer: IpAddr) -> Result<Standing, Stranger> {
    let standing = stand(objects, proof)?;
    let pod = pod(objects, proof)?;
    match pod.facts.addresses.contains(&peer) {
        true => Ok(standing),
        // A pod whose addresses are not known yet may still turn out to be there.
        false if pod.facts.addresses.is_empty() => {
            Err(Stranger::NotKnown(format!("the pod `{}` has no address of its own that is known", proof.pod)))
        }
        false => Err(Stranger::Refused(format!("the pod `{}`, whose token it shows, is not at {peer}", proof.pod))),
    }
}

/// Who the pod of this proof is, wherever it is.
///
/// # Errors
/// Why it is nobody.
pub(crate) fn stand(objects: &Objects, proof: &Proof) -> Result<Standing, Stranger> {
    let pod = pod(objects, proof)?;
    let sandbox_key = sandbox_of(pod, proof)?;
    let sandbox = sandbox(objects, pod, proof, &sandbox_key)?;
    let mut ground = vec![pod.replaced.clone(), sandbox.replaced.clone()];
    let mut who = Who {
        proof: proof.clone(),
        sandbox: sandbox_key,
        sandbox_uid: sandbox.facts.uid.clone(),
        claim_uid: None,
        profile: pod.facts.profile.clone().unwrap_or_default(),
        user: NOBODY.to_owned(),
        workflow: None,
    };
    if let Some(uid) = claim_of(&sandbox.facts, &who.sandbox)? {
        let missing = || Stranger::NotKnown(format!("the claim of `{}` is not known", who.sandbox));
        let (key, claim) = objects.claim(&uid).ok_or_else(missing)?;
        if key.namespace != who.sandbox.namespace {
            return Err(Stranger::Refused(format!("the claim of `{}` is in another namespace", who.sandbox)));
        }
        match &claim.facts.sandbox {
            Some(name) if *name == who.sandbox.name => {}
            // Whoever makes a Sandbox can write any claim's UID on it; only the controller writes a claim's status.
            Some(_) => return Err(Stranger::Refused(format!("the claim of `{}` has another sandbox", who.sandbox))),
            None => return Err(Stranger::NotKnown(format!("the claim of `{}` has no sandbox yet", who.sandbox))),
        }
        if claim.facts.is_going {
            return Err(Stranger::Refused(format!("the claim of `{}` is being deleted", who.sandbox)));
        }
        ground.push(claim.replaced.clone());
        who.claim_uid = Some(uid);
        who.workflow.clone_from(&claim.facts.workflow);
        if let Some(profile) = &claim.facts.profile {
            who.profile.clone_from(profile);
        }
        if let Some(user) = &claim.facts.user {
            who.user.clone_from(user);
        }
    }
    if who.profile.is_empty() {
        let why = format!(
            "`{}` has no profile: neither its claim nor its pod has the label `exeat.dev/profile`",
            who.sandbox
        );
        return Err(Stranger::Refused(why));
    }
    Ok(Standing { who, ground })
}

/// The very pod that the token was given to.
fn pod<'a>(objects: &'a Objects, proof: &Proof) -> Result<&'a Entry<PodFacts>, Stranger> {
    let not_known = || Stranger::NotKnown(format!("the pod `{}` is not known", proof.pod));
    let pod = objects.pods.get(&proof.pod).ok_or_else(not_known)?;
    if pod.facts.uid != proof.pod_uid {
        // One of the same name came after it, or is what the watch still has from before it.
        return Err(Stranger::NotKnown(format!(
            "its token is of another pod `{}` than the one that is known",
            proof.pod
        )));
    }
    if pod.facts.has_ended {
        return Err(Stranger::Refused(format!("the pod `{}` has ended", proof.pod)));
    }
    Ok(pod)
}

/// The Sandbox that manages a pod.
fn sandbox_of(pod: &Entry<PodFacts>, proof: &Proof) -> Result<Key, Stranger> {
    match &pod.facts.owner {
        Some(owner) if owner.kind == OwnerKind::Sandbox => Ok(Key::new(&proof.pod.namespace, &owner.name)),
        _ => Err(Stranger::Refused(format!("the pod `{}` is no sandbox's", proof.pod))),
    }
}

/// The very Sandbox that the pod names.
fn sandbox<'a>(
    objects: &'a Objects, pod: &Entry<PodFacts>, proof: &Proof, key: &Key,
) -> Result<&'a Entry<SandboxFacts>, Stranger> {
    let wanted = pod.facts.owner.as_ref().map(|owner| owner.uid.as_str());
    let sandbox = match objects.sandboxes.get(key) {
        Some(sandbox) if Some(sandbox.facts.uid.as_str()) == wanted => sandbox,
        _ => return Err(Stranger::NotKnown(format!("the sandbox `{key}` of this pod is not known"))),
    };
    // Whoever makes a pod can name any Sandbox as its owner.
    match sandbox.facts.pod.as_ref().unwrap_or(&key.name) == &proof.pod.name {
        true => Ok(sandbox),
        false => Err(Stranger::Refused(format!("the pod `{}` is not the one of the sandbox `{key}`", proof.pod))),
    }
}

/// The UID of the claim that a Sandbox is bound to; none where somebody made it directly. It is managed by its claim, or, where
/// nothing manages it, has the claim's UID as a label.
fn claim_of(sandbox: &SandboxFacts, key: &Key) -> Result<Option<String>, Stranger> {
    let disagree = || Stranger::Refused(format!("`{key}` is managed by one and labelled with the UID of another"));
    let owner = sandbox.owner.as_ref().map(|owner| (owner.kind, &owner.uid));
    match (owner, &sandbox.claim_uid) {
        (Some((OwnerKind::Claim, uid)), Some(label)) if uid != label => Err(disagree()),
        (Some((OwnerKind::Claim, uid)), _) => Ok(Some(uid.clone())),
        (Some((OwnerKind::Pool, _)), None) => Err(Stranger::Unclaimed(key.clone())),
        // Between a pool's and a claim's there is nothing: both are changed at once.
        (Some(_), Some(_)) => Err(disagree()),
        (None, Some(label)) => Ok(Some(label.clone())),
        (_, None) if sandbox.is_pooled => Err(Stranger::Unclaimed(key.clone())),
        (_, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests;
