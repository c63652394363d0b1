//! Everything that the story needs, real and on this machine: two origins, a gateway that knows them by their real names, and a
//! workspace.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::error::Doing;
use crate::{Authority, Error, GitOrigin, Login, NpmOrigin, Seen};

/// A command in a sandbox may take this long; a cold npm is the slowest.
const PATIENCE: Duration = Duration::from_secs(180);
/// A gateway is ready within this time, or something is wrong.
const GATEWAY_START: Duration = Duration::from_secs(30);
/// The name by which GitHub's git is known. It is GitHub's own: the gateway is told where it is here.
const GITHUB: &str = "github.com";

/// What a stage is set with.
pub struct Props {
    /// The `exeat` program.
    pub exeat: PathBuf,
    /// The policies, by file name.
    pub policies: Vec<(String, String)>,
    /// `exeat.toml` sections to add, empty for the story.
    pub extra_config: String,
}

/// A set stage. Dropped, everything on it ends and its folder is removed.
pub struct Stage {
    /// GitHub's git.
    pub git: GitOrigin,
    /// npm's registry.
    pub npm: NpmOrigin,
    /// The registry's host.
    pub npm_host: String,
    exeat: PathBuf,
    login: Login,
    folder: TempDir,
    gateway: Option<Child>,
}

/// What a command in a sandbox did.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code, or -1 where it was killed.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Both outputs, for a search.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

impl Stage {
    /// Starts the origins and the gateway.
    ///
    /// # Errors
    /// What could not be started, and why.
    pub async fn set(props: Props) -> Result<Self, Error> {
        let verdaccio = NpmOrigin::is_available().map_err(Error::Missing)?;
        let folder = tempfile::Builder::new().prefix("exeat-").tempdir_in("/tmp").doing("make a folder in `/tmp`")?;
        let authority = Authority::new()?;
        let login = Login { username: "x-access-token".to_owned(), password: crate::npm::random_password()? };
        let repositories = folder.path().join("repositories");
        let git = GitOrigin::start(&authority, GITHUB, &repositories, login.clone()).await?;
        git.create_repository("acme/site").await?;
        let npm_host = NpmOrigin::configured_host().await?;
        let npm = NpmOrigin::start(&authority, &npm_host, &verdaccio).await?;
        npm.seed_package("tiny-greeter", "1.0.0").await?;
        git.clear();
        npm.clear();

        let mut stage = Stage { git, npm, npm_host, exeat: props.exeat, login, folder, gateway: None };
        stage.write("ca.pem", &authority.ca_pem())?;
        stage.write("secrets/git", &stage.login.password)?;
        stage.write("secrets/npm", stage.npm.token())?;
        for (name, text) in &props.policies {
            stage.write(&format!("policies/{name}"), text)?;
        }
        stage.write("exeat.toml", &format!("{}{}", stage.config(), props.extra_config))?;
        std::fs::create_dir_all(stage.workspace()).doing("make the workspace")?;
        stage.start_gateway().await?;
        Ok(stage)
    }

    fn config(&self) -> String {
        let Stage { npm_host, git, npm, .. } = self;
        format!(
            r#"
[gateway]
state = "state"
listen = "127.0.0.1:0"

[integrations.npm]
hosts = ["{npm_host}"]

[[origin]]
host = "{GITHUB}"
address = "{git}"
ca = "ca.pem"

[[origin]]
host = "{npm_host}"
address = "{npm}"
ca = "ca.pem"

[[credential]]
name = "github-git"
source = {{ file = "secrets/git" }}
inject = {{ basic = {{ username = "{username}" }} }}
hosts = ["{GITHUB}"]
actions = ["github:*"]
placeholder = ["GITHUB_TOKEN"]

[[credential]]
name = "npm-publish"
source = {{ command = ["cat", "{secret}"] }}
inject = "bearer"
hosts = ["{npm_host}"]
actions = ["publish"]
placeholder = ["NPM_TOKEN"]
"#,
            git = git.address(),
            npm = npm.address(),
            username = self.login.username,
            secret = self.folder.path().join("secrets/npm").display(),
        )
    }

