//! Snapshots: taken, kept, and removed with everything that nobody else needs.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLock};

use exeat_lifecycle::{Kind, Layer, Memory, Phase, Refused, SandboxId, Saved, Snapshot, SnapshotId, expired};
use exeat_local::Generation;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::timeout;

use crate::error::Error;
use crate::guest::Guest;
use crate::operations::{detached, detail};
use crate::paths::Paths;
use crate::sandbox::{Sandbox, Take};
use crate::supervisor::{Entry, Supervisor, blocking, new_snapshot_id};
use crate::workshop::end;
use crate::{files, limits};

/// The records of all snapshots.
pub(crate) struct Snapshots(RwLock<HashMap<SnapshotId, Snapshot>>);

impl Snapshots {
    pub(crate) fn read(paths: &Paths) -> Result<Self, Error> {
        let folder = paths.snapshots();
        let mut all = HashMap::new();
        for entry in std::fs::read_dir(&folder).map_err(|error| Error::io("read", &folder, &error))? {
            let path = entry.map_err(|error| Error::io("read", &folder, &error))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let snapshot: Snapshot = files::read(&path).map_err(|error| Error::io("read", &path, &error))?;
            all.insert(snapshot.id.clone(), snapshot);
        }
        Ok(Snapshots(RwLock::new(all)))
    }

