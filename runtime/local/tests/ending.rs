//! Signals, terminals, and that nothing is left however it ends.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod scene;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use scene::{Scene, scene, soon};

/// A sandbox that has said `up`.
fn start(scene: &Scene, script: &str) -> Child {
    let mut child = scene.sandbox(&["bash", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    child
}

fn send(process: u32, signal: Signal) {
    kill(Pid::from_raw(process.cast_signed()), signal).unwrap();
}

#[test]
fn signals_reach_the_command() {
    let Some(scene) = scene() else { return };
    for (signal, code) in [(Signal::SIGTERM, 41), (Signal::SIGINT, 42), (Signal::SIGHUP, 43), (Signal::SIGUSR1, 44)] {
        let script = "trap 'exit 41' TERM; trap 'exit 42' INT; trap 'exit 43' HUP; trap 'exit 44' USR1; \
                      echo up; while :; do sleep 0.05; done";
        let mut child = start(&scene, script);
        send(child.id(), signal);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
    }
    let mut child = start(&scene, "echo up; exec sleep 600");
    send(child.id(), Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(143), "a command without a handler dies of it");
    assert_eq!((scene.processes(), scene.leftovers().len()), (0, 0));
}

#[test]
fn a_signal_at_any_moment_of_the_start_ends_it() {
    let Some(scene) = scene() else { return };
    for delay in (10..400).step_by(30) {
        let mut child = scene.sandbox(&["sleep", "600"]).spawn().unwrap();
        thread::sleep(Duration::from_millis(delay));
        send(child.id(), Signal::SIGTERM);
        let ended = soon(|| child.try_wait().unwrap().is_some());
        if !ended {
            child.kill().unwrap();
        }
        assert!(ended, "the signal after {delay} ms was lost");
        assert!(soon(|| scene.processes() == 0 && scene.leftovers().is_empty()), "{:?}", scene.leftovers());
    }
}

/// The processes below `parent`, by what the kernel says.
fn children(parent: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn whoever_is_killed_nothing_is_left() {
    let Some(scene) = scene() else { return };
    let services = fs::read("/etc/services").ok();
    for victim in ["caller", "helper", "init"] {
        let mut child = start(&scene, "echo up; sleep 600");
        let helper = children(child.id())[0];
        let init = children(helper)[0];
        assert!(scene.processes() >= 4, "the caller, runsc, gVisor's sandbox and its gofer");
        let sandbox = scene.path().join(&scene.leftovers()[0]);
        assert!(sandbox.join("config.json").exists());

        send(
            match victim {
                "caller" => child.id(),
                "helper" => helper,
                _ => init,
            },
            Signal::SIGKILL,
        );

        child.wait().unwrap();
        assert!(soon(|| scene.processes() == 0), "{victim}: {} processes left", scene.processes());
        assert!(soon(|| scene.leftovers().is_empty()), "{victim}: {:?} left", scene.leftovers());
        assert!(!scene.is_mounted_somewhere(), "{victim}");
    }
    assert_eq!(fs::read("/etc/services").ok(), services, "nothing of the host went with it");
    assert!(fs::exists("/etc/alternatives").unwrap() || services.is_none());
}

/// A sandbox on a terminal of its own, which `script` makes, within `line` at the place of `{}`.
fn on_terminal(scene: &Scene, line: &str) -> Option<Command> {
    if !Command::new("script").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        let _ = writeln!(std::io::stderr(), "skipped: needs script");
        return None;
    }
    let sandbox = scene.sandbox(&[]);
    let quoted = std::iter::once(sandbox.get_program()).chain(sandbox.get_args()).map(|word| word.to_str().unwrap());
    let line = line.replace("{}", &quoted.collect::<Vec<_>>().join(" "));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("SHELL", "/bin/sh").stdin(Stdio::piped()).stdout(Stdio::piped());
    for (name, value) in sandbox.get_envs() {
        command.env(name, value.unwrap());
    }
    Some(command)
}

#[test]
fn a_terminal_is_the_commands() {
    let Some(scene) = scene() else { return };
    let line = "stty rows 33 cols 101; \
                {} sh -c 'test -t 0 && test -t 1 && test -t 2 && stty size < /dev/tty; stty raw; exit 5'; \
                echo code $?; stty -a | grep -o -e '[-]*icanon'";
    let Some(mut command) = on_terminal(&scene, line) else { return };
    let output = command.stdin(Stdio::null()).output().unwrap();
    let seen = String::from_utf8_lossy(&output.stdout).replace(['\r', '\u{4}'], "").replace("^D\u{8}\u{8}", "");
    assert_eq!(seen, "33 101\ncode 5\nicanon\n", "and it is put back as it was");
}

/// Somebody at the keys of a terminal. What is typed is only understood once it is asked for: a key that interrupts
/// also throws away what was typed before it and not read yet.
struct Keyboard {
    child: Child,
    keys: ChildStdin,
    screen: Receiver<Vec<u8>>,
}

impl Keyboard {
    fn at(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keys, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                let _ = sender.send(buffer[..length].to_vec());
            }
        });
        Keyboard { child, keys, screen }
    }

    /// Types, and waits until `answer` is on the screen.
    fn press(&mut self, text: &str, answer: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
        let mut seen = String::new();
        while !seen.contains(answer) {
            let bytes = self.screen.recv_timeout(scene::SOON);
            let bytes = bytes.unwrap_or_else(|_| panic!("no {answer:?} after {text:?}, but {seen:?}"));
            seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // The terminal goes with `script`, and what is on it is told by SIGHUP.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn keys_reach_the_foreground_of_an_interactive_shell() {
    let Some(scene) = scene() else { return };
    let Some(command) = on_terminal(&scene, "exec {} bash --norc --noediting -i") else { return };
    let mut keyboard = Keyboard::at(command);
    // A builtin that waits: gVisor now and then loses a stop that comes while a program is being loaded.
    let job = "sh -c 'echo run''ning; read line'\n";
    keyboard.press(job, "running\r\n");
    keyboard.press("\u{3}", "# ");
    keyboard.press("echo code''=$?\n", "code=130");
    keyboard.press(job, "running\r\n");
    keyboard.press("\u{1a}", "Stopped");
    // With a stopped job in its table, an interactive shell stays.
    keyboard.press("kill -9 %1; disown %1; exit 9\n", "exit\r\n");
    assert!(soon(|| keyboard.child.try_wait().unwrap().is_some()));
    assert_eq!(keyboard.child.wait().unwrap().code(), Some(9));
}

#[test]
fn a_stop_key_stops_nothing_that_nobody_could_continue() {
    let Some(scene) = scene() else { return };
    let line = "exec {} sh -c 'echo he\"\"re; sleep 0.7; sleep 0.7; exit 6'";
    let Some(command) = on_terminal(&scene, line) else { return };
    let mut keyboard = Keyboard::at(command);
    keyboard.press("", "here");
    keyboard.press("\u{1a}", "^Z");
    assert!(soon(|| keyboard.child.try_wait().unwrap().is_some()));
    assert_eq!(keyboard.child.wait().unwrap().code(), Some(6));
}

#[test]
fn a_terminal_that_goes_away_leaves_nothing() {
    let Some(scene) = scene() else { return };
    let Some(command) = on_terminal(&scene, "exec {} bash --norc --noediting -i") else { return };
    let mut keyboard = Keyboard::at(command);
    keyboard.press("echo he''re\n", "here");
    drop(keyboard);
    assert!(soon(|| scene.processes() == 0), "{} processes left", scene.processes());
    assert!(soon(|| scene.leftovers().is_empty()), "{:?} left", scene.leftovers());
}
