//! The sandbox's one way out, as sandboxd finds it: a socket that is bound in, or an address and a token.
//!
//! A socket is who comes through it. Over TCP the token is, so it goes along with the first request of each connection,
//! which is always ours ([decision 12](../../../docs/decisions/0012-a-connection-introduces-itself.md)).

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, UnixStream};
use tokio::time::timeout;

use crate::limits;

/// Where the way out is bound in, when nothing else is said.
const SOCKET: &str = "/run/exeat/gateway.sock";

/// The way out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Gateway {
    /// A socket.
    Socket,
    /// Over TCP.
    Address {
        /// Where the gateway listens.
        address: SocketAddr,
        /// Where our token is. It is read for each connection, because whoever gave it replaces it before it ends.
        token: PathBuf,
    },
}

/// A connection to the gateway.
pub(crate) struct Dialled {
    pub(crate) stream: Box<dyn Stream>,
    /// What the first request on it has to show; nothing where the socket says enough.
    pub(crate) token: Option<String>,
}

/// Both directions of a connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

impl Gateway {
    pub(crate) async fn dial(&self) -> io::Result<Dialled> {
        match self {
            Gateway::Socket => {
                let stream = Box::new(UnixStream::connect(SOCKET).await?);
                Ok(Dialled { stream, token: None })
            }
            Gateway::Address { address, token } => {
                let token = Some(read(token)?);
                let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                let stream = timeout(limits::DIAL_TIME, socket.connect(*address)).await??;
                stream.set_nodelay(true)?;
                Ok(Dialled { stream: Box::new(stream), token })
            }
        }
    }
}

/// The token, if the file holds something that can stand in a header.
fn read(file: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(file)?;
    let token = text.trim();
    if token.is_empty() || token.len() > limits::TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(io::Error::other("there is no token in the file"));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_cannot_end_a_header() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let token = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read(&file).ok()
        };
        assert_eq!(token("ey.J-_x\n").as_deref(), Some("ey.J-_x"));
        for wrong in ["", "\n", "a b", "a\r\nHost: b", "é", &"a".repeat(limits::TOKEN_BYTES + 1)] {
            assert_eq!(token(wrong), None, "{wrong:?}");
        }
        assert!(read(&folder.path().join("missing")).is_err());
    }
}
