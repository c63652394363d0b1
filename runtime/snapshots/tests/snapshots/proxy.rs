//! Something between a client and its storage that fails in ways that storages do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    Passes,
    /// 503, as S3 answers who is too fast.
    SlowDown,
    /// The connection ends without an answer.
    Dropped,
    /// The request is carried out, and the connection ends without an answer.
    AnswerLost,
    /// 500 without S3's document.
    Broken,
}

/// Decides by the number of a request and its first line.
type Decide = dyn Fn(u64, &str) -> Fate + Send + Sync;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) requests: Arc<AtomicU64>,
    /// First lines of those that failed.
    pub(crate) failed: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) async fn start(origin: u16, decide: impl Fn(u64, &str) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let decide: Arc<Decide> = Arc::new(decide);
        let (requests, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let proxy = Self { port, requests: Arc::clone(&requests), failed: Arc::clone(&failed) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (decide, requests, failed) = (Arc::clone(&decide), Arc::clone(&requests), Arc::clone(&failed));
                tokio::spawn(async move {
                    let _ = serve(client, origin, &*decide, &requests, &failed).await;
                });
            }
        });
        proxy
    }
}

/// One request a connection.
async fn serve(
    mut client: TcpStream, origin: u16, decide: &Decide, requests: &AtomicU64, failed: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let head = loop {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).into_owned();
    let length = text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let whole = head + length.unwrap_or(0_usize);
    while request.len() < whole {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let first = text.lines().next().unwrap().to_owned();
    let fate = decide(requests.fetch_add(1, Ordering::SeqCst), &first);
    if fate != Fate::Passes {
        failed.lock().unwrap().push(first.clone());
    }
    let answer = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    match fate {
        Fate::Dropped => return Ok(()),
        Fate::SlowDown => {
            let body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
            return client.write_all(answer("503 Slow Down", body).as_bytes()).await;
        }
        Fate::Broken => return client.write_all(answer("500 Oh", "no").as_bytes()).await,
        Fate::Passes | Fate::AnswerLost => {}
    }
    #[allow(clippy::disallowed_methods, reason = "the test's own storage")]
    let mut storage = TcpStream::connect(("127.0.0.1", origin)).await?;
    let line = first.len() + 2;
    storage.write_all(&request[..line]).await?;
    storage.write_all(b"connection: close\r\n").await?;
    storage.write_all(&request[line..whole]).await?;
    let mut got = Vec::new();
    storage.read_to_end(&mut got).await?;
    if fate == Fate::AnswerLost {
        return Ok(());
    }
    // The client must not send a second request on this connection.
    let split = got.windows(2).position(|window| window == b"\r\n").map_or(0, |end| end + 2);
    client.write_all(&got[..split]).await?;
    client.write_all(b"connection: close\r\n").await?;
    client.write_all(&got[split..]).await
}
