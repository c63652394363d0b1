//! The steps of operations, carried out.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use exeat_lifecycle::{Memory, Observed, Saved, Step};
use exeat_local::{Generation, Start};

use crate::error::Error;
use crate::guest::Guest;
use crate::sandbox::Sandbox;
use crate::supervisor::{Entry, Supervisor, blocking};
use crate::{files, memory};

impl Supervisor {
    /// Carries out one step.
    pub(crate) async fn take(&self, entry: &Entry, sandbox: &Sandbox, step: Step) -> Result<(), Error> {
        match step {
            Step::Start { generation, from } => self.start(entry, sandbox, generation, from).await,
            Step::Hold(number) => {
                let generation = self.generation(sandbox, number);
                blocking(move || Ok(generation.hold()?)).await
            }
            Step::Release(number) => {
                let generation = self.generation(sandbox, number);
                blocking(move || Ok(generation.release()?)).await
            }
            Step::SaveMemory { generation, memory } => {
                let generation = self.generation(sandbox, generation);
                self.checkpoint(generation, &memory).await?;
                self.seal(&memory).await
            }
            Step::End(number) => {
                entry.leave(number);
                let generation = self.generation(sandbox, number);
                blocking(move || end(&generation)).await
            }
            Step::Freeze { generation, layer } => {
                let upper = self.generation(sandbox, generation).upper();
                let (layer, layers) = (self.0.paths.layer(&layer), self.0.paths.layers());
                blocking(move || freeze(&upper, &layer, &layers)).await
            }
            Step::Discard(number) => {
                let generation = self.generation(sandbox, number);
                blocking(move || Ok(generation.discard()?)).await
            }
            Step::Remove => self.remove(entry, sandbox).await,
        }
    }

    pub(crate) fn generation(&self, sandbox: &Sandbox, number: u64) -> Generation {
        let folder = self.0.paths.generation(&sandbox.id, number);
        Generation::new(sandbox.id.as_str(), folder, self.0.config.runsc.clone())
    }

    async fn start(&self, entry: &Entry, sandbox: &Sandbox, number: u64, from: Saved) -> Result<(), Error> {
        let _place = self.0.starts.acquire().await;
        let generation = self.generation(sandbox, number);
        let layers = from.layers.iter().map(|layer| self.0.paths.layer(layer)).collect();
        let image = from.memory.as_ref().map(|memory| self.0.paths.memory(memory));
        let (preparing, checked, version) = (generation.clone(), image.clone(), self.0.runsc_version.clone());
        blocking(move || {
            checked.map_or(Ok(()), |image| memory::check(&image, &version))?;
            Ok(preparing.prepare()?)
        })
        .await?;
        // Before the start, so that sandboxd and the agent's first request find them.
        let guest = Guest::listen(generation.clone(), number)?;
        let opened = match &sandbox.pool {
            None => Some(guest.admit(sandbox, self).await?),
            Some(_) => None,
        };
        let shared = Arc::clone(&self.0);
        let spec = sandbox.spec.clone();
        blocking(move || {
            let system = match spec.root {
                exeat_lifecycle::Root::Host => exeat_local::host_folders(),
                exeat_lifecycle::Root::Image(_) => Vec::new(),
            };
            generation.start(&Start {
                layers,
                system: &system,
                workspace: spec.workspace.as_deref(),
                environment: spec.environment.into_iter().collect(),
                ports: &shared.config.ports,
                memory: image,
                resources: &spec.resources,
            })?;
            Ok(())
        })
        .await?;
        match opened {
            Some(opened) => guest.configure(sandbox, opened).await?,
            None => drop(guest.ready().await?),
        }
        entry.enter(guest);
        Ok(())
    }

    /// Saves a held generation's memory where it counts for nothing until it is sealed.
    pub(crate) async fn checkpoint(&self, generation: Generation, memory: &Memory) -> Result<(), Error> {
        let folder = self.0.paths.memory(memory);
        blocking(move || {
            let temporary = folder.with_extension("tmp");
            let _ = fs::remove_dir_all(&temporary);
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir(&temporary).map_err(|error| Error::io("make", &temporary, &error))?;
            Ok(generation.save_memory(&temporary)?)
        })
        .await
    }

    /// Makes a saved memory durable, with everything else that has been written so far, and gives it its name.
    pub(crate) async fn seal(&self, memory: &Memory) -> Result<(), Error> {
        let folder = self.0.paths.memory(memory);
        let version = self.0.runsc_version.clone();
        blocking(move || memory::seal(&folder.with_extension("tmp"), &folder, &version)).await
    }

    /// Ends whatever lives of a sandbox, and removes everything of it but its record.
    async fn remove(&self, entry: &Entry, sandbox: &Sandbox) -> Result<(), Error> {
        let folder = self.0.paths.sandbox(&sandbox.id);
        for number in generations(&folder) {
            entry.leave(number);
            let generation = self.generation(sandbox, number);
            blocking(move || {
                end(&generation)?;
                Ok(generation.discard()?)
            })
            .await?;
        }
        Ok(())
    }
}

/// The generations that have a folder.
pub(crate) fn generations(sandbox: &Path) -> Vec<u64> {
    let entries = fs::read_dir(sandbox).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Makes an ended generation's writable folder a layer. Done twice is done once.
fn freeze(upper: &Path, layer: &Path, layers: &Path) -> Result<(), Error> {
    if layer.exists() && !upper.exists() {
        return Ok(());
    }
    fs::rename(upper, layer).map_err(|error| Error::io("freeze", upper, &error))?;
    files::sync_all(layers)
}

/// Ends everything that runs of a generation.
pub(crate) fn end(generation: &Generation) -> Result<(), Error> {
    let init = generation.init();
    generation.end()?;
    init.iter().for_each(take_leave);
    Ok(())
}

/// Process 1 of a sandbox that we started is our child, since we take in those whose parents have gone.
fn take_leave(init: &exeat_local::Process) {
    if let Some(pid) = rustix::process::Pid::from_raw(init.pid) {
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
    }
}

/// What is there of one sandbox.
pub(crate) struct Sight<'a> {
    pub(crate) supervisor: &'a Supervisor,
    pub(crate) sandbox: &'a Sandbox,
}

impl Observed for Sight<'_> {
    fn is_alive(&self, generation: u64) -> bool {
        self.supervisor.generation(self.sandbox, generation).init().is_some()
    }

    fn is_saved(&self, memory: &Memory) -> bool {
        memory::is_sealed(&self.supervisor.0.paths.memory(memory))
    }

    fn ran_out_of_memory(&self, generation: u64) -> bool {
        self.supervisor.generation(self.sandbox, generation).ran_out_of_memory()
    }
}
