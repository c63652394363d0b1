//! The `exeat` command: arguments in, rooms called, tables out.
//!
//! Start with [`Cli`]; each command is a file in `commands/`. [`config`] reads `exeat.toml`, [`assemble`] puts a gateway
//! together from it, [`problem`] is how anything that goes wrong is said.

mod api;
mod assemble;
mod commands;
mod config;
mod files;
mod gateway;
mod kubernetes;
mod output;
mod problem;
mod service;
mod snapshot_store;
mod state;
mod webhooks;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use miette::Report;

use crate::commands::{audit, controller, demo, gateway as way_out, init, policy, router, run, sandbox, up};
use crate::output::Output;
use crate::problem::Problem;

/// Requests allocate much and briefly, on several threads at once; the C library's allocator makes them wait for each other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs coding agents in sandboxes that have no way out but one, and lets a request leave only when a Cedar policy says so.
#[derive(Parser)]
#[command(version, max_term_width = 120)]
struct Cli {
    /// The configuration; without it `exeat.toml` here, else `~/.config/exeat/exeat.toml`.
    #[arg(long, global = true, env = "EXEAT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole story on this machine, with real servers and clients, and check each step.
    Demo(demo::Arguments),
    /// Write a commented `exeat.toml` and policies to start from.
    Init(init::Arguments),
    /// Run the gateway until it is stopped.
    Up(up::Arguments),
    /// Run a command in a sandbox whose only way out is the gateway.
    Run(run::Arguments),
    /// Keep sandboxes: create, enter, pause, save, fork and roll back.
    #[command(subcommand)]
    Sandbox(sandbox::Command),
    /// Read and verify the journal.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Check policies.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Look after sandboxes on Kubernetes. Runs in a pod, or beside the cluster that `KUBECONFIG` names.
    Controller(Box<controller::Arguments>),
    /// Let requests into the sandboxes of a cluster.
    Router(router::Arguments),
    /// Let the requests of a cluster's sandboxes out that its policies allow.
    Gateway(way_out::Arguments),
}

fn main() -> ExitCode {
    // Becomes a sandbox's own first process, where asked; must come before any thread exists.
    exeat_local::enter_if_asked();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let command = command_line(arguments.first().map(Path::new));
    let cli = Cli::from_arg_matches(&command.get_matches_from(arguments)).unwrap_or_else(|error| error.exit());
    start_log();
    match dispatch(cli) {
        Ok(code) => code,
        Err(problem) => {
            let code = problem.exit_code();
            eprintln!("{:?}", Report::new(problem));
            ExitCode::from(code)
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, Problem> {
    let Cli { config, output, command } = cli;
    match command {
        Command::Demo(arguments) => demo::demo(&arguments, output),
        Command::Init(arguments) => init::init(&arguments, output),
        Command::Up(arguments) => up::up(config.as_deref(), &arguments, output),
        Command::Run(arguments) => run::run(config.as_deref(), &arguments),
        Command::Sandbox(command) => sandbox::sandbox(config.as_deref(), command, output),
        Command::Audit(command) => audit::audit(config.as_deref(), &command, output),
        Command::Controller(arguments) => controller::controller(&arguments, output),
        Command::Router(arguments) => router::router(&arguments, output),
        Command::Policy(command) => policy::policy(config.as_deref(), &command, output),
        Command::Gateway(arguments) => way_out::gateway(config.as_deref(), arguments, output),
    }
}

/// The command line, with usage lines that say how it was called. kubectl runs `kubectl-exeat` for `kubectl exeat`.
fn command_line(called: Option<&Path>) -> clap::Command {
    let is_plugin = called.and_then(Path::file_name).is_some_and(|name| name == "kubectl-exeat");
    if is_plugin { Cli::command().bin_name("kubectl exeat") } else { Cli::command() }
}

/// `EXEAT_LOG` in tracing's filter syntax; warnings without it.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("EXEAT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

#[cfg(test)]
mod tests {
    use super::command_line;
    use clap::CommandFactory;
    use std::path::Path;

    /// What clap only finds out when a command is called.
    #[test]
    fn the_command_line_holds_together() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn usage_says_how_it_was_called() {
        for (called, usage) in [
            ("/usr/local/bin/exeat", "Usage: exeat policy check"),
            ("exeat", "Usage: exeat policy check"),
            ("/home/me/.krew/bin/kubectl-exeat", "Usage: kubectl exeat policy check"),
        ] {
            let asked = [called, "policy", "check", "--help"];
            let help = command_line(Some(Path::new(called))).try_get_matches_from(asked).unwrap_err().to_string();
            assert!(help.contains(usage), "{called}: {help}");
        }
        assert!(command_line(None).get_bin_name().is_none());
    }
}
