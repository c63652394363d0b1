//! The files by which clients find the server.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use exeat_router::Token;
use serde_json::{Value, json};

/// Writes `kubeconfig` and `kubeconfig-go` into a folder, each for its owner alone, for a server that listens at `address`.
///
/// Go's clients send no token over plain HTTP, and send what is in the server's URL; Python's take a token and refuse both
/// at once. So there are two files with the same in them.
///
/// # Errors
/// A file cannot be written.
pub fn write_kubeconfigs(folder: &Path, address: SocketAddr, token: &Token) -> io::Result<()> {
    let bearer = kubeconfig(&format!("http://{address}"), &json!({ "token": token.expose() }));
    let in_url = kubeconfig(&format!("http://exeat:{}@{address}", token.expose()), &json!({}));
    write(&folder.join("kubeconfig"), &bearer)?;
    write(&folder.join("kubeconfig-go"), &in_url)
}

/// JSON is YAML too.
fn kubeconfig(server: &str, user: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "exeat",
        "clusters": [{ "name": "exeat", "cluster": { "server": server } }],
        "users": [{ "name": "exeat", "user": user }],
        "contexts": [{ "name": "exeat", "context": { "cluster": "exeat", "user": "exeat", "namespace": "default" } }],
    })
}

fn write(path: &Path, value: &Value) -> io::Result<()> {
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    writeln!(file, "{value:#}")?;
    std::fs::rename(&new, path)
}
