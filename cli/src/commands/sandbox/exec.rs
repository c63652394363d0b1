//! `exeat sandbox exec` and `shell`: a command inside, as if it ran here.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use bytes::Bytes;
use exeat_inside::client::{Command, Event, Handle, Inside, Process};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::api::{Api, inside_problem};
use super::{Namespace, progress, terminal};
use crate::commands::run::read_variable;
use crate::problem::Problem;

/// What is read from standard input at once.
const PIECE: usize = 32 * 1024;
/// The signals that are passed on.
const SIGNALS: [SignalKind; 6] = [
    SignalKind::interrupt(),
    SignalKind::terminate(),
    SignalKind::hangup(),
    SignalKind::quit(),
    SignalKind::user_defined1(),
    SignalKind::user_defined2(),
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The sandbox's name or id.
    name: String,
    #[command(flatten)]
    namespace: Namespace,
    /// Give the command a terminal.
    #[arg(long, short)]
    tty: bool,
    /// A variable for the command; `NAME` alone passes it on from here.
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// The folder in which it starts; without it /workspace.
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

#[derive(clap::Args)]
pub(crate) struct ShellArguments {
    /// The sandbox's name or id.
    name: String,
    #[command(flatten)]
    namespace: Namespace,
}

pub(super) async fn exec(api: &Api, arguments: Arguments) -> Result<ExitCode, Problem> {
    let mut command = Command::new(arguments.command);
    command.env = arguments.env.iter().map(|variable| read_variable(variable)).collect::<Result<_, _>>()?;
    command.cwd = arguments.cwd;
    let inside = api.inside(&arguments.namespace.namespace, &arguments.name).await?;
    run(&inside, command, arguments.tty).await
}

pub(super) async fn shell(api: &Api, arguments: ShellArguments) -> Result<ExitCode, Problem> {
    let script = "if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi";
    let inside = api.inside(&arguments.namespace.namespace, &arguments.name).await?;
    run(&inside, Command::new(["/bin/sh", "-c", script]), true).await
}

async fn run(inside: &Inside, mut command: Command, tty: bool) -> Result<ExitCode, Problem> {
    let mut signals = listen()?;
    if tty {
        command.pty = Some(terminal::size());
        command.env.extend(std::env::var("TERM").ok().map(|term| ("TERM".to_owned(), term)));
    }
    let starting = progress::during("waking the sandbox", inside.start(&command));
    let process = tokio::select! {
        started = starting => started.map_err(inside_problem)?,
        // Nobody is there yet to pass it on to.
        Some(number) = signals.recv() => return Ok(code(128 + number)),
    };
    let is_terminal = std::io::stdin().is_terminal();
    let _raw = (tty && is_terminal).then(terminal::Raw::enter).transpose()?;
    let input = tokio::spawn(send_input(process.handle().clone(), tty || !is_terminal));
    let resizing = tty.then(|| tokio::spawn(follow_size(process.handle().clone())));
    let ended = follow(process, signals).await;
    input.abort();
    resizing.inspect(|task| task.abort());
    ended
}

/// Prints what the command prints until it ends, and passes on signals.
async fn follow(mut process: Process, mut signals: mpsc::Receiver<i32>) -> Result<ExitCode, Problem> {
    loop {
        tokio::select! {
            event = process.next() => {
                let printed = match event.map_err(inside_problem)? {
                    Some(Event::Stdout(bytes)) => print(std::io::stdout(), &bytes),
                    Some(Event::Stderr(bytes)) => print(std::io::stderr(), &bytes),
                    Some(Event::Exit(exit)) => return Ok(code(exit)),
                    None => return Err(Problem::failure("the command's end was not told")),
                };
                match printed {
                    // As the kernel does with a program whose reader has gone: SIGPIPE.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(code(128 + 13)),
                    printed => printed.map_err(|error| Problem::failure(format!("cannot print: {error}")))?,
                }
            }
            Some(number) = signals.recv() => {
                let handle = process.handle().clone();
                // It may have ended by itself meanwhile.
                tokio::spawn(async move { drop(handle.signal(number).await) });
            }
        }
    }
}

fn print(mut stream: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// Passes on standard input to its end, or says at once that there is none.
async fn send_input(handle: Handle, is_wanted: bool) {
    let ended = if is_wanted { pass_on(&handle).await } else { Ok(()) };
    // Where the command reads no more, there is nobody to tell.
    if ended.is_ok() {
        let _ = handle.close_stdin().await;
    }
}

async fn pass_on(handle: &Handle) -> Result<(), exeat_inside::client::Error> {
    let mut stdin = tokio::io::stdin();
    let mut piece = vec![0; PIECE];
    while let Ok(read @ 1..) = stdin.read(&mut piece).await {
        handle.write(Bytes::copy_from_slice(&piece[..read])).await?;
    }
    Ok(())
}

async fn follow_size(handle: Handle) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else { return };
    while changes.recv().await.is_some() {
        let _ = handle.resize(terminal::size()).await;
    }
}

/// The numbers of the signals that come.
fn listen() -> Result<mpsc::Receiver<i32>, Problem> {
    let (sender, receiver) = mpsc::channel(16);
    for kind in SIGNALS {
        let mut signal: Signal = signal(kind).map_err(Problem::failure)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signal.recv().await.is_some() && sender.send(kind.as_raw_value()).await.is_ok() {}
        });
    }
    Ok(receiver)
}

/// An exit code as this system has it: its lowest byte.
fn code(exit: i32) -> ExitCode {
    ExitCode::from((exit & 0xff) as u8)
}
