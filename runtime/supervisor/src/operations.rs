//! Operations on sandboxes: begin, write down, carry out, write down. What fails is recovered as after a crash.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use exeat_lifecycle::{Life, Name, Operation, Phase, Refused, Root, Saved, Shutdown, SnapshotId, Step};
use exeat_lifecycle::{SandboxId, Snapshot};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::OwnedMutexGuard;

use crate::error::Error;
use crate::guest::{Guest, Visit};
use crate::sandbox::{Create, Sandbox};
use crate::supervisor::{Entry, Supervisor, blocking, new_sandbox_id, random};
use crate::workshop::Sight;
use crate::{files, limits, memory};

impl Supervisor {
    /// Makes a sandbox, and returns when it answers.
    ///
    /// # Errors
    /// [`Error`]; there is no such sandbox then.
    pub async fn create(&self, create: Create) -> Result<Sandbox, Error> {
        let supervisor = self.clone();
        detached(async move { supervisor.make(create, None).await }).await
    }

    /// Saves a running sandbox's memory and disk, and stops it. Resumed, it goes on where it was.
    ///
    /// # Errors
    /// [`Error`]; it runs on then.
    pub async fn pause(&self, id: &SandboxId) -> Result<Sandbox, Error> {
        self.operate(id, Operation::Pause, "pause", Map::new()).await
    }

    /// Lets a sandbox that does not run go on where it was, or boot where there is no memory of that.
    ///
    /// # Errors
    /// [`Error::Unusable`] where its memory cannot be used: see [`boot`](Self::boot).
    pub async fn resume(&self, id: &SandboxId) -> Result<Sandbox, Error> {
        self.check_time(id)?;
        self.operate(id, Operation::Resume, "resume", Map::new()).await
    }

    /// Starts a sandbox from its disk alone.
    ///
    /// # Errors
    /// [`Error`]; it is as it was then.
    pub async fn boot(&self, id: &SandboxId) -> Result<Sandbox, Error> {
        self.check_time(id)?;
        self.operate(id, Operation::Boot, "boot", Map::new()).await
    }

    /// Puts the state of a snapshot in place of a sandbox's own: with its memory, or its disk alone.
    ///
    /// # Errors
    /// [`Error`]; the sandbox goes on as it was then.
    pub async fn rollback(&self, id: &SandboxId, to: &SnapshotId, with_memory: bool) -> Result<Sandbox, Error> {
        let snapshot = self.snapshot_of(to)?;
        let target = self.usable(&snapshot, with_memory)?;
        // Where the sandbox runs, the start of the other state checks its memory. Where it rests, nothing starts.
        if let (None, Some(memory)) = (self.get(id)?.life.running(), &target.memory) {
            let (image, version) = (self.0.paths.memory(memory), self.0.runsc_version.clone());
            blocking(move || memory::check(&image, &version)).await?;
        }
        let detail = detail("snapshot", to.as_str());
        self.operate(id, Operation::Rollback(target), "rollback", detail).await
    }

    /// Ends a sandbox and removes it. Its snapshots stay.
    ///
    /// # Errors
    /// [`Error`]; what could not be removed is tried again.
    pub async fn delete(&self, id: &SandboxId) -> Result<(), Error> {
        self.operate(id, Operation::Delete, "delete", Map::new()).await?;
        self.sweep().await
    }

