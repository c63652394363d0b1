//! The sandboxes of this machine.

use exeat_inside::{Api, client};
use exeat_lifecycle::Refused;
use exeat_supervisor::{Error, Supervisor, Visit as Stay};
use http::{Request, Response, Version};
use hyper::body::Incoming;

use crate::{Backend, Refusal, Target, Visit, address, exchange};

/// The sandboxes of this machine's supervisor.
#[derive(Clone)]
pub struct Local(Supervisor);

impl Local {
    /// Those of this one.
    pub fn new(supervisor: Supervisor) -> Self {
        Local(supervisor)
    }
}

impl Backend for Local {
    type Visit = Inside;

    async fn enter(&self, target: &Target) -> Result<Inside, Refusal> {
        let unknown = || Refusal::Unknown { namespace: target.namespace.clone(), id: target.id.clone() };
        let sandbox = self.0.find(&target.namespace, &target.id).map_err(|_| unknown())?;
        // One that waits in a pool is nobody's yet: whoever claims it must find it as it was made.
        if sandbox.pool.is_some() {
            return Err(unknown());
        }
        if target.uid.as_deref().is_some_and(|uid| uid != sandbox.id.as_str()) {
            return Err(Refusal::OtherUid { id: target.id.clone(), uid: sandbox.id.to_string() });
        }
        match self.0.enter(&sandbox.id).await {
            Ok(stay) => Ok(Inside(Box::new(stay))),
            Err(Error::NotFound { .. } | Error::Refused(Refused::Deleting)) => Err(unknown()),
            Err(error) => Err(refusal(&error)),
        }
    }
}

fn refusal(error: &Error) -> Refusal {
    let said = error.to_string();
    match error {
        Error::Expired(_) => Refusal::Expired(said),
        Error::NotFound { .. } | Error::Exists(_) | Error::Input(_) | Error::Unusable(_) => Refusal::Never(said),
        Error::Refused(_) | Error::Full(_) => Refusal::Busy(said),
        Error::Failed(_) => Refusal::Failed(said),
    }
}

fn lost(error: &client::Error) -> Refusal {
    match error {
        client::Error::Misused(why) => Refusal::Never((*why).to_owned()),
        error => Refusal::Failed(error.to_string()),
    }
}

/// Being in one of them.
pub struct Inside(Box<Stay>);

impl Visit for Inside {
    async fn send(&self, port: u16, mut request: Request<Incoming>) -> Result<Response<Incoming>, Refusal> {
        let api = match port {
            8888 => Some(Api::Legacy),
            8080 => Some(Api::Rest),
            9090 => Some(Api::Grpc),
            _ => None,
        };
        if api == Some(Api::Grpc) && request.version() != Version::HTTP_2 {
            return Err(Refusal::NeedsHttp2(port));
        }
        if matches!(api, Some(Api::Legacy | Api::Rest)) {
            *request.version_mut() = Version::HTTP_11;
        }
        address(&mut request, port);
        match api {
            Some(api) => self.0.forward(api, request).await.map_err(|error| lost(&error)),
            None => {
                let stream = self.0.connect(port).await;
                let stream = stream.map_err(|error| match error {
                    client::Error::Refused(_) => Refusal::Unreachable { port, why: error.to_string() },
                    error => lost(&error),
                })?;
                exchange(stream, port, request).await
            }
        }
    }
}
