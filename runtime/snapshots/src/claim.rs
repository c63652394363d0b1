//! Claims: who uses a namespace's chunks, and who removes them, say so and exclude each other.
//!
//! A take relies on chunks that it finds, and a restore on those that it has checked; a collector removes what no
//! record needs *yet* or *any more*. So each writes a claim, an object of its own, and only then looks for the others'.
//! Whatever the order, at least one of the two sees the other: a collector then goes away, a user waits. Any number of
//! users go together.
//!
//! A claim is renewed as long as its owner lives. One that has not been renewed for [`limits::CLAIM`], by the storage's
//! own clock, belongs to somebody who died. An owner that was held up (a suspended machine, a storage that does not
//! answer) notices by its own clock before others do, and gives up: a take then writes no record, or takes it back
//! before anybody is told of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::backend::{Backend, Object};
use crate::error::Error;
use crate::store::Namespace;
use crate::{limits, random};

/// What a claim is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum For {
    Use,
    Collect,
}

impl For {
    fn prefix(self) -> &'static str {
        match self {
            Self::Use => "use-",
            Self::Collect => "collect-",
        }
    }

    /// Users do not mind each other.
    fn minds(self, other: &str) -> bool {
        self == Self::Collect || other.starts_with(Self::Collect.prefix())
    }
}

/// A claim that is held until it is released. One that is dropped runs out by itself.
pub(crate) struct Claim {
    backend: Backend,
    key: String,
    /// When the last renewal that succeeded was begun.
    renewed: Arc<Mutex<Instant>>,
    stop: Option<oneshot::Sender<()>>,
    renewing: Option<JoinHandle<()>>,
}

impl Namespace {
    /// Claims the namespace's chunks for use. It waits for a collector.
    pub(crate) async fn claim_use(&self) -> Result<Claim, Error> {
        let began = Instant::now();
        loop {
            match self.claim(For::Use).await? {
                Ok(claim) => return Ok(claim),
                Err(_) if began.elapsed() < limits::CLAIM_WAIT => tokio::time::sleep(limits::CLAIM_PAUSE).await,
                Err(rival) => {
                    let why = format!("unused chunks of namespace `{}` are being removed (`{rival}`)", self.name);
                    return Err(Error::Busy(why));
                }
            }
        }
    }

    /// Claims the namespace's chunks for removal.
    pub(crate) async fn claim_collect(&self) -> Result<Claim, Error> {
        let claimed = self.claim(For::Collect).await?;
        claimed.map_err(|rival| {
            let what = "a snapshot is being taken or restored, or another collector is at work";
            Error::Busy(format!("in namespace `{}` {what} (`{rival}`)", self.name))
        })
    }

    /// Says it, then looks. In the way is whoever is named.
    async fn claim(&self, purpose: For) -> Result<Result<Claim, String>, Error> {
        let name = format!("{}{}", purpose.prefix(), random()?);
        let claim = Claim::write(self, &name).await?;
        let rival = match self.backend.list(&self.claims()).await {
            Ok(claims) => rival(&claims, &name, purpose),
            Err(error) => {
                claim.release().await;
                return Err(error);
            }
        };
        let Some(rival) = rival else { return Ok(Ok(claim)) };
        claim.release().await;
        Ok(Err(rival))
    }

    /// Removes the claims of those who died.
    pub(crate) async fn sweep_claims(&self, own: &Claim) -> Result<(), Error> {
        let claims = self.backend.list(&self.claims()).await?;
        let Some(now) = now(&claims, own.name()) else { return Ok(()) };
        for claim in claims.iter().filter(|claim| is_over(claim, now)) {
            self.backend.delete(&format!("{}/{}", self.claims(), claim.name)).await?;
        }
        Ok(())
    }
}

/// Somebody in the way.
fn rival(claims: &[Object], own: &str, purpose: For) -> Option<String> {
    // Where our own claim is missing, somebody else cleans up, or the storage is not consistent.
    let Some(now) = now(claims, own) else { return Some(own.to_owned()) };
    let rival = claims.iter().find(|claim| claim.name != own && purpose.minds(&claim.name) && !is_over(claim, now));
    rival.map(|claim| claim.name.clone())
}

/// The time by the storage's clock, which is that of our own claim.
fn now(claims: &[Object], own: &str) -> Option<SystemTime> {
    claims.iter().find(|claim| claim.name == own).map(|claim| claim.modified)
}

fn is_over(claim: &Object, now: SystemTime) -> bool {
    now.duration_since(claim.modified).is_ok_and(|age| age > limits::CLAIM)
}

impl Claim {
    async fn write(namespace: &Namespace, name: &str) -> Result<Self, Error> {
        let (backend, key) = (namespace.backend.clone(), format!("{}/{name}", namespace.claims()));
        let began = Instant::now();
        backend.put(&key, Bytes::from_static(b"\n")).await?;
        let renewed = Arc::new(Mutex::new(began));
        let (stop, stopped) = oneshot::channel();
        let renewing = tokio::spawn(renew(backend.clone(), key.clone(), Arc::clone(&renewed), stopped));
        Ok(Self { backend, key, renewed, stop: Some(stop), renewing: Some(renewing) })
    }

    fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it can be relied upon for [`limits::CLAIM_MARGIN`] more.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let age = self.renewed.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        if age < limits::CLAIM.saturating_sub(limits::CLAIM_MARGIN) { Ok(()) } else { Err(Error::Overdue) }
    }

    /// Gives it back. Where that fails it runs out.
    pub(crate) async fn release(mut self) {
        drop(self.stop.take());
        if let Some(renewing) = self.renewing.take() {
            // A renewal on its way must not come after the removal.
            let _ = renewing.await;
        }
        let _ = self.backend.delete(&self.key).await;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(renewing) = &self.renewing {
            renewing.abort();
        }
    }
}

/// Renews a claim until it is told to stop.
async fn renew(backend: Backend, key: String, renewed: Arc<Mutex<Instant>>, mut stopped: oneshot::Receiver<()>) {
    loop {
        if tokio::time::timeout(limits::CLAIM_RENEWED, &mut stopped).await.is_ok() {
            return;
        }
        let began = Instant::now();
        // Where it fails, the claim grows old, and its owner notices.
        if backend.put(&key, Bytes::from_static(b"\n")).await.is_ok() {
            *renewed.lock().unwrap_or_else(PoisonError::into_inner) = began;
        }
    }
}
