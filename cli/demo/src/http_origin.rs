//! An origin whose answers a closure gives: for services that have no real server here, and for hostile ones.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;

use crate::body::Body;
use crate::recorder::answer;
use crate::{Authority, Error, Recorder};

/// An origin that reads each request whole and answers what its closure says.
///
/// A closure that wants the body as it comes in goes to [`Recorder::start`] itself.
pub struct HttpOrigin {
    recorder: Recorder,
}

impl HttpOrigin {
    /// Answers under `names` with what `handler` returns.
    ///
    /// # Errors
    /// If there is no certificate for the names, or no port.
    pub async fn start<F, A>(authority: &Authority, names: &[&str], handler: F) -> Result<Self, Error>
    where
        F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let whole = move |request: Request<Body>| {
            let handler = Arc::clone(&handler);
            async move {
                let (parts, body) = request.into_parts();
                match body.collect().await {
                    Ok(body) => handler(Request::from_parts(parts, body.to_bytes())).await,
                    Err(error) => answer(StatusCode::BAD_REQUEST, format!("the body broke off: {error}\n")),
                }
            }
        };
        Ok(HttpOrigin { recorder: Recorder::start(authority, names, whole).await? })
    }
}

/// What it saw, and where it listens.
impl Deref for HttpOrigin {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}
