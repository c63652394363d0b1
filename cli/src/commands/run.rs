//! `exeat run -- COMMAND`: a sandbox around a command.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use exeat_control::{HeldSession, OpenSession};
use exeat_local::Spec;

use crate::config::Config;
use crate::gateway;
use crate::problem::Problem;
use crate::state::State;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What kind of agent it is; without it `profile` under `[sandbox]`.
    #[arg(long)]
    profile: Option<String>,
    /// The folder that is mounted read-write at /workspace, where the command starts; without it the current one.
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// A variable for the command; `NAME` alone passes it on from here.
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(crate) fn run(config_path: Option<&Path>, arguments: &Arguments) -> Result<ExitCode, Problem> {
    let config = Config::read(config_path)?;
    let state = State::of(&config)?;
    let runsc = exeat_local::find_runsc(config.sandbox.runsc.as_deref()).map_err(problem)?;
    let sandboxd = exeat_local::find_sandboxd().map_err(problem)?;
    exeat_local::check_host().map_err(problem)?;
    let workspace = match &arguments.workspace {
        Some(workspace) => workspace.clone(),
        None => std::env::current_dir().map_err(Problem::failure)?,
    };
    if !workspace.is_dir() {
        return Err(Problem::input(format!("the workspace `{}` is not a folder", workspace.display()))
            .advise("make it first, or name another with --workspace"));
    }
    let environment = arguments.env.iter().map(|variable| read_variable(variable)).collect::<Result<Vec<_>, _>>()?;

    // The session lives as long as `held`; its connection needs no attention while the sandbox runs.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Problem::failure)?;
    let held = runtime.block_on(open_session(config_path, &config, &state, arguments.profile.as_deref()))?;
    let opened = &held.opened;
    let spec = Spec {
        id: opened.id.clone(),
        state: state.sandboxes().join(&opened.id),
        runsc,
        sandboxd,
        workspace,
        gateway: opened.gateway.clone(),
        ca_certificate: opened.certificate_pem.clone(),
        environment: opened.environment.iter().cloned().chain(environment).collect(),
        home_files: opened.home_files.iter().map(|file| (file.path.clone(), file.text.clone())).collect(),
        ports: opened.ports.clone(),
        command: arguments.command.clone(),
    };
    let code = exeat_local::run(&spec).map_err(problem)?;
    drop(held);
    Ok(ExitCode::from(code))
}

pub(crate) fn problem(error: exeat_local::Error) -> Problem {
    match error {
        exeat_local::Error::Input(input) => Problem::input(input),
        exeat_local::Error::Failed(failure) => Problem::failure(failure),
    }
}

pub(crate) fn read_variable(text: &str) -> Result<(String, String), Problem> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => std::env::var(text)
            .map(|value| (text.to_owned(), value))
            .map_err(|_| Problem::input(format!("the variable `{text}` is not set here")).advise("write `NAME=VALUE`")),
    }
}

/// Asks the gateway for a session.
async fn open_session(
    config_path: Option<&Path>, config: &Config, state: &State, profile: Option<&str>,
) -> Result<HeldSession, Problem> {
    let asked = OpenSession {
        profile: profile.unwrap_or(&config.sandbox.profile).to_owned(),
        user: user(),
        teams: config.sandbox.teams.clone(),
    };
    gateway::reach(config_path, config, state).await?.open(&asked).await.map_err(Problem::failure)
}

/// For whom sandboxes work that this user starts.
pub(crate) fn user() -> String {
    std::env::var("USER").unwrap_or_else(|_| nix::unistd::geteuid().to_string())
}
