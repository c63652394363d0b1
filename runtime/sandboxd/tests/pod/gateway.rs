//! In the gateway's place: somebody who knows one token and writes down every head that comes.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it says to strangers.
pub(crate) const REFUSAL: &str = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 7\r\n\r\nwho is?";

pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    folder: TempDir,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    token: String,
    heads: Vec<String>,
}

impl Gateway {
    pub(crate) async fn new() -> Gateway {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let known: Arc<Mutex<Known>> = Arc::default();
        let theirs = Arc::clone(&known);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&theirs)));
            }
        });
        Gateway { address, folder: tempfile::tempdir().unwrap(), known }
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    /// Knows `token` and no other from now on.
    pub(crate) fn knows(&self, token: &str) {
        token.clone_into(&mut self.known.lock().unwrap().token);
    }

    /// Puts `token` into the file, as the kubelet does: by a link to another folder.
    pub(crate) fn writes(&self, token: &str) {
        let data = self.folder.path().join(format!("..data-{token}"));
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("token"), token).unwrap();
        let new = self.folder.path().join("..data_tmp");
        symlink(&data, &new).unwrap();
        std::fs::rename(new, self.folder.path().join("..data")).unwrap();
        let _ = symlink("..data/token", self.token_file());
    }

    /// The heads that have come, and forgets them.
    pub(crate) fn heads(&self) -> Vec<String> {
        std::mem::take(&mut self.known.lock().unwrap().heads)
    }
}

/// One connection. Behind CONNECT for a name is somebody who says back what he hears. Behind that for the gateway itself is
/// its proxy, which numbers the requests of the connection.
async fn serve(mut client: TcpStream, known: Arc<Mutex<Known>>) -> Option<()> {
    let head = take_head(&mut client, &known).await?;
    let shown = format!("Proxy-Authorization: Bearer {}\r\n", known.lock().unwrap().token);
    if !head.contains(&shown) {
        client.write_all(REFUSAL.as_bytes()).await.ok()?;
        return None;
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    if !head.starts_with("CONNECT exeat.local:3128 ") {
        return echo(client).await;
    }
    for number in 1.. {
        let head = take_head(&mut client, &known).await?;
        if head.starts_with("CONNECT ") {
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
            return echo(client).await;
        }
        client.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}").as_bytes()).await.ok()?;
    }
    None
}

async fn echo(mut client: TcpStream) -> Option<()> {
    let (mut from, mut to) = client.split();
    tokio::io::copy(&mut from, &mut to).await.ok().map(|_| ())
}

async fn take_head(client: &mut TcpStream, known: &Mutex<Known>) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    known.lock().unwrap().heads.push(head.clone());
    Some(head)
}
