//! Records of snapshots: what makes one be there.
//!
//! A record is a line with the SHA-256 of the rest, and a line of JSON.

use bytes::Bytes;
use exeat_digest::Digest;
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Damage, Error, Fault};
use crate::limits;
use crate::names;
use crate::store::Namespace;

/// A snapshot. Fields are added, never renamed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Snapshot {
    /// Whose it is.
    pub namespace: String,
    /// What it is called; no other of its namespace is.
    pub name: String,
    /// Of which sandbox.
    pub sandbox: String,
    /// Which of the sandboxes that had this name over time.
    pub sandbox_uid: String,
    /// The snapshot that the sandbox was started from or last went back to. It need not be there any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// When it was taken.
    pub taken: Timestamp,
    /// What it holds. Equal workspaces have equal digests.
    pub digest: Digest,
    /// All files, in bytes.
    pub bytes: u64,
    /// What it added to the store, in bytes.
    pub stored_bytes: u64,
    /// Regular files.
    pub files: u64,
    /// Devices and pipes that were left out.
    pub skipped: u64,
}

impl Namespace {
    /// One snapshot.
    ///
    /// # Errors
    /// [`Error::NoSnapshot`] where there is none, [`Error::Damaged`] where its record is.
    pub async fn get(&self, name: &str) -> Result<Snapshot, Error> {
        let name = names::snapshot(name)?;
        let found = self.read_record(&name).await?;
        found.ok_or_else(|| Error::NoSnapshot { namespace: self.name.clone(), name })
    }

    /// All snapshots, or those of one sandbox, the oldest first.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a record is.
    pub async fn list(&self, sandbox: Option<&str>) -> Result<Vec<Snapshot>, Error> {
        let objects = self.backend.list(&self.records()).await?;
        let read = objects.into_iter().map(|object| async move { self.read_record(&object.name).await });
        let read: Vec<_> = futures_util::stream::iter(read).buffer_unordered(limits::TRANSFERS).try_collect().await?;
        // One that is removed at this moment is not there.
        let mut found: Vec<_> = read.into_iter().flatten().collect();
        found.retain(|snapshot: &Snapshot| sandbox.is_none_or(|sandbox| snapshot.sandbox == sandbox));
        found.sort_by(|one, other| (one.taken, &one.name).cmp(&(other.taken, &other.name)));
        Ok(found)
    }

    /// Forgets a snapshot, whatever state it is in, and says whether there was one. What only it needs stays until
    /// [`Namespace::collect`].
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Io`].
    pub async fn delete(&self, name: &str) -> Result<bool, Error> {
        let key = self.record(&names::snapshot(name)?);
        let there = self.backend.has(&key).await?;
        self.backend.delete(&key).await?;
        self.backend.settle(vec![self.records()]).await?;
        Ok(there)
    }

    async fn read_record(&self, name: &str) -> Result<Option<Snapshot>, Error> {
        let key = self.record(name);
        let Some(bytes) = self.backend.get(&key, limits::RECORD_BYTES).await? else { return Ok(None) };
        let snapshot = decode(&bytes).map_err(|fault| Damage::of(&key, fault))?;
        if (&*snapshot.namespace, &*snapshot.name) != (&*self.name, name) {
            let whose = format!("it is of snapshot `{}` in namespace `{}`", snapshot.name, snapshot.namespace);
            return Err(Damage::of(key, Fault::Form(whose)).into());
        }
        Ok(Some(snapshot))
    }
}

/// A record's bytes.
pub(crate) fn encode(snapshot: &Snapshot) -> Result<Bytes, Error> {
    let json = serde_json::to_string(snapshot).map_err(|error| Error::Interrupted(error.to_string()))?;
    Ok(format!("{}\n{json}\n", Digest::of(format!("{json}\n").as_bytes()).hex()).into())
}

fn decode(bytes: &[u8]) -> Result<Snapshot, Fault> {
    let form = |why: String| Fault::Form(why);
    let text = std::str::from_utf8(bytes).map_err(|error| form(error.to_string()))?;
    let (digest, json) = text.split_once('\n').ok_or_else(|| form("it was cut off".into()))?;
    let found = Digest::of(json.as_bytes());
    if found.hex() != digest {
        return Err(Fault::Digest(found));
    }
    serde_json::from_str(json).map_err(|error| form(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_not_otherwise() {
        let snapshot = Snapshot {
            namespace: "team-a".into(),
            name: "one".into(),
            sandbox: "site".into(),
            sandbox_uid: "3f9a".into(),
            parent: Some("zero".into()),
            taken: "2026-01-02T03:04:05Z".parse().unwrap(),
            digest: Digest::of(b"x"),
            bytes: 1,
            stored_bytes: 2,
            files: 3,
            skipped: 4,
        };
        let bytes = encode(&snapshot).unwrap();
        assert_eq!(decode(&bytes).unwrap(), snapshot);
        for position in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[position] ^= 1;
            assert!(decode(&damaged).is_err(), "{position}");
            assert!(decode(&bytes[..position]).is_err(), "{position}");
        }
    }
}
