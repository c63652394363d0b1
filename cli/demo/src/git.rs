//! GitHub's git side: bare repositories behind git's own `http-backend`, with basic auth.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::body::Body;
use crate::error::Doing;
use crate::recorder::answer;
use crate::{Authority, Error, Recorder, cgi};

/// The first commit of every repository, as `git fast-import` reads it. It has no clock in it, so that a test may
/// name the commit.
const FIRST_COMMIT: &str = "\
commit refs/heads/main
committer Exeat Demo <demo@exeat.invalid> 1767225600 +0000
data 14
Initial commit
M 100644 inline README.md
data 26
A repository for the demo
";

/// A user name and a password, or a token in a password's place.
#[derive(Clone)]
pub struct Login {
    /// The user's name; for a token, GitHub takes any.
    pub username: String,
    /// The password or the token.
    pub password: String,
}

/// Repositories that git can clone from and push to, for those who know the login.
pub struct GitOrigin {
    recorder: Recorder,
    folder: Arc<Path>,
}

impl GitOrigin {
    /// Serves the repositories under `folder` as `https://HOST/OWNER/NAME` (with or without `.git`).
    ///
    /// # Errors
    /// If git is missing, or there is no certificate for `host`, or no port.
    pub async fn start(authority: &Authority, host: &str, folder: &Path, login: Login) -> Result<Self, Error> {
        git(None, &["--version"], "").await?;
        tokio::fs::create_dir_all(folder).await.doing(format!("make the folder `{}`", folder.display()))?;
        let folder = tokio::fs::canonicalize(folder).await.doing(format!("find `{}`", folder.display()))?;
        let folder: Arc<Path> = folder.into();
        let expected: Arc<str> =
            format!("Basic {}", STANDARD.encode([login.username, login.password].join(":"))).into();
        let root = Arc::clone(&folder);
        let handler = move |request| serve(request, Arc::clone(&root), Arc::clone(&expected));
        Ok(GitOrigin { recorder: Recorder::start(authority, &[host], handler).await?, folder })
    }

    /// Makes a bare repository with one commit on `main` that takes pushes. Gives its path.
    ///
    /// # Errors
    /// [`Error::Name`] for what is not `owner/name`, and what git says.
    pub async fn create_repository(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.repository(name)?;
        let shown = path.to_string_lossy();
        git(None, &["init", "--quiet", "--bare", "--template=", "--initial-branch=main", &shown], "").await?;
        git(Some(&path), &["config", "http.receivepack", "true"], "").await?;
        git(Some(&path), &["fast-import", "--quiet"], FIRST_COMMIT).await?;
        Ok(path)
    }

    /// Every ref of a repository with the object that it names: what has landed.
    ///
    /// # Errors
    /// [`Error::Name`] for what is not `owner/name`, and what git says.
    pub async fn refs(&self, name: &str) -> Result<BTreeMap<String, String>, Error> {
        let path = self.repository(name)?;
        let listed = git(Some(&path), &["for-each-ref", "--format=%(refname) %(objectname)"], "").await?;
        let lines = listed.lines().filter_map(|line| line.split_once(' '));
        Ok(lines.map(|(name, object)| (name.to_owned(), object.to_owned())).collect())
    }

    fn repository(&self, name: &str) -> Result<PathBuf, Error> {
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        match name.split_once('/') {
            Some((owner, repository)) if plain(owner) && plain(repository) => {
                Ok(self.folder.join(owner).join(format!("{repository}.git")))
            }
            _ => Err(Error::Name(name.to_owned())),
        }
    }
}

/// What it saw, and where it listens.
impl Deref for GitOrigin {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}

async fn serve(request: Request<Body>, folder: Arc<Path>, expected: Arc<str>) -> Response<Body> {
    let given = request.headers().get(header::AUTHORIZATION);
    if given.is_none_or(|given| given.as_bytes() != expected.as_bytes()) {
        let mut refusal = answer(StatusCode::UNAUTHORIZED, "authentication required\n");
        refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"git\""));
        return refusal;
    }
    let Ok(path) = percent_decode_str(request.uri().path()).decode_utf8().map(|path| path.into_owned()) else {
        return answer(StatusCode::BAD_REQUEST, "the path is not UTF-8\n");
    };
    // `git http-backend` itself refuses paths that leave the folder.
    let mut command = git_command(&["http-backend"]);
    command
        .env("GIT_PROJECT_ROOT", folder.as_os_str())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "demo")
        .env("REMOTE_ADDR", "127.0.0.1");
    cgi::run(command, request, &path).await
}

/// Runs git in `repository` and gives what it prints.
async fn git(repository: Option<&Path>, arguments: &[&str], input: &str) -> Result<String, Error> {
    let mut command = git_command(arguments);
    if let Some(repository) = repository {
        command.env("GIT_DIR", repository);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|error| Error::Missing(format!("git cannot be run ({error}): run `deploy/dev/setup demo`")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A git that takes no input has closed it; what that means is in its status.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let Output { status, stdout, stderr } = child.wait_with_output().await.doing("wait for git")?;
    if !status.success() {
        let command = format!("git {}", arguments.first().copied().unwrap_or_default());
        return Err(Error::Command { command, output: String::from_utf8_lossy(&stderr).trim().to_owned() });
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Git without the settings and variables of whoever runs it: the origin is the same on every machine.
fn git_command(arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Exeat Demo")
        .env("GIT_AUTHOR_EMAIL", "demo@exeat.invalid")
        .env("GIT_COMMITTER_NAME", "Exeat Demo")
        .env("GIT_COMMITTER_EMAIL", "demo@exeat.invalid")
        .current_dir("/");
    command
}
