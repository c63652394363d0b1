//! The doors for clients of Agent Sandbox: the API server and the router, with one token for both.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::Duration;

use exeat_apiserver::{ApiServer, write_kubeconfigs};
use exeat_router::{Addresses, Local, Router, Token};
use exeat_supervisor::Supervisor;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::problem::Problem;
use crate::state::State;

/// Both doors, bound and closed.
pub(crate) struct Doors {
    server: TcpListener,
    router: TcpListener,
    pod_addresses: bool,
}

/// Both doors, open.
pub(crate) struct Api {
    /// Where the API server listens.
    pub(crate) server: SocketAddr,
    /// Where the router listens.
    pub(crate) router: SocketAddr,
    serving: JoinSet<()>,
}

impl Doors {
    pub(crate) async fn bind(config: Option<&config::Api>) -> Result<Option<Self>, Problem> {
        let Some(config) = config else { return Ok(None) };
        let server = bind(config.listen, "listen").await?;
        let router = bind(config.router_listen, "router_listen").await?;
        Ok(Some(Doors { server, router, pod_addresses: config.pod_addresses }))
    }

    /// Opens both for those who have the token, until `stop`.
    pub(crate) fn open(
        self, supervisor: Option<&Supervisor>, state: &State, stop: CancellationToken,
    ) -> Result<Api, Problem> {
        let supervisor = supervisor.ok_or_else(|| {
            Problem::input("`[api]` serves sandboxes, and there is no `runsc` to start them with")
                .advise("install gVisor's runsc, or take `[api]` out of exeat.toml")
        })?;
        let folder = state.api();
        let fails = |error: std::io::Error| Problem::failure(format!("`{}`: {error}", folder.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(fails)?;
        let token = Arc::new(Token::open(&folder.join("token")).map_err(fails)?);
        let router = Router::new(Local::new(supervisor.clone()), Arc::clone(&token));
        let pods = self.pod_addresses.then(|| Addresses::new(Arc::clone(&router)));
        let server = ApiServer::open(supervisor.clone(), &folder, Arc::clone(&token), pods).map_err(fails)?;
        let addresses = (self.server.local_addr().map_err(fails)?, self.router.local_addr().map_err(fails)?);
        write_kubeconfigs(&folder, addresses.0, &token).map_err(fails)?;
        let mut serving = JoinSet::new();
        serving.spawn(server.serve(self.server, stop.clone()));
        serving.spawn(router.serve(self.router, stop, Duration::ZERO));
        Ok(Api { server: addresses.0, router: addresses.1, serving })
    }
}

impl Api {
    /// Returns when both have ended.
    pub(crate) async fn ended(mut self) {
        while self.serving.join_next().await.is_some() {}
    }
}

async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener, Problem> {
    if !address.ip().is_loopback() {
        let message = format!("`{key} = \"{address}\"` under `[api]` is no address of loopback");
        return Err(Problem::input(message).advise("use 127.0.0.1: the token must not cross a network in plain"));
    }
    TcpListener::bind(address).await.map_err(|error| {
        Problem::failure(format!("`{address}` cannot be listened at: {error}"))
            .advise(format!("end what uses the port, or set another `{key}` under `[api]`"))
    })
}
