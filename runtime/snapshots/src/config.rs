//! What is set up from outside.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Where snapshots are kept.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Config {
    /// In a folder, which may be on a volume that several machines share.
    Folder(PathBuf),
    /// In a bucket.
    S3(S3Config),
}

/// Which bucket. Who may use it comes from the environment ([`Credentials`](crate::Credentials)).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Its name.
    pub bucket: String,
    /// The region that it is in; those that have none mostly take `us-east-1`.
    pub region: String,
    /// The storage's address; AWS' own for the region where there is none.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// What all keys begin with, for a bucket that holds other things too.
    #[serde(default)]
    pub prefix: String,
    /// Whether the bucket's name is a part of the path (`host/bucket/key`) instead of the host (`bucket.host/key`).
    #[serde(default)]
    pub path_style: bool,
    /// Allows an endpoint that is not encrypted: whoever listens on the way reads the workspaces.
    #[serde(default)]
    pub plain_http: bool,
    /// Certificates to trust beside the system's, in PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

impl S3Config {
    /// The prefix with a `/` at its end, or nothing.
    pub(crate) fn checked_prefix(&self) -> Result<String, Error> {
        let prefix = self.prefix.trim_end_matches('/');
        if prefix.is_empty() {
            return Ok(String::new());
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let part = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(plain);
        if !prefix.split('/').all(part) {
            let why = "letters, digits, `-`, `_`, `.` and `/` between them are what a prefix can have";
            return Err(Error::Settings(format!("`prefix` is `{}`: {why}", self.prefix.escape_debug())));
        }
        Ok(format!("{prefix}/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_prefix(prefix: &str) -> Result<String, Error> {
        let (bucket, region, prefix) = ("b".into(), "r".into(), prefix.into());
        let rest =
            S3Config { bucket, region, prefix, endpoint: None, path_style: false, plain_http: false, ca_file: None };
        rest.checked_prefix()
    }

    #[test]
    fn a_prefix_cannot_lead_elsewhere() {
        for (given, used) in [("", ""), ("/", ""), ("a", "a/"), ("a/b-c/", "a/b-c/")] {
            assert_eq!(with_prefix(given).unwrap(), used, "{given}");
        }
        for bad in ["../a", "a//b", "/a", "a/./b", "a b", "ü"] {
            assert!(with_prefix(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_settings_are_refused() {
        let read = |text: &str| serde_json::from_str::<Config>(text);
        assert_eq!(read(r#"{"folder":"/data"}"#).unwrap(), Config::Folder("/data".into()));
        assert!(read(r#"{"s3":{"bucket":"b","region":"r"}}"#).is_ok());
        assert!(read(r#"{"s3":{"bucket":"b","region":"r","paths":true}}"#).is_err());
        assert!(read(r#"{"floppy":"a"}"#).is_err());
    }
}