    fn all(&self) -> Vec<Snapshot> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn insert(&self, snapshot: Snapshot) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(snapshot.id.clone(), snapshot);
    }

    fn remove(&self, id: &SnapshotId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

impl Supervisor {
    /// All snapshots, the oldest first.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let mut all = self.0.snapshots.all();
        all.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.id.cmp(&b.id)));
        all
    }

    /// The snapshot with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn snapshot_of(&self, id: &SnapshotId) -> Result<Snapshot, Error> {
        let found = self.0.snapshots.all().into_iter().find(|snapshot| snapshot.id == *id);
        found.ok_or_else(|| Error::NotFound { kind: "snapshot", name: id.to_string() })
    }

    /// Takes a snapshot. A running sandbox is held still for as long as that takes. A live one breaks its connections to
    /// the outside; one of the disk alone does not.
    ///
    /// # Errors
    /// [`Error`]; the sandbox runs on, and there is no such snapshot.
    pub async fn snapshot(&self, id: &SandboxId, take: Take) -> Result<Snapshot, Error> {
        let (supervisor, entry) = (self.clone(), self.entry(id)?);
        detached(async move {
            let turn = supervisor.turn(&entry).await?;
            let snapshot = {
                let _kept = supervisor.0.sweeping.read().await;
                supervisor.take_snapshot(&entry, take).await
            };
            drop(turn);
            if snapshot.is_err() {
                supervisor.sweep().await?;
            }
            snapshot
        })
        .await
    }

    async fn take_snapshot(&self, entry: &Entry, take: Take) -> Result<Snapshot, Error> {
        let record = entry.record();
        let id = new_snapshot_id()?;
        let (saved, bytes) = match (&record.life.phase, entry.guest()) {
            (Phase::Running { .. }, Some(guest)) => self.save_running(&guest, &record, &id, take.kind).await?,
            (Phase::Resting { .. }, _) => (record.life.saved.clone(), 0),
            _ => return Err(Refused::Busy.into()),
        };
        let kind = if saved.memory.is_some() { Kind::Live } else { Kind::Disk };
        let mut about = detail("snapshot", id.as_str());
        about.insert("kind".to_owned(), json!(kind));
        about.insert("cause".to_owned(), json!(take.cause));
        let journal_sequence = self.record(&record, "snapshot", about).await?;
        let snapshot = Snapshot {
            id,
            sandbox: record.id,
            sandbox_name: record.name.to_string(),
            created: Timestamp::now(),
            label: take.label,
            cause: take.cause,
            kind,
            saved,
            spec: record.spec,
            bytes,
            journal_sequence,
        };
        let (path, copy) = (self.0.paths.snapshot(&snapshot.id), snapshot.clone());
        blocking(move || files::write(&path, &copy)).await?;
        self.0.snapshots.insert(snapshot.clone());
        Ok(snapshot)
    }

    /// Saves the state of a sandbox that goes on running, and gives the bytes that it took.
    async fn save_running(
        &self, guest: &Guest, record: &Sandbox, id: &SnapshotId, kind: Kind,
    ) -> Result<(Saved, u64), Error> {
        if kind == Kind::Disk {
            // A live snapshot has gVisor write down what it holds back; here the kernel inside has to be asked.
            let synced = timeout(limits::SYNC_TIME, async { guest.ready().await?.sync().await.map_err(Error::from) });
            synced
                .await
                .unwrap_or_else(|_| Err(Error::Failed("the sandbox does not write down its files".to_owned())))?;
        }
        let mut connection = guest.connection();
        let generation = guest.generation.clone();
        let holding = generation.clone();
        blocking(move || Ok(holding.hold()?)).await?;
        let saved = self.save_held(guest, record, id, kind).await;
        let released = async {
            let released = blocking(move || let_go(&generation)).await;
            if kind == Kind::Live {
                // Its connection is broken, which may show only at the next request: that one must not be lost.
                let redialled = async { connection.changed().await.is_ok() && guest.ready().await.is_ok() };
                if !timeout(limits::REDIAL_TIME, redialled).await.unwrap_or(false) {
                    tracing::warn!(sandbox = %record.id, "sandboxd has not dialled again after a live snapshot");
                }
            }
            released
        };
        // It runs on while what was saved is made durable.
        let (released, kept) = tokio::join!(released, self.keep(saved));
        released?;
        kept
    }

    async fn save_held(
        &self, guest: &Guest, record: &Sandbox, id: &SnapshotId, kind: Kind,
    ) -> Result<(Saved, u64), Error> {
        let layer = Layer::of_snapshot(id);
        let mut saved = record.life.saved.topped(layer.clone());
        if kind == Kind::Live {
            let memory = Memory::of_snapshot(id);
            self.checkpoint(guest.generation.clone(), &memory).await?;
            saved.memory = Some(memory);
        }
        let previous = guest.captured.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let previous = previous.map(|layer| self.0.paths.layer(&layer)).filter(|folder| folder.is_dir());
        let (upper, into) = (guest.generation.upper(), self.0.paths.layer(&layer));
        let bytes = blocking(move || Ok(exeat_local::capture(&upper, previous.as_deref(), &into)?)).await?;
        *guest.captured.lock().unwrap_or_else(PoisonError::into_inner) = Some(layer);
        Ok((saved, bytes))
    }

    /// Makes durable what was saved, and gives the bytes that it takes.
    async fn keep(&self, saved: Result<(Saved, u64), Error>) -> Result<(Saved, u64), Error> {
        let (saved, mut bytes) = saved?;
        match &saved.memory {
            Some(memory) => {
                self.seal(memory).await?;
                let folder = self.0.paths.memory(memory);
                bytes += blocking(move || usage(&folder)).await?;
            }
            None => {
                let layers = self.0.paths.layers();
                blocking(move || files::sync_all(&layers)).await?;
            }
        }
        Ok((saved, bytes))
    }

    /// Deletes a snapshot, and gives back the space that nobody else needs.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn delete_snapshot(&self, id: &SnapshotId) -> Result<(), Error> {
        self.snapshot_of(id)?;
        let path = self.0.paths.snapshot(id);
        blocking(move || files::remove(&path)).await?;
        self.0.snapshots.remove(id);
        self.sweep().await
    }

    /// Deletes those automatic snapshots of a sandbox that its rule does not keep.
    pub(crate) async fn retain(&self, record: &Sandbox) -> Result<(), Error> {
        let mut own = self.snapshots();
        own.retain(|snapshot| snapshot.sandbox == record.id);
        for id in expired(&own, &record.spec.snapshots.keep, Timestamp::now()) {
            self.delete_snapshot(&id).await?;
        }
        Ok(())
    }

    /// Removes layers and images of memory that nothing refers to. While somebody makes some, that is put off to the next
    /// tick of the clock: who pulls an image for minutes must not have everybody else wait.
    pub(crate) async fn sweep(&self) -> Result<(), Error> {
        let Ok(_alone) = self.0.sweeping.try_write() else {
            self.0.unswept.store(true, Ordering::SeqCst);
            return Ok(());
        };
        let mut kept: HashSet<PathBuf> = HashSet::new();
        for skeleton in [&self.0.skeleton, &self.0.image_skeleton] {
            kept.extend(skeleton.lock().await.iter().map(|layer| self.0.paths.layer(layer)));
        }
        let mut layers = HashSet::new();
        for entry in self.entries() {
            let record = entry.record();
            let (own, memories) = record.life.keeps(&record.id);
            layers.extend(own);
            kept.extend(memories.iter().map(|memory| self.0.paths.memory(memory)));
        }
        for snapshot in self.snapshots() {
            layers.extend(snapshot.saved.layers);
            kept.extend(snapshot.saved.memory.iter().map(|memory| self.0.paths.memory(memory)));
        }
        kept.extend(layers.iter().map(|layer| self.0.paths.layer(layer)));
        let folders = [self.0.paths.layers(), self.0.paths.memories()];
        blocking(move || folders.iter().try_for_each(|folder| remove_others(folder, &kept))).await?;
        self.collect_images(&layers).await
    }
}

/// Lets a held sandbox run on. One that cannot be let go is ended: its disk is kept, and it is found to be lost.
fn let_go(generation: &Generation) -> Result<(), Error> {
    let released = generation.release();
    if released.is_err() {
        end(generation)?;
    }
    Ok(released?)
}

/// Removes what is in `folder` and not kept. What stands beside a kept folder, with another extension, is kept with it.
fn remove_others(folder: &Path, kept: &HashSet<PathBuf>) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder).map_err(|error| Error::io("read", folder, &error))? {
        let path = entry.map_err(|error| Error::io("read", folder, &error))?.path();
        let is_index = path.extension().is_some_and(|extension| extension == "index");
        if kept.contains(&path) || (is_index && kept.contains(&path.with_extension(""))) {
            continue;
        }
        let removed = if path.is_dir() {
            exeat_disks::remove(&path).map_err(|error| Error::Failed(error.to_string()))
        } else {
            std::fs::remove_file(&path).map_err(|error| Error::io("remove", &path, &error))
        };
        removed?;
    }
    Ok(())
}

fn usage(folder: &Path) -> Result<u64, Error> {
    exeat_disks::usage(folder).map(|usage| usage.bytes).map_err(|error| Error::Failed(error.to_string()))
}
