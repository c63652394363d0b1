//! The load: connections that each send the next request when the last is answered.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use hdrhistogram::Histogram;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::SendRequest;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::Result;
use crate::client::{Dialler, Way, tls_config};

/// What the load is told.
#[derive(Args)]
pub(crate) struct Options {
    /// The origin as `name:port`.
    #[arg(long)]
    target: String,
    /// The certificate of the authority that the origin's, or the proxy's, certificate comes from.
    #[arg(long)]
    ca: PathBuf,
    #[command(flatten)]
    way: WayOptions,
    /// `Proxy-Authorization` for the proxy, whole: `Bearer …` or `Basic …`.
    #[arg(long)]
    proxy_authorization: Option<String>,
    /// `Authorization` for the origin: a placeholder where the proxy puts the credential.
    #[arg(long)]
    authorization: Option<HeaderValue>,
    /// Connections at once.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds before them that are not.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct WayOptions {
    /// Go to this address without a proxy.
    #[arg(long)]
    direct: Option<SocketAddr>,
    /// Go through the proxy at this address.
    #[arg(long)]
    proxy: Option<SocketAddr>,
    /// Go through the proxy behind this Unix socket.
    #[arg(long)]
    socket: Option<PathBuf>,
}

/// What one run measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Requests answered in a second.
    pub(crate) rps: f64,
    /// The median latency, in microseconds.
    pub(crate) p50_us: u64,
    /// The latency that one request in a hundred exceeds, in microseconds.
    pub(crate) p99_us: u64,
    /// Requests measured.
    pub(crate) requests: u64,
    /// Requests that failed: always 0, since the first one ends the run.
    pub(crate) errors: u64,
}

/// When to start counting and when to stop.
#[derive(Clone, Copy)]
struct Window {
    start: Instant,
    end: Instant,
}

/// Runs the load and prints what it measured.
pub(crate) async fn run(options: Options) -> Result<()> {
    let way = match options.way {
        WayOptions { direct: Some(address), .. } => Way::Direct(address),
        WayOptions { proxy: Some(address), .. } => Way::Proxy(address),
        WayOptions { socket: Some(path), .. } => Way::Socket(path),
        _ => return Err("give `--direct`, `--proxy` or `--socket`".into()),
    };
    let mut tls = tls_config(&options.ca)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let dialler =
        Dialler { way, target: options.target, proxy_authorization: options.proxy_authorization, tls: Arc::new(tls) };
    let mut request = Request::builder().uri("/item/1").header(header::HOST, &dialler.target);
    if let Some(value) = options.authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    let request = request.body(Empty::new())?;

    // All are open before the first request, so that no handshake falls into the measured time.
    let mut open = Vec::with_capacity(options.connections);
    for _ in 0..options.connections {
        open.push(dialler.open().await?);
    }
    let start = Instant::now() + Duration::try_from_secs_f64(options.warm_up)?;
    let window = Window { start, end: start + Duration::try_from_secs_f64(options.seconds)? };
    let mut loops = JoinSet::new();
    for connection in open {
        loops.spawn(ask(connection, request.clone(), window));
    }
    let mut all = histogram()?;
    while let Some(one) = loops.join_next().await {
        all.add(one??)?;
    }
    let figures = Figures {
        rps: all.len() as f64 / options.seconds,
        p50_us: all.value_at_quantile(0.5) / 1000,
        p99_us: all.value_at_quantile(0.99) / 1000,
        requests: all.len(),
        errors: 0,
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// One connection's closed loop. Gives the latencies of the answers that came within the window, in nanoseconds.
async fn ask(
    mut connection: SendRequest<Empty<Bytes>>, request: Request<Empty<Bytes>>, window: Window,
) -> Result<Histogram<u64>> {
    let mut latencies = histogram()?;
    loop {
        let before = Instant::now();
        if before >= window.end {
            return Ok(latencies);
        }
        connection.ready().await?;
        let response = connection.send_request(request.clone()).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            return Err(format!("a request was answered {status}: {}", String::from_utf8_lossy(&body)).into());
        }
        let after = Instant::now();
        if after >= window.start && after <= window.end {
            latencies.saturating_record(u64::try_from((after - before).as_nanos())?);
        }
    }
}

/// From a microsecond to a minute, with three digits.
fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?)
}
