//! What the roles that Kubernetes starts have in common: a client, doors for probes and metrics, and how they end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use exeat_router::{Body, full};
use http::{Response, StatusCode};
use kube::Client;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::problem::Problem;

/// A client of the cluster that `KUBECONFIG` names, or that this process runs in.
pub(crate) async fn client(qps: f32, burst: u32) -> Result<Client, Problem> {
    exeat_controller::client(qps, burst).await.map_err(|error| {
        Problem::failure(error)
            .advise("run it in a pod with a service account, or set `KUBECONFIG` to a file that names a cluster")
    })
}

/// Takes a port.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Problem> {
    TcpListener::bind(address).await.map_err(|error| {
        Problem::failure(format!("`{address}` cannot be listened at: {error}"))
            .advise("end what uses the port, or choose another")
    })
}

/// `:8080`, as Kubernetes' programs write it, or a whole address; port 0 for any.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    whole.parse().map_err(|_| format!("`{text}` is no address: write `:8080` or `127.0.0.1:8080`"))
}

/// `90s`, `5m`, `1h`, `250ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration: write `90s`, `5m` or `1h`");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err(wrong()),
    };
    Ok(unit * number)
}

/// This process's name among its like: the pod's, where it runs in one.
pub(crate) fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}

/// Waits until somebody stops this process.
pub(crate) async fn told_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// What a path says: text; an `Err` is said with 503.
type Say = Box<dyn Fn() -> Result<String, String> + Send + Sync>;

/// A port on which paths say something; `/healthz` says that the process runs.
pub(crate) struct Door {
    listener: TcpListener,
    paths: Vec<(&'static str, Say)>,
}

impl Door {
    /// A port with one path.
    pub(crate) fn new(
        listener: TcpListener, path: &'static str, say: impl Fn() -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        Door { listener, paths: vec![(path, Box::new(say))] }
    }

    /// The same with another path.
    pub(crate) fn and(
        mut self, path: &'static str, say: impl Fn() -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        self.paths.push((path, Box::new(say)));
        self
    }

    fn answer(paths: &[(&'static str, Say)], asked: &str) -> Response<Body> {
        let found = paths.iter().find(|(path, _)| *path == asked);
        let (status, text) = match found {
            None if asked == "/healthz" => (StatusCode::OK, "ok".to_owned()),
            None => {
                let known: Vec<_> = paths.iter().map(|(path, _)| *path).chain(["/healthz"]).collect();
                (StatusCode::NOT_FOUND, format!("ask for {}", known.join(" or ")))
            }
            Some((_, say)) => match say() {
                Ok(text) => (StatusCode::OK, text),
                Err(text) => (StatusCode::SERVICE_UNAVAILABLE, text),
            },
        };
        let mut response = Response::new(full(text));
        *response.status_mut() = status;
        response
    }
}

/// Serves doors until `stop`.
pub(crate) fn serve<const N: usize>(doors: [Door; N], stop: CancellationToken) -> impl Future<Output = ()> {
    let serving = doors.map(|door| {
        let (listener, paths) = (door.listener, Arc::new(door.paths));
        tokio::spawn(exeat_router::serve(listener, stop.clone(), move |request| {
            let answer = Door::answer(&paths, request.uri().path());
            async move { answer }
        }))
    });
    async move {
        for door in serving {
            let _: Result<(), _> = door.await;
        }
    }
}
