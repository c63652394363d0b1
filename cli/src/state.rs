//! The state folder: what is kept between runs, and what a running gateway is reached by.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::problem::Problem;

/// The folder, and what is where in it.
pub(crate) struct State(PathBuf);

impl State {
    /// The configured folder, or `$XDG_STATE_HOME/exeat`, or `~/.local/state/exeat`.
    pub(crate) fn of(config: &Config) -> Result<Self, Problem> {
        if let Some(state) = &config.gateway.state {
            return Ok(State(state.clone()));
        }
        let base = std::env::var_os("XDG_STATE_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state")));
        let base = base.ok_or_else(|| {
            Problem::input("there is no folder for state: HOME is not set")
                .advise("set `state` under `[gateway]` in exeat.toml")
        })?;
        Ok(State(base.join("exeat")))
    }

    /// Makes the folder for its owner alone, or refuses one that others could change.
    pub(crate) fn create(&self) -> Result<(), Problem> {
        let fails = |error: std::io::Error| Problem::failure(format!("`{}`: {error}", self.0.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(fails)?;
        let found = self.0.metadata().map_err(fails)?;
        if found.permissions().mode() & 0o022 != 0 || found.uid() != nix::unistd::geteuid().as_raw() {
            let message = format!("`{}` could be changed by others", self.0.display());
            return Err(
                Problem::input(message).advise("make it yours alone: `chown` it to yourself and `chmod 700` it")
            );
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn certificates(&self) -> PathBuf {
        self.0.join("ca")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// The token of the API server and the router, what they keep, and the files by which clients find them.
    pub(crate) fn api(&self) -> PathBuf {
        self.0.join("api")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.0.join("index")
    }

    /// Where the gateway that `exeat run` starts by itself writes its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("gateway.log")
    }

    /// The folders of sandboxes that are running.
    pub(crate) fn sandboxes(&self) -> PathBuf {
        self.0.join("b")
    }
}
