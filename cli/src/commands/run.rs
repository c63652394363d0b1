//! `exeat run -- COMMAND`: a sandbox around a command.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use exeat_control::{Client, ClientError, HeldSession, OpenSession};
use exeat_local::Spec;

use crate::assemble::Plan;
use crate::config::Config;
use crate::problem::Problem;
use crate::state::State;

/// How long a gateway that is started here may take to be ready.
const START: Duration = Duration::from_secs(20);

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

fn problem(error: exeat_local::Error) -> Problem {
    match error {
        exeat_local::Error::Input(input) => Problem::input(input),
        exeat_local::Error::Failed(failure) => Problem::failure(failure),
    }
}

fn read_variable(text: &str) -> Result<(String, String), Problem> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => std::env::var(text)
            .map(|value| (text.to_owned(), value))
            .map_err(|_| Problem::input(format!("the variable `{text}` is not set here")).advise("write `NAME=VALUE`")),
    }
}

/// Asks the gateway for a session, and starts a gateway first where none answers.
async fn open_session(
    config_path: Option<&Path>, config: &Config, state: &State, profile: Option<&str>,
) -> Result<HeldSession, Problem> {
    let client = Client::new(state.path());
    let asked = OpenSession {
        profile: profile.unwrap_or(&config.sandbox.profile).to_owned(),
        user: user(),
        teams: config.sandbox.teams.clone(),
    };
    match client.open(&asked).await {
        Err(ClientError::NotRunning(..)) => {
            // What is wrong with the files is said here, not in a log.
            Plan::check(config)?.check_credentials().await?;
            let gateway = start_gateway(config_path, state)?;
            wait_for_session(&client, &asked, gateway, state).await
        }
        other => other.map_err(Problem::failure),
    }
}

/// Starts `exeat up` in the background, in a session of its own: a Ctrl-C for the command is not for the gateway.
fn start_gateway(config_path: Option<&Path>, state: &State) -> Result<Child, Problem> {
    state.create()?;
    let log = state.log();
    let fails = |error: std::io::Error| Problem::failure(format!("the gateway cannot be started: {error}"));
    let output = OpenOptions::new().create(true).append(true).open(&log).map_err(fails)?;
    let mut command = Command::new(std::env::current_exe().map_err(fails)?);
    if let Some(path) = config_path {
        command.arg("--config").arg(path);
    }
    command.args(["up", "--until-idle"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
    command.process_group(0).spawn().map_err(fails)
}

async fn wait_for_session(
    client: &Client, asked: &OpenSession, mut gateway: Child, state: &State,
) -> Result<HeldSession, Problem> {
    let began = Instant::now();
    loop {
        match client.open(asked).await {
            Err(ClientError::NotRunning(..)) => {}
            other => return other.map_err(Problem::failure),
        }
        let ended = gateway.try_wait().map_err(Problem::failure)?;
        if ended.is_some() || began.elapsed() > START {
            let _ = gateway.kill();
            return Err(Problem::failure("the gateway did not start").advise(last_lines(&state.log())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(12).collect();
    format!("{} ends with:\n{}", log.display(), lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
}

/// For whom sandboxes work that this user starts.
pub(crate) fn user() -> String {
    std::env::var("USER").unwrap_or_else(|_| nix::unistd::geteuid().to_string())
}
