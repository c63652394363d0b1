//! Exeat's own service, for the supervisor.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::rc::Rc;

use exeat_inside::control::{Configure, Ended, HomeFile, Listeners, Place, Processes, path};
use exeat_inside::limits as shared;
use exeat_inside::process::Empty;
use exeat_inside::status::{Code, Status};
use http::{Request, Response};
use hyper::body::Incoming;

use super::answer::Body;
use super::files::{self, Source};
use super::sandbox::check_variable;
use super::{Context, Sandbox, archive, grpc, inspect};

pub(super) async fn serve(context: Context, request: Request<Incoming>) -> Response<Body> {
    let sandbox = Rc::clone(&context.sandbox);
    match request.uri().path() {
        path::CONFIGURE => grpc::answer(configure(&sandbox, request).await),
        path::SYNC => grpc::answer(sync(request).await),
        path::PROCESSES => grpc::answer(processes(&sandbox, request).await),
        path::LISTENERS => grpc::answer(listeners(request).await),
        path::ARCHIVE => match grpc::only::<Place>(request).await.and_then(|place| archive::pack(&sandbox, &place)) {
            Ok(body) => grpc::stream(body),
            Err(status) => grpc::refuse(&status),
        },
        path::EXTRACT => grpc::answer(archive::unpack(&sandbox, request).await),
        _ => grpc::refuse(&Status::new(Code::Unimplemented, "exeat.inside.v1.Control has no such method")),
    }
}

/// All is checked before anything is changed.
async fn configure(sandbox: &Sandbox, request: Request<Incoming>) -> Result<Empty, Status> {
    let identity: Configure = grpc::only(request).await?;
    if identity.environment.len() > shared::WORDS || identity.home_files.len() > shared::ENTRIES {
        return Err(Status::new(Code::InvalidArgument, "at most 16384 variables and 4096 files"));
    }
    for variable in &identity.environment {
        check_variable(&variable.name, &variable.value)?;
    }
    for file in &identity.home_files {
        check_home_file(file)?;
    }
    let environment = identity.environment.into_iter().map(|variable| (variable.name, variable.value));
    *sandbox.identity.borrow_mut() = environment.collect::<BTreeMap<_, _>>();
    let home = sandbox.home();
    for file in identity.home_files {
        let mode = if file.mode == 0 { 0o600 } else { file.mode };
        files::write(&home.join(&file.path), &file.path, mode, Source::Whole(Some(file.content))).await?;
    }
    Ok(Empty {})
}

fn check_home_file(file: &HomeFile) -> Result<(), Status> {
    let path = Path::new(&file.path);
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_))) && !file.path.contains('\0');
    if file.path.is_empty() || file.path.len() > shared::PATH_BYTES || !is_plain || file.mode > 0o7777 {
        let words = format!("`{}` is no file below the home folder, or its mode is none", file.path.escape_debug());
        return Err(Status::new(Code::InvalidArgument, words));
    }
    Ok(())
}

/// On another thread: a slow disk would hold up everything here.
async fn sync(request: Request<Incoming>) -> Result<Empty, Status> {
    let _: Empty = grpc::only(request).await?;
    let synced = tokio::task::spawn_blocking(rustix::fs::sync).await;
    synced.map(|()| Empty {}).map_err(|error| Status::new(Code::Internal, error.to_string()))
}

async fn processes(sandbox: &Sandbox, request: Request<Incoming>) -> Result<Processes, Status> {
    let _: Empty = grpc::only(request).await?;
    let ended = sandbox.processes.ended().into_iter().map(|(pid, exit_code)| Ended { pid, exit_code });
    Ok(Processes { running: inspect::processes(), ended: ended.collect() })
}

async fn listeners(request: Request<Incoming>) -> Result<Listeners, Status> {
    let _: Empty = grpc::only(request).await?;
    Ok(Listeners { listeners: inspect::listeners() })
}
