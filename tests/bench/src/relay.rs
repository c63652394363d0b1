//! The floor of every proxy that opens TLS: hudsucker with no handler, so TLS on both sides and nothing between.

use std::convert::Infallible;
use std::iter;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use hudsucker::Proxy;
use hudsucker::certificate_authority::RcgenAuthority;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use tokio::net::TcpSocket;

use crate::Result;
use crate::client::tls_config;
use crate::process::ready;

/// Connections that may wait to be accepted: more than the load opens at once.
const BACKLOG: u32 = 1024;
/// Leaf certificates remembered.
const LEAVES: u64 = 1000;

/// What the relay is told.
#[derive(Args)]
pub(crate) struct Options {
    /// The certificate of the authority that origins are trusted by.
    #[arg(long)]
    trust: PathBuf,
    /// Where to write the certificate of the relay's own authority.
    #[arg(long)]
    ca_out: PathBuf,
}

/// Relays until the process ends. Every name leads to 127.0.0.1.
pub(crate) async fn run(options: Options) -> Result<()> {
    let ca = authority(&options.ca_out)?;
    let loopback = |_: Name| async { Ok::<_, Infallible>(iter::once(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))) };
    let mut tcp = HttpConnector::new_with_resolver(tower::service_fn(loopback));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    // HTTP/1.1 only: over h2 the relay would put the requests of all its clients on one connection.
    let https = HttpsConnectorBuilder::new().with_tls_config(tls_config(&options.trust)?);
    let connector = https.https_only().enable_http1().wrap_connector(tcp);

    // Hudsucker sets no TCP_NODELAY on what it accepts. On Linux those sockets have it from the one that listens.
    let socket = TcpSocket::new_v4()?;
    socket.set_nodelay(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    ready(listener.local_addr()?.port())?;
    let proxy = Proxy::builder().with_listener(listener).with_ca(ca).with_http_connector(connector).build()?;
    Ok(proxy.start().await?)
}

fn authority(ca_out: &PathBuf) -> Result<RcgenAuthority> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "relay authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    std::fs::write(ca_out, params.self_signed(&key)?.pem())?;
    Ok(RcgenAuthority::new(Issuer::new(params, key), LEAVES, aws_lc_rs::default_provider()))
}
