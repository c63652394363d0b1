//! A client of the API server that calls it no faster than it is told to.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use kube::client::ClientBuilder;
use kube::{Client, Config};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};
use tower::{Layer, Service};

/// A client of the cluster that `KUBECONFIG` names, or that this process runs in. `qps` below 0 sets no limit; else so many
/// calls a second, and `burst` of them at once.
///
/// # Errors
/// No cluster is named, or what names it makes no sense.
pub async fn client(qps: f32, burst: u32) -> Result<Client, kube::Error> {
    // Whoever else in this process has chosen one has chosen the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = Config::infer().await.map_err(kube::Error::InferConfig)?;
    let pace = (qps > 0.0).then(|| Pace::new(qps, burst));
    Ok(ClientBuilder::try_from(config)?.with_layer(&tower::util::option_layer(pace)).build())
}

/// Lets so many calls through in a second.
#[derive(Clone)]
struct Pace {
    between: Duration,
    burst: u32,
    /// When the next call would go if calls had always come as fast as they may.
    next: Arc<Mutex<Instant>>,
}

impl Pace {
    fn new(qps: f32, burst: u32) -> Self {
        Pace {
            between: Duration::from_secs_f32(1.0 / qps),
            burst: burst.max(1),
            next: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// Waits until one more call may go (generic cell rate algorithm).
    async fn wait(&self) {
        let at = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let at = (*next).max(now);
            *next = at + self.between;
            at.checked_sub(self.between * (self.burst - 1)).unwrap_or(now)
        };
        sleep_until(at).await;
    }
}

impl<S> Layer<S> for Pace {
    type Service = Paced<S>;

    fn layer(&self, inner: S) -> Paced<S> {
        Paced { pace: self.clone(), inner }
    }
}

/// A service that is called no faster than it may be.
#[derive(Clone)]
struct Paced<S> {
    pace: Pace,
    inner: S,
}

impl<S, R> Service<R> for Paced<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // Nothing is sent before this is awaited.
        let (pace, calling) = (self.pace.clone(), self.inner.call(request));
        Box::pin(async move {
            pace.wait().await;
            calling.await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_the_pace() {
        let pace = Pace::new(10.0, 3);
        let began = Instant::now();
        let mut went = Vec::new();
        for _ in 0..5 {
            pace.wait().await;
            // Timers go off up to a millisecond late.
            went.push(began.elapsed().as_millis() / 10 * 10);
        }
        assert_eq!(went, [0, 0, 0, 100, 200]);
    }
}
