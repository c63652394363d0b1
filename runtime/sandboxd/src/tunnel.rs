//! The way out: one connection to the gateway's socket for each connection of a tool.

use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::limits;

/// Carries `client` to the gateway unchanged, until both sides are done.
///
/// # Errors
/// Where the gateway cannot be reached, and where a side breaks off.
pub(crate) async fn relay(client: TcpStream, gateway: &Path) -> io::Result<()> {
    carry(client, UnixStream::connect(gateway).await?).await
}

/// Asks the gateway for `name:port`, and carries `client` there if it agrees.
///
/// # Errors
/// As [`relay`], and where the gateway refuses.
pub(crate) async fn connect(mut client: TcpStream, name: &str, port: u16, gateway: &Path) -> io::Result<()> {
    let mut upstream = UnixStream::connect(gateway).await?;
    let request = format!("CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n");
    upstream.write_all(request.as_bytes()).await?;
    let early = timeout(limits::CONNECT_TIME, read_answer(&mut upstream)).await??;
    client.write_all(&early).await?;
    carry(client, upstream).await
}

async fn carry(mut client: TcpStream, mut upstream: UnixStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let size = limits::BUFFER_BYTES;
    copy_bidirectional_with_sizes(&mut client, &mut upstream, size, size).await.map(|_| ())
}

/// Reads the answer to CONNECT; what the gateway sent behind a 200 belongs to the client.
async fn read_answer(upstream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    loop {
        if let Some(head) = accepted(&answer)? {
            return Ok(answer.split_off(head));
        }
        if answer.len() >= limits::CONNECT_ANSWER_BYTES {
            return Err(io::Error::other("the gateway's answer is too long"));
        }
        if upstream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The length of the answer's head once it is complete and says 200.
fn accepted(answer: &[u8]) -> io::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; limits::CONNECT_ANSWER_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match (response.parse(answer), response.code) {
        (Ok(httparse::Status::Partial), _) => Ok(None),
        (Ok(httparse::Status::Complete(length)), Some(200)) => Ok(Some(length)),
        (Ok(httparse::Status::Complete(_)), _) => Err(io::ErrorKind::ConnectionRefused.into()),
        (Err(_), _) => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_200_opens_the_tunnel() {
        assert_eq!(accepted(b"").unwrap(), None);
        assert_eq!(accepted(b"HTTP/1.1 200 OK\r\nx: y\r\n").unwrap(), None);
        assert_eq!(accepted(b"HTTP/1.1 200 OK\r\n\r\nearly").unwrap(), Some(19));
        assert_eq!(accepted(b"HTTP/1.1 403 No\r\n\r\n").unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(accepted(b"\x16\x03\x01\x02").unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