    /// Starts the gateway, or starts it again.
    ///
    /// # Errors
    /// Where it does not say that it is ready.
    pub async fn start_gateway(&mut self) -> Result<(), Error> {
        let mut command = self.command(&["up", "--output", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().doing(format!("start `{}`", self.exeat.display()))?;
        let Some(stdout) = child.stdout.take() else {
            return Err(Error::Missing("the gateway has no output".to_owned()));
        };
        let mut line = String::new();
        let read = tokio::time::timeout(GATEWAY_START, BufReader::new(stdout).read_line(&mut line)).await;
        if !matches!(read, Ok(Ok(_))) || !line.contains("\"ready\":true") {
            let _ = child.start_kill();
            let output = child.wait_with_output().await.doing("wait for the gateway")?;
            let output = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::Command { command: "exeat up".to_owned(), output });
        }
        self.gateway = Some(child);
        Ok(())
    }

    /// The gateway's process.
    pub fn gateway(&mut self) -> Option<&mut Child> {
        self.gateway.as_mut()
    }

    /// Runs a shell script in a sandbox of its own, in the workspace.
    ///
    /// # Errors
    /// Where it cannot be started or does not end in time.
    pub async fn sandbox(&self, script: &str) -> Result<Ran, Error> {
        let workspace = self.workspace();
        let mut command = self.command(&["run", "--profile", "coder", "--workspace"]);
        command.arg(&workspace).args(["--", "sh", "-c", script]);
        run(command).await
    }

    /// Runs `exeat` with the stage's configuration.
    ///
    /// # Errors
    /// Where it cannot be started or does not end in time.
    pub async fn exeat(&self, arguments: &[&str]) -> Result<Ran, Error> {
        run(self.command(arguments)).await
    }

    /// The journal's requests, oldest first, as `exeat audit list --output json` gives them.
    ///
    /// # Errors
    /// Where the command fails.
    pub async fn journal(&self) -> Result<Vec<Value>, Error> {
        let ran = self.exeat(&["audit", "list", "--limit", "100000", "--output", "json"]).await?;
        if ran.code != 0 {
            return Err(Error::Command { command: "exeat audit list".to_owned(), output: ran.stderr });
        }
        Ok(ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or(json!(line))).collect())
    }

    /// The folder that sandboxes see as `/workspace`.
    pub fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// The folder of everything: configuration, policies, state.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What must be nowhere in a sandbox: each credential as it is, and as it is rendered.
    pub fn secrets(&self) -> Vec<String> {
        vec![self.login.password.clone(), self.basic(), self.npm.token().to_owned()]
    }

    /// Whether a request carried the git credential once, and nothing else that authorises.
    pub fn carries_git_credential_once(&self, seen: &Seen) -> bool {
        authorization(seen) == [format!("Basic {}", self.basic())]
    }

    /// Whether a request carried npm's token once, and nothing else that authorises.
    pub fn carries_npm_credential_once(&self, seen: &Seen) -> bool {
        authorization(seen) == [format!("Bearer {}", self.npm.token())]
    }

    fn basic(&self) -> String {
        STANDARD.encode(format!("{}:{}", self.login.username, self.login.password))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.exeat);
        command.arg("--config").arg(self.folder.path().join("exeat.toml")).args(arguments);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.folder.path().join(name);
        let folder = path.parent().unwrap_or(self.folder.path());
        std::fs::create_dir_all(folder).doing(format!("make `{}`", folder.display()))?;
        std::fs::write(&path, text).doing(format!("write `{}`", path.display()))
    }
}

impl Drop for Stage {
    /// The gateway is asked to stop, so that its journal ends in order; the origins end by being dropped.
    fn drop(&mut self) {
        if let Some(id) = self.gateway.as_ref().and_then(Child::id)
            && let Ok(id) = i32::try_from(id)
        {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Every header that authorises.
fn authorization(seen: &Seen) -> Vec<String> {
    let authorizing = ["authorization", "proxy-authorization", "cookie", "npm-otp"];
    let headers = seen.headers.iter().filter(|(name, _)| authorizing.contains(&name.to_lowercase().as_str()));
    headers.map(|(_, value)| value.clone()).collect()
}

async fn run(mut command: Command) -> Result<Ran, Error> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = format!("{:?}", command.as_std());
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| Error::Command { command: shown.clone(), output: "it did not end".to_owned() })?;
    let output = output.doing(format!("run {shown}"))?;
    Ok(Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
