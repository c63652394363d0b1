//! Every way by which a request can come to the gateway.

use std::fmt;
use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::{Answer, Ask, PATIENCE, Scenario, TOKEN, read_answer};

/// A byte stream to the gateway, or through it.
pub type Wire = Box<dyn Both>;

/// Reads and writes.
pub trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Both for S {}

/// A way in: at one of the three doors, in one of seven forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    door: Door,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// TCP, with a token.
    Tcp,
    /// TCP, introduced once by a token as sandboxd in a pod does it.
    Introduced,
    /// The session's own socket.
    Unix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `GET https://host/ HTTP/1.1`
    AbsoluteHttps,
    /// `GET http://host/ HTTP/1.1`
    AbsoluteHttp,
    /// CONNECT, TLS, HTTP/1.1.
    Tunnel,
    /// CONNECT, HTTP/1.1 without TLS.
    PlainTunnel,
    /// CONNECT, TLS, HTTP/2.
    TunnelH2,
    /// CONNECT by HTTP/2, and in that stream TLS and HTTP/1.1.
    TunnelInH2,
    /// HTTP/2 with the proxy itself.
    H2,
}

impl Way {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Way> {
        use Form::*;
        let forms = [AbsoluteHttps, AbsoluteHttp, Tunnel, PlainTunnel, TunnelH2, TunnelInH2, H2];
        [Door::Tcp, Door::Introduced, Door::Unix]
            .into_iter()
            .flat_map(move |door| forms.into_iter().map(move |form| Way { door, form }))
    }

    /// Those that speak HTTP/1.1, where a client can write any bytes.
    pub fn http1() -> impl Iterator<Item = Way> {
        Way::all().filter(|way| !matches!(way.form, Form::H2 | Form::TunnelH2))
    }

    /// Those that speak HTTP/2.
    pub fn http2() -> impl Iterator<Item = Way> {
        Way::all().filter(|way| matches!(way.form, Form::H2 | Form::TunnelH2))
    }

    /// CONNECT, TLS, HTTP/1.1 over TCP: what most clients do.
    pub fn usual() -> Way {
        Way { door: Door::Tcp, form: Form::Tunnel }
    }

    /// Whether the request is in a tunnel, so that its target has no authority.
    pub fn is_tunnel(self) -> bool {
        matches!(self.form, Form::Tunnel | Form::PlainTunnel | Form::TunnelH2 | Form::TunnelInH2)
    }

