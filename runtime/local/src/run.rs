//! A sandbox in the foreground, start to end.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use crate::error::{Doing, Error, Failure};
use crate::helper::Helper;
use crate::oci::Guest;
use crate::order::{Launch, Order};
use crate::rootfs::Rootfs;
use crate::signals::Forwarding;
use crate::spec::{Checked, Spec};
use crate::state::StateFolder;
use crate::streams::Streams;
use crate::terminal::Terminal;
use crate::{environment, oci, rootfs, runsc};

/// Runs the command in a sandbox of its own, with this process's standard input, output and error, and gives the
/// command's exit code: its own, or 128 and the signal's number where one killed it. Signals to this process
/// (SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, and on a terminal SIGWINCH, SIGTSTP, SIGCONT) reach the
/// command. Blocks; one sandbox at a time in one process.
///
/// However it ends, and however this process ends, nothing is left: no process, no mount, no folder.
///
/// # Errors
/// [`Error::Input`] before anything is made, [`Error::Failed`] where the sandbox did not start or was not stopped by
/// its command.
pub fn run(spec: &Spec) -> Result<u8, Error> {
    let checked = spec.check()?;
    let terminal = Terminal::take();
    // Before anything is made, so that no signal finds something half-made and nobody to clean it up.
    let forwarding = Forwarding::begin(terminal.is_some());
    let state = StateFolder::create(&checked.state)?;
    let launch = prepare(&checked, &state, terminal.is_some())?;
    let (streams, pumps) = Streams::of_this_process().doing("make pipes")?;
    let helper = Helper::start(&Order::Launch(launch), streams)?;
    let status = helper.finish(Some(&forwarding));
    pumps.finish();
    let status = status?;
    let Some(code) = status.code().and_then(|code| u8::try_from(code).ok()) else {
        let signal = status.signal().unwrap_or_default();
        return Err(Failure::Helper(format!("the sandbox's helper was killed by signal {signal}")).into());
    };
    match runsc::failure(state.path()) {
        Some(log) if code == runsc::FAILED => Err(Failure::Runsc { log }.into()),
        _ => Ok(code),
    }
}

/// Writes the bundle.
fn prepare(checked: &Checked<'_>, state: &StateFolder, terminal: bool) -> Result<Launch, Failure> {
    let spec = checked.spec;
    let own = rootfs::Own { ca_certificate: &spec.ca_certificate, home_files: &spec.home_files };
    let Rootfs { mut binds, system } = rootfs::build(&state.rootfs(), Path::new("/"), &own)?;
    binds.push(rootfs::sandboxd(&state.rootfs(), &spec.sandboxd));
    let ports = spec.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
    let variables = environment::variables(&spec.environment, environment::of_the_caller(), environment::has_go());
    let arguments: Vec<&str> = ["--ports", &ports, "--"].into_iter().chain(checked.command.iter().copied()).collect();
    let guest = Guest {
        arguments: &arguments,
        environment: &variables,
        system: &system,
        workspace: Some(&checked.workspace),
        gateway: &checked.gateway,
        terminal,
    };
    let config = serde_json::to_vec(&oci::config(&guest));
    fs::write(state.config(), config.doing("write `config.json`")?).doing_to("write", &state.config())?;
    Ok(Launch { id: spec.id.clone(), state: state.path().to_owned(), runsc: spec.runsc.clone(), binds, terminal })
}
