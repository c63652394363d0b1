//! One call: who calls, where to, and what comes of it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use exeat_router::{Addresses, Body, Local, Token, serve};
use exeat_supervisor::Supervisor;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::discovery;
use crate::failure::{Failure, answer};
use crate::limits;
use crate::objects::Key;
use crate::resource::Resource;
use crate::route::{Query, Route, segments};
use crate::watch::Watch;
use crate::world::World;

/// The API server.
pub struct ApiServer {
    world: Arc<World>,
    token: Arc<Token>,
    watches: Arc<Semaphore>,
}

impl ApiServer {
    /// Reads what it has kept in `folder`, which is this server's alone and is made where it is missing. With `addresses`,
    /// sandboxes that are claimed get addresses of their own.
    ///
    /// # Errors
    /// The folder cannot be made, or something in it cannot be read.
    pub fn open(
        supervisor: Supervisor, folder: &Path, token: Arc<Token>, addresses: Option<Addresses<Local>>,
    ) -> io::Result<Arc<Self>> {
        let world = World::open(supervisor, folder, addresses)?;
        Ok(Arc::new(ApiServer { world, token, watches: Arc::new(Semaphore::new(limits::WATCHES)) }))
    }

    /// Serves until `stop`.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        let world = Arc::clone(&self.world);
        let changes = world.supervisor.changes();
        world.refresh_all();
        let serving = serve(listener, stop.clone(), move |request| {
            let server = Arc::clone(&self);
            async move { server.answer(request).await }
        });
        let watching = async {
            tokio::select! { () = world.run(changes) => {}, () = stop.cancelled() => {} }
        };
        tokio::join!(serving, watching);
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        // A client that goes away must not leave half of what it asked for.
        let call = tokio::spawn(async move { self.call(request).await });
        match call.await {
            Ok(Ok(response)) => response,
            Ok(Err(failure)) => {
                tracing::debug!(%failure, "a call fails");
                failure.response()
            }
            Err(error) => Failure::Internal(error.to_string()).response(),
        }
    }

    async fn call(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        if !self.token.permits(request.headers()) {
            return Err(Failure::Unauthorized);
        }
        let path = request.uri().path().to_owned();
        let segments = segments(&path);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let Some(found) = discovery::answer(&segments).filter(|_| request.method() == Method::GET) {
            return Ok(answer(StatusCode::OK, &found));
        }
        let route = Route::parse(&segments).ok_or(Failure::NoPath(path))?;
        match (request.method().clone(), route.namespace.clone(), route.name.clone()) {
            (Method::GET, Some(namespace), Some(name)) => self.get(route.resource, &namespace, &name),
            (Method::GET, ..) => self.collection(route, &request),
            (Method::POST, Some(namespace), None) => self.create(route.resource, &namespace, request).await,
            (Method::PATCH, Some(namespace), Some(name)) => {
                self.patch(route.resource, &namespace, &name, request).await
            }
            (Method::DELETE, Some(namespace), Some(name)) => {
                self.delete(route.resource, &namespace, &name, request).await
            }
            _ => Err(Failure::Method(route.resource)),
        }
    }

    fn get(&self, resource: Resource, namespace: &str, name: &str) -> Result<Response<Body>, Failure> {
        self.look(resource);
        let found = self.world.objects.get(&Key::new(resource, namespace, name));
        let found = found.ok_or(Failure::NotFound(resource, name.to_owned()))?;
        Ok(answer(StatusCode::OK, &found))
    }

    fn collection(&self, route: Route, request: &Request<Incoming>) -> Result<Response<Body>, Failure> {
        let query = Query::parse(request.uri().query().unwrap_or_default())?;
        self.look(route.resource);
        if query.watch {
            let busy = |_| Failure::TooMany(format!("there are {} watches; end some first", limits::WATCHES));
            let place = Arc::clone(&self.watches).try_acquire_owned().map_err(busy)?;
            let objects = Arc::clone(&self.world.objects);
            let Route { resource, namespace, .. } = route;
            return Ok(Watch { objects, resource, namespace, query, place }.response());
        }
        let namespace = route.namespace.as_deref();
        let (version, items) = self.world.objects.list(route.resource, namespace, &query.selector);
        let list = json!({
            "kind": format!("{}List", route.resource.kind()), "apiVersion": route.resource.api_version(),
            "metadata": { "resourceVersion": version.to_string() },
            "items": items.iter().map(|item| (**item).clone()).collect::<Vec<Value>>(),
        });
        Ok(answer(StatusCode::OK, &list))
    }

    /// The supervisor does not tell of changes of these.
    fn look(&self, resource: Resource) {
        match resource {
            Resource::Pools | Resource::Templates => self.world.refresh_pools(),
            Resource::Snapshots => self.world.refresh_snapshots(),
            _ => {}
        }
    }

    async fn create(
        &self, resource: Resource, namespace: &str, request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        let created = match resource {
            Resource::Claims => self.world.create_claim(namespace, body(request).await?).await?,
            Resource::Triggers => self.world.create_trigger(namespace, body(request).await?).await?,
            _ => return Err(Failure::Method(resource)),
        };
        Ok(answer(StatusCode::CREATED, &created))
    }

    async fn patch(
        &self, resource: Resource, namespace: &str, name: &str, request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        let patch = body(request).await?;
        // A JSON patch is a list; some clients call a merge patch one.
        if !patch.is_object() {
            return Err(Failure::MediaType);
        }
        let patched = match resource {
            Resource::Claims => self.world.patch_claim(namespace, name, patch).await?,
            Resource::Sandboxes => self.world.patch_sandbox(namespace, name, patch).await?,
            _ => return Err(Failure::Method(resource)),
        };
        Ok(answer(StatusCode::OK, &patched))
    }

    async fn delete(
        &self, resource: Resource, namespace: &str, name: &str, request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        let options = body(request).await?;
        let uid = options["preconditions"]["uid"].as_str();
        let status = match resource {
            Resource::Claims => self.world.delete_claim(namespace, name, uid).await?,
            Resource::Sandboxes => self.world.delete_sandbox(namespace, name, uid).await?,
            Resource::Triggers => self.world.delete_trigger(namespace, name).await?,
            Resource::Snapshots => self.world.delete_snapshot(namespace, name).await?,
            _ => return Err(Failure::Method(resource)),
        };
        Ok(answer(StatusCode::OK, &status))
    }
}

/// A request's body; `null` where there is none.
async fn body(request: Request<Incoming>) -> Result<Value, Failure> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.is_empty() && !kind.contains("json") {
        return Err(Failure::Bad(format!("`{kind}` is not read here; send JSON")));
    }
    let whole = Limited::new(request.into_body(), limits::BODY_BYTES).collect();
    let late = |_| Failure::Bad("the body did not come in time".to_owned());
    let whole = timeout(limits::BODY_TIME, whole).await.map_err(late)?;
    let bytes = whole.map_err(|_| Failure::TooLarge(limits::BODY_BYTES))?.to_bytes();
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| Failure::Bad(format!("the body is not JSON: {error}")))
}
