//! The running gateway, and how it is started where none answers.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use exeat_control::{Client, ClientError};

use crate::assemble::Plan;
use crate::config::Config;
use crate::problem::Problem;
use crate::state::State;

/// How long a gateway that is started here may take until it listens.
const START: Duration = Duration::from_secs(20);

/// The gateway's client, after it has answered. A gateway is started first where none does.
pub(crate) async fn reach(config_path: Option<&Path>, config: &Config, state: &State) -> Result<Client, Problem> {
    let client = Client::new(state.path());
    match client.status().await {
        Ok(_) => Ok(client),
        Err(ClientError::NotRunning(..)) => {
            // What is wrong with the files is said here, not in a log.
            Plan::check(config)?.check_credentials().await?;
            let gateway = start(config_path, state)?;
            wait(&client, gateway, state).await?;
            Ok(client)
        }
        Err(error) => Err(Problem::failure(error)),
    }
}

/// Starts `exeat up` in the background, in a session of its own: a Ctrl-C for the command is not for the gateway.
fn start(config_path: Option<&Path>, state: &State) -> Result<Child, Problem> {
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

/// Waits for its first answer. Once it listens, it may take its time: it looks after the sandboxes that it finds.
async fn wait(client: &Client, mut gateway: Child, state: &State) -> Result<(), Problem> {
    let began = Instant::now();
    loop {
        match client.status().await {
            Ok(_) => return Ok(()),
            Err(ClientError::NotRunning(..) | ClientError::Unexpected(_)) => {}
            Err(error) => return Err(Problem::failure(error)),
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