    /// `http` or `https`.
    pub fn scheme(self) -> &'static str {
        if matches!(self.form, Form::AbsoluteHttp | Form::PlainTunnel) { "http" } else { "https" }
    }

    /// A request line's target for this way.
    pub fn target(self, host: &str, path: &str) -> String {
        if self.is_tunnel() { path.to_owned() } else { format!("{}://{host}{path}", self.scheme()) }
    }

    /// Headers that a request by this way needs, as lines: the token, where it is shown in each request.
    pub fn lines(self) -> String {
        match (self.door, self.is_tunnel()) {
            (Door::Tcp, false) => format!("Proxy-Authorization: {}\r\n", authorization()),
            _ => String::new(),
        }
    }

    /// A connection to the gateway's door.
    #[allow(clippy::disallowed_methods, reason = "this is a client of the gateway, not a part of it")]
    pub async fn dial(self, scenario: &Scenario) -> io::Result<Wire> {
        Ok(match self.door {
            Door::Tcp => Box::new(TcpStream::connect(scenario.listen()).await?),
            Door::Introduced => introduced(TcpStream::connect(scenario.listen()).await?).await?,
            Door::Unix => Box::new(UnixStream::connect(scenario.socket()).await?),
        })
    }

    /// Asks for a tunnel to `target` (`host:port`).
    ///
    /// # Errors
    /// The answer, where it is no tunnel.
    pub async fn connect(self, scenario: &Scenario, target: &str) -> Result<Wire, Answer> {
        let mut wire = self.dial(scenario).await.map_err(|_| Answer::closed())?;
        if self.form == Form::TunnelInH2 {
            let token = (self.door == Door::Tcp).then(authorization);
            return connect_by_h2(wire, target, token).await;
        }
        let token = if self.door == Door::Tcp {
            format!("Proxy-Authorization: {}\r\n", authorization())
        } else {
            String::new()
        };
        let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{token}\r\n");
        wire.write_all(head.as_bytes()).await.map_err(|_| Answer::closed())?;
        let answer = read_answer(&mut wire, "CONNECT").await;
        if answer.status == Some(200) { Ok(wire) } else { Err(answer) }
    }

    /// A connection over which requests to `host` can be written.
    ///
    /// # Errors
    /// The answer to CONNECT, or [`Answer::closed`] where TLS was not ended.
    pub async fn open(self, scenario: &Scenario, host: &str) -> Result<Wire, Answer> {
        let port = if self.scheme() == "http" { 80 } else { 443 };
        match self.form {
            Form::AbsoluteHttps | Form::AbsoluteHttp | Form::H2 => {
                self.dial(scenario).await.map_err(|_| Answer::closed())
            }
            Form::PlainTunnel => self.connect(scenario, &format!("{host}:{port}")).await,
            Form::Tunnel | Form::TunnelH2 | Form::TunnelInH2 => {
                let wire = self.connect(scenario, &format!("{host}:{port}")).await?;
                let protocol = if self.form == Form::TunnelH2 { "h2" } else { "http/1.1" };
                tls(scenario, wire, host.trim_matches(['[', ']']), protocol).await.map_err(|_| Answer::closed())
            }
        }
    }

    /// Sends a request and reads the answer.
    pub async fn send(self, scenario: &Scenario, ask: &Ask) -> Answer {
        let exchange = async {
            let wire = match self.open(scenario, &ask.host).await {
                Ok(wire) => wire,
                Err(refused) => return refused,
            };
            self.send_over(wire, ask).await
        };
        tokio::time::timeout(2 * PATIENCE, exchange).await.unwrap_or_else(|_| panic!("no answer by {self}: {ask:?}"))
    }

    /// Sends a request over a connection that is open, and reads the answer.
    pub async fn send_over(self, wire: Wire, ask: &Ask) -> Answer {
        if matches!(self.form, Form::H2 | Form::TunnelH2) {
            self.send_h2(wire, ask).await
        } else {
            self.write_and_read(wire, &self.bytes(ask), &ask.method).await
        }
    }

    /// Writes bytes to where requests to `host` are written, and reads one answer.
    pub async fn raw(self, scenario: &Scenario, host: &str, bytes: &[u8]) -> Answer {
        match self.open(scenario, host).await {
            Ok(wire) => self.write_and_read(wire, bytes, "GET").await,
            Err(refused) => refused,
        }
    }

    /// The bytes of a request by this way, in HTTP/1.1.
    pub fn bytes(self, ask: &Ask) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", ask.method, self.target(&ask.host, &ask.path));
        head += &format!("Host: {}\r\n{}", ask.host, self.lines());
        for (name, value) in &ask.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = &ask.body {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(ask.body.as_deref().unwrap_or_default());
        bytes
    }

    async fn write_and_read(self, mut wire: Wire, bytes: &[u8], method: &str) -> Answer {
        // A refusal may come before all is written; what it says counts.
        let _ = wire.write_all(bytes).await;
        let _ = wire.flush().await;
        read_answer(&mut wire, method).await
    }

    async fn send_h2(self, wire: Wire, ask: &Ask) -> Answer {
        let uri = format!("{}://{}{}", self.scheme(), ask.host, ask.path);
        let mut request = http::Request::builder().method(ask.method.as_str()).uri(uri).version(http::Version::HTTP_2);
        if self.form == Form::H2 && self.door == Door::Tcp {
            request = request.header("proxy-authorization", authorization());
        }
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let Ok(request) = request.body(()) else { return Answer::closed() };
        self.exchange_h2(wire, request, ask.body.clone()).await.unwrap_or_default()
    }

    async fn exchange_h2(
        self, wire: Wire, request: http::Request<()>, body: Option<Vec<u8>>,
    ) -> Result<Answer, h2::Error> {
        let (client, connection) = h2::client::handshake(wire).await?;
        let connection = tokio::spawn(connection);
        let (response, mut sending) = client.ready().await?.send_request(request, body.is_none())?;
        if let Some(body) = body {
            let _ = sending.send_data(Bytes::from(body), true);
        }
        let answer = read_h2(response.await?).await;
        connection.abort();
        Ok(answer)
    }

    /// The token's header for HTTP/2 at the proxy itself, where this way needs it.
    pub fn token_header(self) -> Option<String> {
        (self.door == Door::Tcp && self.form == Form::H2).then(authorization)
    }
}

