//! `exeat sandbox`: sandboxes that stay. Each command is a file; [`Api`] is what they share.

mod api;
mod copy;
mod create;
mod diff;
mod exec;
mod fork;
mod history;
mod human;
mod lifecycle;
mod list;
mod pack;
mod progress;
mod snapshots;
mod terminal;
mod unpack;

use std::path::Path;
use std::process::ExitCode;

use self::api::Api;
use crate::output::Output;
use crate::problem::Problem;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create a sandbox, and return when it answers.
    Create(Box<create::Arguments>),
    /// List sandboxes.
    List(list::ListArguments),
    /// Show one sandbox.
    Show(list::ShowArguments),
    /// Run a command in a sandbox, which is woken where it rests.
    Exec(exec::Arguments),
    /// Open a login shell in a sandbox.
    Shell(exec::ShellArguments),
    /// Copy a file or folder into a sandbox or out of it: one side is `NAME:PATH`.
    Copy(copy::Arguments),
    /// Save memory and disk, and stop.
    Pause(lifecycle::PauseArguments),
    /// Go on where a sandbox was.
    Resume(lifecycle::ResumeArguments),
    /// End sandboxes and remove them. Their snapshots stay.
    Delete(lifecycle::DeleteArguments),
    /// Take a snapshot.
    Snapshot(snapshots::TakeArguments),
    /// List snapshots, or delete some.
    Snapshots(snapshots::Arguments),
    /// Go back to a snapshot.
    Rollback(snapshots::RollbackArguments),
    /// Start other sandboxes where one is, or from a snapshot.
    Fork(fork::Arguments),
    /// Show what differs between two states.
    Diff(diff::Arguments),
    /// Tell a sandbox's life: what was done with it, and what left it.
    History(history::Arguments),
}

/// Where sandboxes' names are looked up.
#[derive(clap::Args)]
pub(crate) struct Namespace {
    /// The namespace of the names.
    #[arg(long, default_value = "default")]
    namespace: String,
}

pub(crate) fn sandbox(config: Option<&Path>, command: Command, output: Output) -> Result<ExitCode, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Problem::failure)?;
    let result = runtime.block_on(Box::pin(dispatch(config, command, output)));
    // A thread that waits for standard input must not keep the program.
    runtime.shutdown_background();
    result
}

async fn dispatch(config: Option<&Path>, command: Command, output: Output) -> Result<ExitCode, Problem> {
    let api = Api::reach(config).await?;
    match command {
        Command::Create(arguments) => create::create(&api, *arguments, output).await,
        Command::List(arguments) => list::list(&api, &arguments, output).await,
        Command::Show(arguments) => list::show(&api, &arguments, output).await,
        Command::Exec(arguments) => exec::exec(&api, arguments).await,
        Command::Shell(arguments) => exec::shell(&api, arguments).await,
        Command::Copy(arguments) => copy::copy(&api, &arguments, output).await,
        Command::Pause(arguments) => lifecycle::pause(&api, &arguments, output).await,
        Command::Resume(arguments) => lifecycle::resume(&api, &arguments, output).await,
        Command::Delete(arguments) => lifecycle::delete(&api, &arguments, output).await,
        Command::Snapshot(arguments) => snapshots::take(&api, arguments, output).await,
        Command::Snapshots(arguments) => snapshots::snapshots(&api, arguments, output).await,
        Command::Rollback(arguments) => snapshots::rollback(&api, &arguments, output).await,
        Command::Fork(arguments) => fork::fork(&api, &arguments, output).await,
        Command::Diff(arguments) => diff::diff(&api, arguments, output).await,
        Command::History(arguments) => history::history(&api, &arguments, output).await,
    }
}