    /// Changes when a sandbox's time is over.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn set_shutdown(&self, id: &SandboxId, shutdown: Option<Shutdown>) -> Result<Sandbox, Error> {
        let entry = self.entry(id)?;
        let _turn = self.turn(&entry).await?;
        let mut record = entry.record();
        record.spec.shutdown = shutdown;
        self.write(&entry, record.clone()).await?;
        Ok(record)
    }

    /// Enters a sandbox, waking it where it rests. It stays awake while the visit is held.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn enter(&self, id: &SandboxId) -> Result<Visit, Error> {
        loop {
            let entry = self.entry(id)?;
            if let Some(guest) = entry.guest() {
                return guest.visit().await;
            }
            // Whoever changes it now may leave it running, or resting.
            drop(entry.operating.lock().await);
            match self.resume(id).await {
                Ok(_) | Err(Error::Refused(Refused::Running | Refused::Busy)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a sandbox, in a pool or not.
    pub(crate) async fn make(&self, create: Create, pool: Option<Name>) -> Result<Sandbox, Error> {
        let _kept = self.0.sweeping.read().await;
        let id = new_sandbox_id()?;
        let mut spec = create.spec;
        self.check(&mut spec)?;
        let saved = match &create.from {
            Some(snapshot) => {
                let snapshot = self.snapshot_of(snapshot)?;
                let saved = self.usable(&snapshot, true)?;
                (spec.root, spec.resources) = (snapshot.spec.root, snapshot.spec.resources);
                (spec.workspace, spec.environment) =
                    (snapshot.spec.workspace, merged(snapshot.spec.environment, spec.environment));
                saved
            }
            None => self.base(&mut spec).await?,
        };
        let name = match create.name {
            Some(name) => name,
            None => made_up(pool.as_ref().map_or("sandbox", Name::as_str))?,
        };
        let (life, steps) = Life::create(saved);
        let record = Sandbox {
            id,
            namespace: create.namespace,
            name,
            created: Timestamp::now(),
            spec,
            life,
            pool,
            claim: create.claim,
            origin: create.from,
        };
        let about = record.origin.as_ref().map_or_else(Map::new, |snapshot| detail("snapshot", snapshot.as_str()));
        self.record(&record, "create", about).await?;
        let entry = self.add(record.clone()).await?;
        let turn = Arc::clone(&entry.operating).lock_owned().await;
        self.carry_through(&entry, record, steps, turn).await
    }

    async fn operate(
        &self, id: &SandboxId, operation: Operation, act: &'static str, about: Map<String, Value>,
    ) -> Result<Sandbox, Error> {
        let (supervisor, entry) = (self.clone(), self.entry(id)?);
        // Whoever asked may go away; what was begun goes on.
        detached(async move {
            let turn = supervisor.turn(&entry).await?;
            let _kept = supervisor.0.sweeping.read().await;
            supervisor.compact(&entry, &operation).await?;
            let before = entry.record();
            let (life, steps) = before.life.begin(operation, &before.id)?;
            supervisor.record(&before, act, about).await?;
            let begun = Sandbox { life, ..before };
            supervisor.write(&entry, begun.clone()).await?;
            supervisor.carry_through(&entry, begun, steps, turn).await
        })
        .await
    }

    /// From the first step of an operation that has been written down to its end.
    async fn carry_through(
        &self, entry: &Arc<Entry>, begun: Sandbox, steps: Vec<Step>, turn: OwnedMutexGuard<()>,
    ) -> Result<Sandbox, Error> {
        for step in steps {
            if let Err(error) = self.take(entry, &begun, step).await {
                self.recover(entry).await?;
                return Err(error);
            }
        }
        if begun.life.phase == Phase::Deleting {
            self.bury(entry).await?;
            return Ok(begun);
        }
        let (life, tidying) = begun.life.finish(&begun.id);
        let done = Sandbox { life, ..begun };
        if let Err(error) = self.write(entry, done.clone()).await {
            self.recover(entry).await?;
            return Err(error);
        }
        let (supervisor, entry, record) = (self.clone(), Arc::clone(entry), done.clone());
        tokio::spawn(async move {
            for step in tidying {
                if let Err(error) = supervisor.take(&entry, &record, step).await {
                    tracing::warn!(sandbox = %record.id, %error, "what a sandbox left behind is removed later");
                }
            }
            drop(turn);
            // The image that it was resumed from, the layers that were made one.
            supervisor.0.unswept.store(true, Ordering::SeqCst);
        });
        Ok(done)
    }

    /// Makes of a sandbox that something happened to what it should be. The turn must be the caller's.
    pub(crate) async fn recover(&self, entry: &Entry) -> Result<(), Error> {
        let before = entry.record();
        let (life, steps) = before.life.recover(&before.id, &Sight { supervisor: self, sandbox: &before });
        if life != before.life {
            let about = detail("became", &serde_json::to_string(&life.phase).unwrap_or_default());
            // What there is comes before what is told of it: a full disk must not keep a sandbox between two states.
            if let Err(error) = self.record(&before, "recover", about).await {
                tracing::error!(sandbox = %before.id, %error, "a recovery could not be recorded");
            }
        }
        for step in steps {
            self.take(entry, &before, step).await?;
        }
        if life.phase == Phase::Deleting {
            return self.bury(entry).await;
        }
        if life != before.life {
            self.write(entry, Sandbox { life, ..before }).await?;
        }
        Ok(())
    }

    /// Finds a running sandbox again that an earlier supervisor started.
    pub(crate) async fn adopt(&self, entry: &Entry) -> Result<(), Error> {
        let record = entry.record();
        let Some(number) = record.life.running() else { return Ok(()) };
        let guest = Guest::listen(self.generation(&record, number), number)?;
        if record.pool.is_none() {
            guest.admit(&record, self).await?;
        }
        entry.enter(guest);
        Ok(())
    }

    /// Removes the record of a sandbox of which nothing is left.
    async fn bury(&self, entry: &Entry) -> Result<(), Error> {
        let record = entry.record();
        let (folder, path) = (self.0.paths.sandbox(&record.id), self.0.paths.record(&record.id));
        blocking(move || {
            files::remove(&path)?;
            exeat_disks::remove(&folder).map_err(|error| Error::Failed(error.to_string()))
        })
        .await?;
        self.forget(&record.id);
        Ok(())
    }

    /// The turn to change a sandbox that is there. While another operation is under way there is none; while one tidies up, or
    /// has only begun, it is worth waiting for.
    pub(crate) async fn turn(&self, entry: &Arc<Entry>) -> Result<OwnedMutexGuard<()>, Error> {
        let operating = Arc::clone(&entry.operating);
        let turn = match Arc::clone(&operating).try_lock_owned() {
            Ok(turn) => turn,
            Err(_) if entry.record().life.phase.is_settled() => operating.lock_owned().await,
            Err(_) => return Err(Refused::Busy.into()),
        };
        // Whoever had the turn before may have deleted it.
        self.entry(&entry.record().id)?;
        Ok(turn)
    }

    /// What a new sandbox stands on. An image's own variables join the specification.
    async fn base(&self, spec: &mut exeat_lifecycle::Spec) -> Result<Saved, Error> {
        match &spec.root {
            Root::Host => Ok(Saved { layers: vec![self.skeleton().await?], memory: None }),
            Root::Image(reference) => {
                let (layers, environment) = self.image(reference).await?;
                spec.environment = merged(environment, std::mem::take(&mut spec.environment));
                Ok(Saved { layers, memory: None })
            }
        }
    }

    /// A snapshot's state, where its layers are there.
    fn usable(&self, snapshot: &Snapshot, with_memory: bool) -> Result<Saved, Error> {
        let mut saved = snapshot.saved.clone();
        saved.memory = saved.memory.filter(|_| with_memory);
        for layer in &saved.layers {
            let folder = self.0.paths.layer(layer);
            if !folder.is_dir() {
                let name = folder.file_name().unwrap_or_default().display().to_string();
                return Err(Error::Unusable(format!("the snapshot `{}` lacks its layer `{name}`", snapshot.id)));
            }
        }
        Ok(saved)
    }

    /// Refuses what no sandbox can be, before anything is made.
    fn check(&self, spec: &mut exeat_lifecycle::Spec) -> Result<(), Error> {
        let refused = |input: exeat_local::Input| Error::Input(input.to_string());
        for (name, value) in &spec.environment {
            exeat_local::check_variable(name, value).map_err(refused)?;
        }
        if let Some(workspace) = &mut spec.workspace {
            let state = self.0.paths.sandboxes();
            *workspace = exeat_local::check_workspace(workspace, &[&state]).map_err(refused)?.into();
        }
        let known: Vec<&str> = exeat_core::Group::ALL.iter().map(|group| group.as_str()).collect();
        match spec.snapshots.before.iter().find(|group| !known.contains(&group.as_str())) {
            Some(group) => Err(Error::Input(format!(
                "`{}` is no group of actions: use {}",
                group.escape_debug(),
                known.join(", ")
            ))),
            None => Ok(()),
        }
    }

    fn check_time(&self, id: &SandboxId) -> Result<(), Error> {
        let record = self.get(id)?;
        if record.is_expired(Timestamp::now()) { Err(Error::Expired(record.name.to_string())) } else { Ok(()) }
    }

    /// Makes one layer of a resting sandbox's own ones, where they have become many.
    async fn compact(&self, entry: &Entry, operation: &Operation) -> Result<(), Error> {
        let mut record = entry.record();
        let is_start = matches!(operation, Operation::Resume | Operation::Boot);
        if !is_start
            || !matches!(record.life.phase, Phase::Resting { .. })
            || record.life.saved.layers.len() <= limits::LAYERS
        {
            return Ok(());
        }
        let layers = &record.life.saved.layers;
        // The lowest own layer may be a skeleton, which others share: it stays.
        let own = layers.iter().take_while(|layer| layer.is_own()).count().saturating_sub(1);
        let stack: Vec<_> = layers[..own].iter().map(|layer| self.0.paths.layer(layer)).collect();
        let base: Vec<_> = layers[own..].to_vec();
        let below: Vec<_> = base.iter().map(|layer| self.0.paths.layer(layer)).collect();
        let flat = exeat_lifecycle::Layer::Own(format!("flat-{}", hex(random()?)));
        let into = self.0.paths.layer(&flat);
        blocking(move || {
            exeat_local::flatten(stack, below, &into)?;
            files::sync_all(into.parent().unwrap_or(Path::new("/")))
        })
        .await?;
        record.life.saved.layers = std::iter::once(flat).chain(base).collect();
        self.write(entry, record).await
    }
}

/// Runs an operation to its end, whether or not somebody still waits for it.
pub(crate) async fn detached<T: Send + 'static>(
    operation: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(operation).await.unwrap_or_else(|_| Err(Error::Failed("the operation panicked".to_owned())))
}

pub(crate) fn detail(name: &str, value: &str) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), json!(value))])
}

pub(crate) fn hex(bytes: [u8; 6]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

type Variables = std::collections::BTreeMap<String, String>;

fn merged(mut below: Variables, above: Variables) -> Variables {
    below.extend(above);
    below
}

/// `<prefix>-3f9a2`.
fn made_up(prefix: &str) -> Result<Name, Error> {
    let prefix: String = prefix.chars().take(50).collect();
    Name::parse(&format!("{prefix}-{}", &hex(random()?)[..8])).map_err(|error| Error::Input(error.to_string()))
}
