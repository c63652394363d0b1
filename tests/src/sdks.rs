//! Agent Sandbox's own SDKs, and the programs in `tests/sdk` that use them, on one machine and on a cluster.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::skip;

/// A script of `tests/sdk`. Nothing, and a skip, where the SDK is not installed.
pub fn python_sdk(script: &str) -> Option<Command> {
    let python = tools().join("python/bin/python");
    if !python.is_file() {
        skip("k8s-agent-sandbox (deploy/dev/setup test)");
        return None;
    }
    let mut command = direct(&python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk").join(script));
    // Nothing is to be left in the repository by who runs it.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Some(command)
}

/// The program of `tests/sdk/go`. Nothing, and a skip, where it is not built.
pub fn go_sdk() -> Option<Command> {
    let program = tools().join("go/sdk");
    if !program.is_file() {
        skip("Agent Sandbox's Go SDK (deploy/dev/setup test, with Go 1.26 or later)");
        return None;
    }
    Some(direct(&program))
}

/// A program that takes no proxy on its way here.
fn direct(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    command
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools")
}
