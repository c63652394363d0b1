//! Credentials as Docker keeps them: in `config.json`, or with a helper program that it names
//! (docs.docker.com/reference/cli/docker/login, "Credential stores").

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::limits;

/// Who asks a registry. It cannot be printed.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) secret: Zeroizing<String>,
}

/// Where to look for one registry's credentials.
pub(super) struct Store {
    /// Of `config.json`, where it is not Docker's own.
    pub(super) folder: Option<PathBuf>,
    /// The registry's name there.
    pub(super) key: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: HashMap<String, Auth>,
    cred_helpers: HashMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Zeroizing<String>,
    username: String,
    password: Zeroizing<String>,
    #[serde(rename = "identitytoken")]
    identity_token: Zeroizing<String>,
}

/// A helper's answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: Zeroizing<String>,
}

impl Store {
    /// The credentials; none where the user has none for this registry, which many need not.
    pub(super) async fn login(&self) -> Result<Option<Login>, Error> {
        let Some(config) = self.config().await? else { return Ok(None) };
        let helper = self.find(&config.cred_helpers).or(config.creds_store.as_ref()).filter(|name| !name.is_empty());
        if let Some(helper) = helper {
            return self.ask(helper).await;
        }
        self.find(&config.auths).map_or(Ok(None), |auth| self.kept(auth))
    }

    fn failed(&self, why: impl ToString) -> Error {
        Error::Credentials { host: self.key.clone(), why: why.to_string() }
    }

    async fn config(&self) -> Result<Option<Config>, Error> {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
        let named = || std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let Some(folder) = self.folder.clone().or_else(named).or_else(home) else { return Ok(None) };
        let file = match tokio::fs::File::open(folder.join("config.json")).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| self.failed(format!("`config.json`: {error}")))?,
        };
        let mut text = Zeroizing::new(Vec::new());
        let read = file.take(limits::ANSWER_BYTES).read_to_end(&mut text).await;
        read.map_err(|error| self.failed(format!("`config.json`: {error}")))?;
        // The parser's own message would show what is there.
        serde_json::from_slice(&text).map(Some).map_err(|_| self.failed("`config.json` is not what Docker writes"))
    }

    /// Keys are hosts, or addresses such as `https://host/v1/` as older versions wrote them.
    fn find<'a, T>(&self, map: &'a HashMap<String, T>) -> Option<&'a T> {
        map.get(&self.key).or_else(|| map.iter().find(|(key, _)| host(key) == host(&self.key)).map(|(_, value)| value))
    }

    fn kept(&self, auth: &Auth) -> Result<Option<Login>, Error> {
        if !auth.identity_token.is_empty() {
            return Err(self.failed("it is an identity token; log in with a password or an access token"));
        }
        if !auth.username.is_empty() {
            return Ok(Some(Login { user: auth.username.clone(), secret: auth.password.clone() }));
        }
        if auth.auth.is_empty() {
            return Ok(None);
        }
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(auth.auth.as_bytes()).unwrap_or_default());
        let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.split_once(':'));
        let (user, secret) = text.ok_or_else(|| self.failed("`auth` is not base64 of `user:password`"))?;
        // Docker pads with zero bytes.
        Ok(Some(Login { user: user.to_owned(), secret: secret.trim_end_matches('\0').to_owned().into() }))
    }

    async fn ask(&self, helper: &str) -> Result<Option<Login>, Error> {
        if !helper.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
            return Err(self.failed(format!("`{}` is no helper's name", helper.escape_debug())));
        }
        let program = format!("docker-credential-{helper}");
        let asked = tokio::time::timeout(limits::HELPER, self.run(&program)).await;
        let (found, answer) = asked
            .map_err(|_| self.failed(format!("`{program}` did not answer")))?
            .map_err(|error| self.failed(format!("`{program}`: {error}")))?;
        if !found {
            return Ok(None);
        }
        let answer: Answer =
            serde_json::from_slice(&answer).map_err(|_| self.failed(format!("`{program}` answered something else")))?;
        if answer.username == "<token>" {
            return Err(self.failed("it is an identity token; log in with a password or an access token"));
        }
        Ok(Some(Login { user: answer.username, secret: answer.secret }))
    }

    /// Runs a helper; one that fails has nothing for this registry.
    async fn run(&self, program: &str) -> std::io::Result<(bool, Zeroizing<Vec<u8>>)> {
        let mut command = Command::new(program);
        command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(self.key.as_bytes()).await?;
        }
        let mut answer = Zeroizing::new(Vec::new());
        if let Some(stdout) = child.stdout.take() {
            stdout.take(limits::ANSWER_BYTES).read_to_end(&mut answer).await?;
        }
        Ok((child.wait().await?.success(), answer))
    }
}

fn host(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}
