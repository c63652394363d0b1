//! The supervisor itself: who there is, and where to find it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use exeat_control::Sessions;
use exeat_images::Store;
use exeat_journal::{AppendError, Event, Journal, SandboxFacts};
use exeat_lifecycle::{Layer, SandboxId, SnapshotId};
use serde_json::{Map, Value};
use tokio::sync::{Mutex as AsyncMutex, RwLock as AsyncRwLock, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::guest::Guest;
use crate::images::ImageSources;
use crate::paths::Paths;
use crate::pools::PoolConfig;
use crate::sandbox::Sandbox;
use crate::snapshots::Snapshots;
use crate::{files, limits};

/// What a supervisor is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder that holds everything.
    pub state: PathBuf,
    /// The `runsc` to use.
    pub runsc: PathBuf,
    /// The `exeat-sandboxd` to use.
    pub sandboxd: PathBuf,
    /// The ports that sandboxes carry names on.
    pub ports: Vec<u16>,
    /// The gateway's CA, in PEM.
    pub ca_certificate: String,
    /// Where images come from.
    pub images: ImageSources,
    /// Pools of sandboxes that are ready before anybody asks.
    pub pools: Vec<PoolConfig>,
}

/// The rooms that a supervisor works with.
pub struct Parts {
    /// Where sandboxes get their sessions.
    pub sessions: Arc<Sessions>,
    /// Where what happens is written.
    pub journal: Journal,
}

/// The sandboxes of one machine. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) paths: Paths,
    /// What this runsc calls itself: images of memory are for it alone.
    pub(crate) runsc_version: String,
    pub(crate) parts: Parts,
    pub(crate) entries: RwLock<HashMap<SandboxId, Arc<Entry>>>,
    pub(crate) snapshots: Snapshots,
    /// Read by whatever makes layers and memories, written by the sweep that removes those that nothing refers to.
    pub(crate) sweeping: AsyncRwLock<()>,
    /// Whether a sweep was put off.
    pub(crate) unswept: AtomicBool,
    pub(crate) starts: Semaphore,
    pub(crate) changes: broadcast::Sender<SandboxId>,
    /// The layer below all sandboxes with the host's tools, once there is one.
    pub(crate) skeleton: AsyncMutex<Option<Layer>>,
    /// The layer above all images, once there is one.
    pub(crate) image_skeleton: AsyncMutex<Option<Layer>>,
    pub(crate) images: Store,
    /// Cancelled when nothing is to be begun any more.
    pub(crate) stop: CancellationToken,
}

/// One sandbox.
pub(crate) struct Entry {
    record: RwLock<Sandbox>,
    /// Held by whoever changes the sandbox.
    pub(crate) operating: Arc<AsyncMutex<()>>,
    guests: Mutex<HashMap<u64, Arc<Guest>>>,
}

impl Entry {
    pub(crate) fn new(record: Sandbox) -> Arc<Self> {
        let (operating, guests) = (Arc::default(), Mutex::default());
        Arc::new(Entry { record: RwLock::new(record), operating, guests })
    }

    pub(crate) fn record(&self) -> Sandbox {
        self.record.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The running generation.
    pub(crate) fn guest(&self) -> Option<Arc<Guest>> {
        let running = self.record.read().unwrap_or_else(PoisonError::into_inner).life.running()?;
        self.guest_of(running)
    }

    pub(crate) fn guest_of(&self, generation: u64) -> Option<Arc<Guest>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner).get(&generation).cloned()
    }

    pub(crate) fn enter(&self, guest: Arc<Guest>) {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner).insert(guest.number, guest);
    }

    pub(crate) fn leave(&self, generation: u64) {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner).remove(&generation);
    }
}