/// A tunnel that is one stream of HTTP/2 with the proxy (RFC 9113, section 8.5).
async fn connect_by_h2(wire: Wire, target: &str, token: Option<String>) -> Result<Wire, Answer> {
    let request = http::Request::connect(target).version(http::Version::HTTP_2);
    let request = token.into_iter().fold(request, |request, token| request.header("proxy-authorization", token));
    let request = request.body(()).map_err(|_| Answer::closed())?;
    let opened = async {
        let (client, connection) = h2::client::handshake(wire).await?;
        tokio::spawn(connection);
        let (response, up) = client.ready().await?.send_request(request, false)?;
        Ok::<_, h2::Error>((response.await?, up))
    };
    let (response, up) = opened.await.map_err(|_| Answer::closed())?;
    if response.status() != 200 {
        return Err(read_h2(response).await);
    }
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (from, to) = tokio::io::split(far);
    tokio::spawn(pump_up(from, up));
    tokio::spawn(pump_down(response.into_body(), to));
    Ok(Box::new(near))
}

async fn pump_up(mut from: impl AsyncRead + Unpin, mut up: h2::SendStream<Bytes>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if up.send_data(Bytes::copy_from_slice(&buffer[..read]), false).is_err() {
            return;
        }
    }
    let _ = up.send_data(Bytes::new(), true);
}

async fn pump_down(mut down: h2::RecvStream, mut to: impl AsyncWrite + Unpin) {
    while let Some(Ok(data)) = down.data().await {
        let _ = down.flow_control().release_capacity(data.len());
        if to.write_all(&data).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// Reads a response of HTTP/2 to its end.
async fn read_h2(response: http::Response<h2::RecvStream>) -> Answer {
    let (head, mut body) = response.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let mut answer = Answer { status: Some(head.status.as_u16()), headers, ..Answer::default() };
    while let Some(data) = body.data().await {
        let Ok(data) = data else { return answer };
        let _ = body.flow_control().release_capacity(data.len());
        answer.body.extend_from_slice(&data);
    }
    answer.complete = true;
    answer
}

/// Speaks TLS as a client that trusts the gateway, asking for `name`, offering one protocol.
///
/// # Errors
/// Where the handshake fails.
pub async fn tls(scenario: &Scenario, wire: Wire, name: &str, protocol: &str) -> io::Result<Wire> {
    let mut config = scenario.client_tls();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, wire);
    let stream = tokio::time::timeout(PATIENCE, handshake).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(Box::new(stream))
}

/// A connection that has said who it is for all that follows on it.
async fn introduced(mut wire: TcpStream) -> io::Result<Wire> {
    let proxy = "exeat.local:3128";
    let shown = format!("Proxy-Authorization: {}\r\nConnection: close\r\n", authorization());
    wire.write_all(format!("CONNECT {proxy} HTTP/1.1\r\nHost: {proxy}\r\n{shown}\r\n").as_bytes()).await?;
    match read_answer(&mut wire, "CONNECT").await.status {
        Some(200) => Ok(Box::new(wire)),
        status => Err(io::Error::other(format!("an introduction is answered by {status:?}"))),
    }
}

fn authorization() -> String {
    format!("Basic {}", STANDARD.encode(format!("ci:{TOKEN}")))
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::AbsoluteHttps => "absolute-form of https",
            Form::AbsoluteHttp => "absolute-form of http",
            Form::Tunnel => "CONNECT, TLS and HTTP/1.1",
            Form::PlainTunnel => "CONNECT and plain HTTP/1.1",
            Form::TunnelH2 => "CONNECT, TLS and HTTP/2",
            Form::TunnelInH2 => "CONNECT by HTTP/2, TLS and HTTP/1.1",
            Form::H2 => "HTTP/2 at the proxy itself",
        };
        let door = match self.door {
            Door::Tcp => "TCP",
            Door::Introduced => "TCP with an introduction",
            Door::Unix => "the session's socket",
        };
        write!(f, "{form} over {door}")
    }
}
