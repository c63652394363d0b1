//! The start of a supervisor: everything that an earlier one left is found again, put right, or removed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock};

use exeat_lifecycle::Layer;
use tokio::sync::{Mutex as AsyncMutex, RwLock as AsyncRwLock, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::operations::hex;
use crate::paths::Paths;
use crate::sandbox::Sandbox;
use crate::snapshots::Snapshots;
use crate::supervisor::{Config, Entry, Parts, Shared, Supervisor, blocking, random};
use crate::{files, limits};

impl Supervisor {
    /// Opens the sandboxes in a state folder. Those that ran and still live are found again; what was under way when an
    /// earlier supervisor ended is led to its beginning or its end.
    ///
    /// # Errors
    /// [`Error`] where the folder or a record in it cannot be read: what cannot be read must not be taken for absent.
    pub async fn open(config: Config, parts: Parts) -> Result<Self, Error> {
        // The processes of sandboxes whose starters have gone become our children: on a machine whose own process 1
        // takes leave of nobody they would stay as zombies.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|errno| Error::Failed(format!("cannot take in the sandboxes' processes: {errno}")))?;
        let paths = Paths::create(&config.state)?;
        let runsc_version = exeat_local::runsc_version(&config.runsc);
        let images = exeat_images::Store::open(&paths.images(), Arc::new(exeat_local::Unpacker), Default::default())
            .map_err(|error| Error::Failed(error.to_string()))?;
        let snapshots = Snapshots::read(&paths)?;
        let entries = read(&paths)?;
        let supervisor = Supervisor(Arc::new(Shared {
            config,
            paths,
            runsc_version,
            parts,
            entries: RwLock::new(entries),
            snapshots,
            sweeping: AsyncRwLock::new(()),
            unswept: AtomicBool::new(false),
            starts: Semaphore::new(limits::STARTS),
            changes: broadcast::channel(limits::CHANGES).0,
            skeleton: AsyncMutex::new(None),
            image_skeleton: AsyncMutex::new(None),
            images,
            stop: CancellationToken::new(),
        }));
        for entry in supervisor.entries() {
            let _turn = entry.operating.lock().await;
            let recovered = match supervisor.recover(&entry).await {
                Ok(()) => supervisor.adopt(&entry).await,
                failed => failed,
            };
            if let Err(error) = recovered {
                // The clock tries again.
                tracing::error!(sandbox = %entry.record().id, %error, "a sandbox could not be found again");
            }
        }
        supervisor.sweep().await?;
        let stop = supervisor.0.stop.clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(supervisor.clone().fill_pools()));
        tokio::spawn(stop.run_until_cancelled_owned(supervisor.clone().keep_time()));
        Ok(supervisor)
    }

    /// Ends looking after the sandboxes. Those that run go on; those in pools, which are nobody's, are removed.
    pub async fn close(&self) {
        self.0.stop.cancel();
        for entry in self.entries() {
            // One that is being started is waited for.
            drop(entry.operating.lock().await);
            let record = entry.record();
            if record.pool.is_some() {
                self.drop_from_pool(&record).await;
            }
        }
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "what nothing refers to is removed at the next start");
        }
    }

    /// The layer below sandboxes with the host's own tools. It is made once by each supervisor, so that an upgraded
    /// sandboxd or a new CA reaches new sandboxes, and those that there are keep theirs.
    pub(crate) async fn skeleton(&self) -> Result<Layer, Error> {
        let mut skeleton = self.0.skeleton.lock().await;
        if let Some(layer) = skeleton.as_ref() {
            return Ok(layer.clone());
        }
        let layer = Layer::Own(format!("host-{}", hex(random()?)));
        self.lay(&layer, exeat_local::skeleton_of_host).await?;
        Ok(skeleton.insert(layer).clone())
    }

    /// Makes a skeleton's layer, whole or not at all.
    pub(crate) async fn lay(&self, layer: &Layer, build: Build) -> Result<(), Error> {
        let (into, shared) = (self.0.paths.layer(layer), Arc::clone(&self.0));
        blocking(move || {
            let temporary = into.with_extension("tmp");
            std::fs::create_dir(&temporary).map_err(|error| Error::io("make", &temporary, &error))?;
            build(&temporary, &shared.config.sandboxd, &shared.config.ca_certificate)?;
            files::sync_all(&temporary)?;
            std::fs::rename(&temporary, &into).map_err(|error| Error::io("name", &into, &error))
        })
        .await
    }
}

type Build = fn(&Path, &Path, &str) -> Result<(), exeat_local::Error>;

/// The records of all sandboxes. A folder without one is what is left of a sandbox that nobody was told of, or that has
/// been removed.
fn read(paths: &Paths) -> Result<HashMap<exeat_lifecycle::SandboxId, Arc<Entry>>, Error> {
    let folder = paths.sandboxes();
    let mut entries = HashMap::new();
    for entry in std::fs::read_dir(&folder).map_err(|error| Error::io("read", &folder, &error))? {
        let path = entry.map_err(|error| Error::io("read", &folder, &error))?.path();
        let file = path.join("sandbox.json");
        match files::read::<Sandbox>(&file) {
            Ok(record) => {
                entries.insert(record.id.clone(), Entry::new(record));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => leave_nothing(&path)?,
            Err(error) => return Err(Error::io("read", &file, &error)),
        }
    }
    Ok(entries)
}

fn leave_nothing(folder: &Path) -> Result<(), Error> {
    let id = folder.file_name().unwrap_or_default().to_string_lossy();
    for number in crate::workshop::generations(folder) {
        exeat_local::Generation::new(&id, folder.join(number.to_string()), PathBuf::new()).end()?;
    }
    exeat_disks::remove(folder).map_err(|error| Error::Failed(error.to_string()))
}
