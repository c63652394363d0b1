//! A generation of a sandbox that stays: a writable folder above frozen layers, and the processes that use it.
//!
//! ```text
//!   <folder>/ init.json     process 1: who to look for
//!             config.json   the bundle, with rootfs/ as its root
//!             upper/ work/  what was written, by overlayfs
//!             g/            gateway.sock and runtime.sock, at /run/exeat inside
//!             runsc/ …      runsc's own state and log
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use exeat_lifecycle::Resources;

use crate::cgroup::Cgroup;
use crate::error::{Doing, Error, Failure};
use crate::helper::{self, Helper};
use crate::oci::{self, Guest};
use crate::order::{Enter, Keep, Kept, Order, Report, Verb};
use crate::process::Process;
use crate::streams::Streams;
use crate::{environment, keep, limits};

/// One generation, running or not.
#[derive(Clone, Debug)]
pub struct Generation {
    id: String,
    folder: PathBuf,
    runsc: PathBuf,
}

/// What a generation is started with.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// The layers of its disk, the topmost first.
    pub layers: Vec<PathBuf>,
    /// Folders of the host that are mounted read-only at their own path: see [`host_folders`](crate::host_folders).
    pub system: &'a [String],
    /// A folder of the host at `/workspace`; without it, `/workspace` is on the disk.
    pub workspace: Option<&'a Path>,
    /// Variables besides the sandbox's own; on the same name these win.
    pub environment: Vec<(String, String)>,
    /// The ports that are carried for names.
    pub ports: &'a [u16],
    /// The image of the memory that it goes on from; without it, it boots.
    pub memory: Option<PathBuf>,
    /// What it may use.
    pub resources: &'a Resources,
}

impl Generation {
    /// The generation of the sandbox `id` in `folder`, which need not be there yet.
    pub fn new(id: &str, folder: PathBuf, runsc: PathBuf) -> Self {
        Generation { id: id.to_owned(), folder, runsc }
    }

    /// The folder that is at `/run/exeat` inside.
    pub fn sockets(&self) -> PathBuf {
        self.folder.join("g")
    }

    /// The folder with what was written to the disk.
    pub fn upper(&self) -> PathBuf {
        self.folder.join(keep::UPPER)
    }

    /// Makes the generation's folder and the one for its sockets. A folder that is there is left from a start that was not
    /// finished, and is emptied.
    ///
    /// # Errors
    /// [`Failure::Io`].
    pub fn prepare(&self) -> Result<(), Error> {
        self.discard()?;
        let sockets = self.sockets();
        Ok(fs::DirBuilder::new().recursive(true).mode(0o700).create(&sockets).doing_to("make the folder", &sockets)?)
    }

    /// Starts it, and has it stay. Blocks until sandboxd has been started.
    ///
    /// # Errors
    /// [`Error::Failed`]: nothing runs then, and only the folder is left.
    pub fn start(&self, start: &Start<'_>) -> Result<Process, Error> {
        self.write_config(start)?;
        let group = Cgroup::create(&self.group(), start.resources)?;
        let order = Order::Keep(Keep {
            id: self.id.clone(),
            folder: self.folder.clone(),
            runsc: self.runsc.clone(),
            layers: start.layers.clone(),
            memory: start.memory.clone(),
        });
        let helper = Helper::start_in(&order, self.streams()?, group.as_ref())?;
        match self.follow(&helper) {
            Ok(init) => {
                helper.finish(None)?;
                Ok(init)
            }
            Err(failure) => {
                let _ = helper.abandon();
                Err(failure.into())
            }
        }
    }

    /// Hears of process 1, writes it down, and lets it go.
    fn follow(&self, helper: &Helper) -> Result<Process, Failure> {
        let Report::Forked { pid } = helper.hear()? else {
            return Err(Failure::Helper("the sandbox's helper spoke out of turn".to_owned()));
        };
        let init = Process::now(pid).doing("find process 1")?;
        match helper.hear()? {
            Report::Running => {}
            report => return Err(helper::failure(report)),
        }
        let file = self.folder.join(INIT);
        let json = serde_json::to_vec(&init).doing("write down process 1")?;
        fs::write(&file, json).doing_to("write", &file)?;
        helper.tell(&Kept)?;
        Ok(init)
    }

