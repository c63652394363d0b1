//! Runs a command in a sandbox, with nothing but what is named: `sandbox WORKSPACE GATEWAY_FOLDER COMMAND…`.
//! The integration tests run sandboxes through it, since a helper must be a program that enters if asked.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, id};

use exeat_local::{Error, Spec};

fn main() -> ExitCode {
    exeat_local::enter_if_asked();
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("sandbox: {error}");
            ExitCode::from(if matches!(error, Error::Input(_)) { 2 } else { 1 })
        }
    }
}

fn run() -> Result<u8, Error> {
    let mut words = std::env::args_os().skip(1);
    let mut path = || PathBuf::from(words.next().unwrap_or_default());
    let (workspace, gateway) = (path(), path());
    let ca_certificate = std::fs::read_to_string(gateway.join("ca.pem")).unwrap_or_default();
    let name = format!("example-{}", id());
    let spec = Spec {
        state: gateway.parent().unwrap_or(Path::new("/tmp")).join(&name),
        id: name,
        runsc: exeat_local::find_runsc(None)?,
        sandboxd: exeat_local::find_sandboxd()?,
        workspace,
        gateway,
        ca_certificate,
        environment: vec![("EXAMPLE".into(), "of its own".into())],
        home_files: vec![(".config/example".into(), "in the home".into())],
        ports: vec![80, 443, 8443],
        command: words.collect(),
    };
    exeat_local::run(&spec)
}
