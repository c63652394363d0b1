//! The way out: one connection to the gateway for each connection of a tool.

use std::io;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional_with_sizes, sink};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gateway::{Dialled, Gateway, Stream};
use crate::limits;

/// The authority that stands for the gateway's own proxy. It is no host: nobody gives out names below `local`.
const PROXY: &str = "exeat.local:3128";

/// Carries `client` to the gateway unchanged, until both sides are done. Where the gateway has to be told who we are, it
/// is told so once, before the client's first byte, by a request of our own to its proxy. What the client sends then
/// needs no token, in whatever form it comes and however many requests it is.
///
/// # Errors
/// Where the gateway cannot be reached, and where a side breaks off.
pub(crate) async fn relay(mut client: TcpStream, gateway: Rc<Gateway>) -> io::Result<()> {
    let Dialled { mut stream, token } = gateway.dial().await?;
    if token.is_some() {
        let answer = ask(&mut *stream, PROXY, token.as_deref()).await?;
        if !answer.accepts {
            return pass_on(client, &mut *stream, &answer).await;
        }
        client.write_all(answer.early()).await?;
    }
    carry(client, stream).await
}

/// Asks the gateway for `name:port`, and carries `client` there if it agrees.
///
/// # Errors
/// As [`relay`], and where the gateway refuses.
pub(crate) async fn connect(mut client: TcpStream, name: &str, port: u16, gateway: Rc<Gateway>) -> io::Result<()> {
    let Dialled { mut stream, token } = gateway.dial().await?;
    let answer = ask(&mut *stream, &format!("{name}:{port}"), token.as_deref()).await?;
    if !answer.accepts {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    client.write_all(answer.early()).await?;
    carry(client, stream).await
}

async fn carry(mut client: TcpStream, mut upstream: Box<dyn Stream>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let size = limits::BUFFER_BYTES;
    copy_bidirectional_with_sizes(&mut client, &mut upstream, size, size).await.map(|_| ())
}

/// Gives the client the gateway's refusal as if it had asked itself, since it says why. What the client sends meanwhile
/// is read and thrown away: a socket that is closed over unread bytes is reset, and the refusal lost with it.
async fn pass_on(mut client: TcpStream, upstream: &mut dyn Stream, answer: &Answer) -> io::Result<()> {
    client.write_all(&answer.bytes).await?;
    let (mut theirs, mut ours) = client.split();
    let refusal = async {
        copy(&mut &mut *upstream, &mut ours).await?;
        ours.shutdown().await
    };
    let mut nowhere = sink();
    let both = async { tokio::join!(refusal, copy(&mut theirs, &mut nowhere)).0 };
    timeout(limits::REFUSAL_TIME, both).await?
}

/// The gateway's answer to CONNECT.
struct Answer {
    /// It says 200.
    accepts: bool,
    /// What has been read of it, its head complete.
    bytes: Vec<u8>,
    head: usize,
}

impl Answer {
    /// What came behind the head, which belongs to the client.
    fn early(&self) -> &[u8] {
        &self.bytes[self.head..]
    }
}

/// Sends CONNECT and waits for the answer. A connection that was refused is of no more use, and the gateway need not keep it.
async fn ask(upstream: &mut dyn Stream, authority: &str, token: Option<&str>) -> io::Result<Answer> {
    let shown = token.map(|token| format!("Proxy-Authorization: Bearer {token}\r\nConnection: close\r\n"));
    let shown = shown.unwrap_or_default();
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{shown}\r\n");
    upstream.write_all(request.as_bytes()).await?;
    timeout(limits::CONNECT_TIME, read_answer(upstream)).await?
}

async fn read_answer(upstream: &mut dyn Stream) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    loop {
        if let Some((code, head)) = parse(&bytes)? {
            return Ok(Answer { accepts: code == 200, bytes, head });
        }
        if bytes.len() >= limits::CONNECT_ANSWER_BYTES {
            return Err(io::Error::other("the gateway's answer is too long"));
        }
        if upstream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The status and the length of the answer's head, once it is complete.
fn parse(answer: &[u8]) -> io::Result<Option<(u16, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; limits::CONNECT_ANSWER_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match (response.parse(answer), response.code) {
        (Ok(httparse::Status::Partial), _) => Ok(None),
        (Ok(httparse::Status::Complete(length)), Some(code)) => Ok(Some((code, length))),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_its_head_is_complete() {
        assert_eq!(parse(b"").unwrap(), None);
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nx: y\r\n").unwrap(), None);
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\nearly").unwrap(), Some((200, 19)));
        assert_eq!(parse(b"HTTP/1.1 403 No\r\n\r\n").unwrap(), Some((403, 19)));
        assert_eq!(parse(b"\x16\x03\x01\x02").unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
