//! Where a controller keeps snapshots, as its command line says it.

use std::path::PathBuf;

use exeat_snapshots::{Config, S3Config};

/// The region of storages that have none.
const REGION: &str = "us-east-1";

#[derive(clap::Args)]
#[group(id = "snapshots")]
pub(crate) struct Arguments {
    /// Where snapshots of workspaces are kept: `file:///FOLDER` or `s3://BUCKET/PREFIX`; none are taken without it. Who may
    /// use a bucket is in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
    #[arg(long, value_parser = place, value_name = "URL")]
    snapshot_store: Option<Place>,
    /// The bucket's region.
    #[arg(long, env = "AWS_REGION", default_value = REGION, value_name = "NAME")]
    snapshot_store_region: String,
    /// The storage's address, where it is not AWS'. Its buckets are then parts of the path.
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL")]
    snapshot_store_endpoint: Option<String>,
    /// Certificates to trust for the storage beside the system's, in PEM.
    #[arg(long, value_name = "FILE")]
    snapshot_store_ca_file: Option<PathBuf>,
    /// Allow a storage that is not encrypted: whoever listens on the way reads the workspaces.
    #[arg(long)]
    snapshot_store_plain_http: bool,
    /// Serve snapshots as `podsnapshot.gke.io` too. On GKE that group is GKE's own.
    #[arg(long, default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set)]
    pub(crate) pod_snapshots: bool,
}

/// What a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Folder(PathBuf),
    Bucket { name: String, prefix: String },
}

fn place(url: &str) -> Result<Place, String> {
    let wrong = || format!("`{url}` names no store: write `file:///FOLDER` or `s3://BUCKET/PREFIX`");
    match url.split_once("://") {
        Some(("file", folder)) if folder.starts_with('/') => Ok(Place::Folder(folder.into())),
        Some(("s3", rest)) => {
            let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let place = Place::Bucket { name: name.to_owned(), prefix: prefix.to_owned() };
            if name.is_empty() { Err(wrong()) } else { Ok(place) }
        }
        _ => Err(wrong()),
    }
}

impl Arguments {
    /// The store, where there is one.
    pub(crate) fn config(&self) -> Option<Config> {
        let (name, prefix) = match self.snapshot_store.clone()? {
            Place::Folder(folder) => return Some(Config::Folder(folder)),
            Place::Bucket { name, prefix } => (name, prefix),
        };
        let endpoint = self.snapshot_store_endpoint.clone().filter(|endpoint| !endpoint.is_empty());
        Some(Config::S3(S3Config {
            bucket: name,
            region: self.snapshot_store_region.clone(),
            path_style: endpoint.is_some(),
            endpoint,
            prefix,
            plain_http: self.snapshot_store_plain_http,
            ca_file: self.snapshot_store_ca_file.clone(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_folder_or_a_bucket() {
        let bucket = |name: &str, prefix: &str| Place::Bucket { name: name.into(), prefix: prefix.into() };
        assert_eq!(place("file:///var/lib"), Ok(Place::Folder("/var/lib".into())));
        assert_eq!(place("s3://b"), Ok(bucket("b", "")));
        assert_eq!(place("s3://b/a/c"), Ok(bucket("b", "a/c")));
        for wrong in ["", "/var/lib", "file://var/lib", "s3://", "s3:///a", "gs://b"] {
            assert!(place(wrong).unwrap_err().contains("names no store"), "{wrong}");
        }
    }
}
