//! What all requests share: where files are, who runs, and the environment that was configured.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use exeat_inside::limits as shared;
use exeat_inside::process::ProcessConfig;
use exeat_inside::status::{Code, Status};

use super::place;
use crate::processes::{Launch, Processes, Stdio, Unstartable};

/// The sandbox, as sandboxd knows it.
pub(crate) struct Sandbox {
    /// Where relative paths begin.
    pub(super) root: PathBuf,
    pub(super) processes: Rc<Processes>,
    /// What was configured, over what sandboxd was started with.
    pub(super) identity: RefCell<BTreeMap<String, String>>,
    pub(super) since: Instant,
}

impl Sandbox {
    pub(crate) fn new(root: PathBuf, processes: Rc<Processes>) -> Rc<Self> {
        Rc::new(Sandbox { root, processes, identity: RefCell::default(), since: Instant::now() })
    }

    /// What a configuration of a process asks for, checked.
    pub(super) fn launch(&self, config: Option<ProcessConfig>, stdio: Stdio) -> Result<Launch, Status> {
        let config = config.unwrap_or_default();
        let unfit = |words: &str| Err(Status::new(Code::InvalidArgument, words));
        if config.command.first().is_none_or(String::is_empty) {
            return Err(Unstartable::Empty.into());
        }
        if config.command.len() > shared::WORDS || config.env_vars.len() > shared::WORDS {
            return unfit("a command has at most 16384 words and as many variables");
        }
        if config.command.iter().any(|word| word.contains('\0')) {
            return unfit("a word of the command contains NUL");
        }
        let mut environment = self.environment();
        for (name, value) in config.env_vars {
            check_variable(&name, &value)?;
            environment.insert(name.into(), value.into());
        }
        let folder = match config.cwd.as_deref() {
            None | Some("") => self.root.clone(),
            Some(folder) => place::anywhere(&self.root, folder)?,
        };
        Ok(Launch { words: config.command, environment, folder, stdio })
    }

    /// The home folder of processes.
    pub(super) fn home(&self) -> PathBuf {
        self.environment().get(OsStr::new("HOME")).map_or_else(|| PathBuf::from("/"), PathBuf::from)
    }

    fn environment(&self) -> BTreeMap<OsString, OsString> {
        let mut environment: BTreeMap<_, _> = std::env::vars_os().collect();
        for (name, value) in self.identity.borrow().iter() {
            environment.insert(name.into(), value.into());
        }
        environment
    }
}

/// Refuses what could be no variable.
pub(super) fn check_variable(name: &str, value: &str) -> Result<(), Status> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        let words = format!("`{}` is no variable's name, or its value contains NUL", name.escape_debug());
        return Err(Status::new(Code::InvalidArgument, words));
    }
    Ok(())
}