    /// Process 1, where it lives.
    pub fn init(&self) -> Option<Process> {
        let json = fs::read(self.folder.join(INIT)).ok()?;
        serde_json::from_slice::<Process>(&json).ok().filter(Process::is_alive)
    }

    /// Lets nothing in it run any more.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn hold(&self) -> Result<(), Error> {
        self.enter(Verb::Hold)
    }

    /// Lets it run again.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn release(&self) -> Result<(), Error> {
        self.enter(Verb::Release)
    }

    /// Saves memory and processes into `folder`, which must be there and empty. Connections to the gateway break by it.
    ///
    /// # Errors
    /// [`Failure`]; what is in the folder then is of no use.
    pub fn save_memory(&self, folder: &Path) -> Result<(), Error> {
        self.enter(Verb::Checkpoint(folder.to_owned()))
    }

    /// Ends everything that runs of it.
    ///
    /// # Errors
    /// [`Failure::Io`] where the kernel does not end it in time.
    pub fn end(&self) -> Result<(), Error> {
        if let Some(init) = self.init() {
            init.end(limits::END_TIME).doing("end the sandbox's processes")?;
        }
        Cgroup::of(&self.group()).remove();
        Ok(())
    }

    /// Whether it was ended because its memory ran out. To be asked before [`end`](Self::end) forgets it.
    pub fn ran_out_of_memory(&self) -> bool {
        Cgroup::of(&self.group()).out_of_memory() > 0
    }

    /// Removes its folder, where there is one. It must have ended.
    ///
    /// # Errors
    /// [`Failure::Disk`].
    pub fn discard(&self) -> Result<(), Error> {
        if !self.folder.exists() {
            return Ok(());
        }
        Ok(exeat_disks::remove(&self.folder).map_err(Failure::Disk)?)
    }

    fn enter(&self, verb: Verb) -> Result<(), Error> {
        let init = self.init().ok_or_else(|| Failure::Helper("the sandbox has ended".to_owned()))?;
        let (id, folder, runsc) = (self.id.clone(), self.folder.clone(), self.runsc.clone());
        let order = Order::Enter(Enter { init, id, folder, runsc, verb });
        let status = Helper::start(&order, Streams::none())?.finish(None)?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::Helper(format!("the sandbox's helper ended with {status}")).into())
        }
    }

    fn write_config(&self, start: &Start<'_>) -> Result<(), Failure> {
        let ports = start.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
        let variables = environment::variables(&start.environment, std::iter::empty(), environment::has_go());
        let utf8 = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| not_utf8(path));
        let (gateway, workspace) = (utf8(&self.sockets())?, start.workspace.map(utf8).transpose()?);
        let arguments = ["--ports", &ports, "--serve"];
        let guest = Guest {
            arguments: &arguments,
            environment: &variables,
            system: start.system,
            workspace: workspace.as_deref(),
            gateway: &gateway,
            terminal: false,
        };
        let file = self.folder.join("config.json");
        fs::write(&file, serde_json::to_vec(&oci::config(&guest)).doing("write `config.json`")?)
            .doing_to("write", &file)
    }

    /// What sandboxd and runsc say goes into a file, which is of interest where a sandbox ends by itself.
    fn streams(&self) -> Result<Streams, Failure> {
        let path = self.folder.join("log");
        let log = fs::File::create(&path).doing_to("make", &path)?;
        let again = log.try_clone().doing_to("make", &path)?;
        Ok(Streams { stdin: Stdio::null(), stdout: log.into(), stderr: again.into() })
    }

    fn group(&self) -> String {
        let number = self.folder.file_name().unwrap_or_default();
        format!("{}.{}", self.id, number.display())
    }
}

const INIT: &str = "init.json";

fn not_utf8(path: &Path) -> Failure {
    let why = io::Error::new(io::ErrorKind::InvalidInput, "a sandbox's configuration must be UTF-8");
    Failure::Io { doing: format!("use `{}`", path.display()), source: why }
}