impl Supervisor {
    /// All sandboxes, those in pools too, the oldest first.
    pub fn list(&self) -> Vec<Sandbox> {
        let mut all: Vec<Sandbox> = self.entries().iter().map(|entry| entry.record()).collect();
        all.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.id.cmp(&b.id)));
        all
    }

    /// The sandbox with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn get(&self, id: &SandboxId) -> Result<Sandbox, Error> {
        self.entry(id).map(|entry| entry.record())
    }

    /// The sandbox with this name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn find(&self, namespace: &str, name: &str) -> Result<Sandbox, Error> {
        let is_it = |sandbox: &Sandbox| sandbox.namespace.as_str() == namespace && sandbox.name.as_str() == name;
        let found = self.entries().iter().map(|entry| entry.record()).find(is_it);
        found.ok_or_else(|| Error::NotFound { kind: "sandbox", name: name.to_owned() })
    }

    /// The ids of sandboxes whose records change or are gone, after it is on disk. Who falls behind lists anew.
    pub fn changes(&self) -> broadcast::Receiver<SandboxId> {
        self.0.changes.subscribe()
    }

    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        self.0.entries.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(crate) fn entry(&self, id: &SandboxId) -> Result<Arc<Entry>, Error> {
        let entries = self.0.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(id).cloned().ok_or_else(|| Error::NotFound { kind: "sandbox", name: id.to_string() })
    }

    /// Adds a new sandbox, whose record is on disk when this returns. Two with one name cannot be.
    pub(crate) async fn add(&self, record: Sandbox) -> Result<Arc<Entry>, Error> {
        let entry = Entry::new(record.clone());
        {
            let mut entries = self.0.entries.write().unwrap_or_else(PoisonError::into_inner);
            if entries.len() >= limits::SANDBOXES {
                return Err(Error::Failed(format!("there are {} sandboxes already; delete some", limits::SANDBOXES)));
            }
            let is_taken = |other: &Arc<Entry>| {
                let other = other.record.read().unwrap_or_else(PoisonError::into_inner);
                other.name == record.name && other.namespace == record.namespace
            };
            if entries.values().any(is_taken) {
                return Err(Error::Exists(record.name.to_string()));
            }
            entries.insert(record.id.clone(), Arc::clone(&entry));
        }
        let folder = self.0.paths.sandbox(&record.id);
        let written = std::fs::create_dir(&folder).map_err(|error| Error::io("make", &folder, &error));
        let written = match written {
            Ok(()) => self.write(&entry, record.clone()).await,
            failed => failed,
        };
        if let Err(error) = written {
            self.forget(&record.id);
            let _ = std::fs::remove_dir_all(&folder);
            return Err(error);
        }
        Ok(entry)
    }

    /// Changes a sandbox's record, on disk first.
    pub(crate) async fn write(&self, entry: &Entry, record: Sandbox) -> Result<(), Error> {
        let path = self.0.paths.record(&record.id);
        let copy = record.clone();
        blocking(move || files::write(&path, &copy)).await?;
        let id = record.id.clone();
        *entry.record.write().unwrap_or_else(PoisonError::into_inner) = record;
        let _ = self.0.changes.send(id);
        Ok(())
    }

    pub(crate) fn forget(&self, id: &SandboxId) {
        self.0.entries.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        let _ = self.0.changes.send(id.clone());
    }

    /// Writes into the journal what happened to a sandbox.
    pub(crate) async fn record(&self, sandbox: &Sandbox, act: &str, detail: Map<String, Value>) -> Result<u64, Error> {
        self.0.parts.journal.append(event(sandbox, act, detail)).await.map_err(unwritten)
    }

    /// The same without waiting for the disk: it is there before whatever is recorded later, such as a request that this
    /// makes leave.
    pub(crate) async fn record_soon(
        &self, sandbox: &Sandbox, act: &str, detail: Map<String, Value>,
    ) -> Result<(), Error> {
        self.0.parts.journal.append_soon(event(sandbox, act, detail)).await.map_err(unwritten)
    }
}

fn event(sandbox: &Sandbox, act: &str, detail: Map<String, Value>) -> Event {
    let (id, name) = (sandbox.id.to_string(), sandbox.name.to_string());
    Event::Sandbox(Box::new(SandboxFacts { sandbox: id, name, act: act.to_owned(), detail }))
}

fn unwritten(error: AppendError) -> Error {
    Error::Failed(format!("the journal takes no record: {error}"))
}

/// Six random bytes, for an identifier.
pub(crate) fn random() -> Result<[u8; 6], Error> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).map_err(|_| Error::Failed("this system gives no random bytes".to_owned()))?;
    Ok(bytes)
}

pub(crate) fn new_sandbox_id() -> Result<SandboxId, Error> {
    random().map(SandboxId::new)
}

pub(crate) fn new_snapshot_id() -> Result<SnapshotId, Error> {
    random().map(SnapshotId::new)
}

/// Runs what blocks where it blocks nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Error::Failed("a step panicked".to_owned())))
}
