//! Fetching secrets: from the environment, a file, a command, or whoever else keeps them.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use exeat_core::limits;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::{Secret, SourceConfig};

/// How long a fetched secret is used before its source is asked again, so that a rotated one is picked up.
const FRESH: Duration = Duration::from_secs(60);

/// A source with what it gave last. One caller asks; the others wait for the answer.
pub(crate) struct Source {
    config: SourceConfig,
    last: Mutex<Option<(Instant, Arc<Secret>)>>,
}

impl Source {
    pub(crate) fn new(config: SourceConfig) -> Self {
        Source { config, last: Mutex::new(None) }
    }

    pub(crate) async fn fetch(&self, credential: &str) -> Result<Arc<Secret>, SourceError> {
        let mut last = self.last.lock().await;
        if let Some((fetched, secret)) = last.as_ref()
            && fetched.elapsed() < FRESH
        {
            return Ok(Arc::clone(secret));
        }
        // What the source gave before must not outlive its failure.
        *last = None;
        let secret = self.read().await.map_err(|why| SourceError { credential: credential.to_owned(), why })?;
        let secret = Arc::new(secret);
        if secret.expose().is_empty() {
            return Err(SourceError { credential: credential.to_owned(), why: "its source gave nothing".to_owned() });
        }
        *last = Some((Instant::now(), Arc::clone(&secret)));
        Ok(secret)
    }

    async fn read(&self) -> Result<Secret, String> {
        match &self.config {
            SourceConfig::Env(variable) => std::env::var_os(variable)
                .map(|value| Secret::new(value.into_encoded_bytes()))
                .ok_or_else(|| format!("the environment variable `{variable}` is not set")),
            SourceConfig::File(path) => {
                let file =
                    tokio::fs::File::open(path).await.map_err(|error| format!("`{}`: {error}", path.display()))?;
                let bytes = bounded(file).await.map_err(|why| format!("`{}`: {why}", path.display()))?;
                Ok(Secret::new(bytes))
            }
            SourceConfig::Command(words) => {
                let ran = tokio::time::timeout(limits::CREDENTIAL_TIME, run(words)).await;
                let took = || format!("`{}` took longer than {:?}", words[0], limits::CREDENTIAL_TIME);
                ran.map_err(|_| took())?.map(Secret::new).map_err(|why| format!("`{}` {why}", words[0]))
            }
            SourceConfig::Kept(kept) => {
                let asked = tokio::time::timeout(limits::CREDENTIAL_TIME, kept.0.read()).await;
                let secret =
                    asked.map_err(|_| format!("who keeps it took longer than {:?}", limits::CREDENTIAL_TIME))??;
                let most = limits::CREDENTIAL_BYTES;
                if secret.expose().len() > most { Err(format!("it is longer than {most} bytes")) } else { Ok(secret) }
            }
        }
    }
}

/// Runs a command; its standard error goes to the gateway's own, never into a message.
async fn run(words: &[String]) -> Result<Vec<u8>, String> {
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let stdout = child.stdout.take().ok_or("has no output")?;
    let bytes = bounded(stdout).await?;
    let status = child.wait().await.map_err(|error| format!("cannot be waited for: {error}"))?;
    if status.success() { Ok(bytes) } else { Err(format!("failed: {status}")) }
}

async fn bounded(from: impl tokio::io::AsyncRead + Unpin) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(256);
    let most = limits::CREDENTIAL_BYTES as u64;
    from.take(most + 1).read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most { Err(format!("is longer than {most} bytes")) } else { Ok(bytes) }
}

/// A credential's source failed.
#[derive(Debug, thiserror::Error)]
#[error("credential `{credential}`: {why}")]
pub struct SourceError {
    credential: String,
    why: String,
}

impl SourceError {
    pub(crate) fn unusable(credential: &str) -> Self {
        SourceError { credential: credential.to_owned(), why: "it has bytes that no header can carry".to_owned() }
    }
}
