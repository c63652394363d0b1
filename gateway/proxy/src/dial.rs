//! From a canonical authority to a connected socket: looked up once, checked, pinned.

use std::collections::HashMap;
use std::net::SocketAddr;

use exeat_core::{Authority, Cause, Host, limits};
use hickory_resolver::TokioResolver;
use tokio::net::TcpStream;

use crate::is_public;

/// An origin that the configuration names: a private registry, GitHub Enterprise Server, a test.
#[derive(Clone, Debug)]
pub struct Origin {
    /// As clients name it.
    pub authority: Authority,
    /// Where it is, if not where DNS says.
    pub address: Option<SocketAddr>,
}

/// Finds and checks addresses.
pub(crate) struct Dialer {
    /// Origins that may be at addresses that are not public, because the configuration says so.
    configured: HashMap<Authority, Option<SocketAddr>>,
    resolver: Option<TokioResolver>,
}

impl Dialer {
    pub(crate) fn new(origins: Vec<Origin>) -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        if let Err(error) = &resolver {
            tracing::warn!(%error, "the system's DNS settings cannot be read; only configured origins have an address");
        }
        Dialer {
            configured: origins.into_iter().map(|origin| (origin.authority, origin.address)).collect(),
            resolver: resolver.ok(),
        }
    }

    /// Refuses a literal address that may not be dialled, before anything else is done for it.
    pub(crate) fn check_literal(&self, authority: &Authority) -> Result<(), Cause> {
        match authority.host {
            Host::Address(address) => self.check(authority, SocketAddr::new(address, authority.port)),
            Host::Name(_) => Ok(()),
        }
    }

    /// Connects to `authority` at an address that has been checked; the address checked is the address dialled.
    pub(crate) async fn dial(&self, authority: &Authority) -> Result<TcpStream, Cause> {
        let connect = async {
            let addresses = self.addresses(authority).await?;
            for address in &addresses {
                self.check(authority, *address)?;
            }
            for address in addresses {
                #[expect(clippy::disallowed_methods, reason = "the one place that dials, after the check above")]
                let connected = TcpStream::connect(address).await;
                match connected {
                    Ok(stream) => {
                        stream.set_nodelay(true).map_err(|_| Cause::Unreachable(authority.to_string()))?;
                        return Ok(stream);
                    }
                    Err(error) => tracing::debug!(%authority, %address, %error, "an address does not answer"),
                }
            }
            Err(Cause::Unreachable(authority.to_string()))
        };
        let slow = |_| Err(Cause::Unreachable(authority.to_string()));
        tokio::time::timeout(limits::DIAL_TIME, connect).await.unwrap_or_else(slow)
    }

    async fn addresses(&self, authority: &Authority) -> Result<Vec<SocketAddr>, Cause> {
        if let Some(Some(address)) = self.configured.get(authority) {
            return Ok(vec![*address]);
        }
        let name = match &authority.host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, authority.port)]),
            Host::Name(name) => name,
        };
        let unresolvable = || Cause::Unresolvable(authority.host.to_string());
        let resolver = self.resolver.as_ref().ok_or_else(unresolvable)?;
        // The final dot keeps the system's search domains out: the name judged is the name looked up.
        let found = resolver.lookup_ip(format!("{name}.")).await.map_err(|error| {
            tracing::debug!(%authority, %error, "lookup failed");
            unresolvable()
        })?;
        Ok(found.iter().map(|address| SocketAddr::new(address, authority.port)).collect())
    }

    fn check(&self, authority: &Authority, address: SocketAddr) -> Result<(), Cause> {
        if is_public(address.ip()) || self.configured.contains_key(authority) {
            return Ok(());
        }
        Err(Cause::ForbiddenAddress(authority.host.to_string(), address.ip().to_string()))
    }
}
