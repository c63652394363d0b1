//! Exeat's own service.

use super::{Error, Inside};
use crate::control::{Configure, Listeners, Processes, path};
use crate::process::Empty;
use crate::{Api, limits};

impl Inside {
    /// Gives the sandbox its identity: variables and home files for whatever starts from now on.
    ///
    /// # Errors
    /// [`Error::Refused`] where a name or path cannot be, or the disk is full.
    pub async fn configure(&self, identity: &Configure) -> Result<(), Error> {
        self.unary::<Empty>(Api::Exeat, path::CONFIGURE, identity).await.map(|_| ())
    }

    /// sync(2): what was written inside is on the disks below when it returns.
    ///
    /// # Errors
    /// [`Error::Lost`], [`Error::Broken`].
    pub async fn sync(&self) -> Result<(), Error> {
        self.unary::<Empty>(Api::Exeat, path::SYNC, &Empty {}).await.map(|_| ())
    }

    /// Who runs inside, and how those ended that were started through this API.
    ///
    /// # Errors
    /// [`Error::Broken`] also where there are more than can be.
    pub async fn processes(&self) -> Result<Processes, Error> {
        let answer: Processes = self.unary(Api::Exeat, path::PROCESSES, &Empty {}).await?;
        few(answer.running.len().max(answer.ended.len()))?;
        Ok(answer)
    }

    /// Who listens inside on TCP.
    ///
    /// # Errors
    /// As [`processes`](Inside::processes).
    pub async fn listeners(&self) -> Result<Listeners, Error> {
        let answer: Listeners = self.unary(Api::Exeat, path::LISTENERS, &Empty {}).await?;
        few(answer.listeners.len())?;
        Ok(answer)
    }
}

fn few(entries: usize) -> Result<(), Error> {
    if entries > limits::ENTRIES { Err(Error::Broken(format!("a list has {entries} entries"))) } else { Ok(()) }
}
