//! Agent Sandbox's `process.v1.ProcessService`.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Waker, Poll};

use bytes::Bytes;
use exeat_inside::framing::frame;
use exeat_inside::limits as shared;
use exeat_inside::process::{
    Empty, ExecuteRequest, ExecuteResponse, ExitEvent, InitEvent, Pty, ResizeTtyRequest, SendSignalRequest,
    StartRequest, StartResponse, WriteStdinRequest, path, start_response, write_stdin_request::Payload,
};
use exeat_inside::status::{Code, Status};
use http::{Request, Response};
use http_body::Frame;
use hyper::body::Incoming;
use nix::sys::signal::Signal;
use tokio::sync::mpsc;
use tokio::time::{Sleep, timeout};

use super::answer::Body;
use super::{Context, Sandbox, grpc};
use crate::processes::{Event, Found, Input, Running, Size, Stdio};

pub(super) mod collected;
mod guard;

use self::collected::Collected;
pub(super) use self::guard::Guard;

pub(super) async fn serve(context: Context, request: Request<Incoming>) -> Response<Body> {
    let sandbox = Rc::clone(&context.sandbox);
    match request.uri().path() {
        path::START => match start(context, request).await {
            Ok(body) => grpc::stream(body),
            Err(status) => grpc::refuse(&status),
        },
        path::EXECUTE => grpc::answer(execute(context, request).await),
        path::WRITE_STDIN => grpc::answer(write_stdin(&sandbox, request).await),
        path::SEND_SIGNAL => grpc::answer(send_signal(&sandbox, request).await),
        path::RESIZE_TTY => grpc::answer(resize(&sandbox, request).await),
        _ => grpc::refuse(&Status::new(Code::Unimplemented, "process.v1.ProcessService has no such method")),
    }
}

async fn start(context: Context, request: Request<Incoming>) -> Result<Body, Status> {
    let limit = grpc::time_limit(request.headers())?;
    let question: StartRequest = grpc::only(request).await?;
    let stdio = match question.pty {
        Some(Pty { cols, rows }) => Stdio::Terminal(size(cols, rows)?),
        None => Stdio::Pipes,
    };
    let launch = context.sandbox.launch(question.config, stdio)?;
    let (running, events) = context.sandbox.processes.start(&launch)?;
    let init = start_response::Event::Init(InitEvent { process_id: running.id() });
    Ok(Box::pin(Events {
        init: Some(init),
        events,
        limit: limit.map(|limit| Box::pin(tokio::time::sleep(limit))),
        // A caller that hangs up is a terminal that is closed: who wants to outlive that can.
        guard: Guard::new(&context, running, Signal::SIGHUP),
        ended: false,
    }))
}

async fn execute(context: Context, request: Request<Incoming>) -> Result<ExecuteResponse, Status> {
    let limit = grpc::time_limit(request.headers())?;
    let question: ExecuteRequest = grpc::only(request).await?;
    let launch = context.sandbox.launch(question.config, Stdio::Output)?;
    let (running, mut events) = context.sandbox.processes.start(&launch)?;
    let mut guard = Guard::new(&context, running, Signal::SIGKILL);
    let mut collected = Collected::new(shared::EXECUTE_STDOUT_BYTES, shared::EXECUTE_STDERR_BYTES);
    let end = collected.until_the_end(&mut events);
    let exit_code = match limit {
        None => end.await,
        Some(limit) => timeout(limit, end).await.map_err(|_| over_time())?,
    };
    guard.disarm();
    let (stdout, stderr) = collected.finish();
    Ok(ExecuteResponse { exit_code, stdout, stderr })
}

async fn write_stdin(sandbox: &Sandbox, request: Request<Incoming>) -> Result<Empty, Status> {
    let question: WriteStdinRequest = grpc::only(request).await?;
    let running = find(sandbox, question.process_id)?;
    let closed = || Status::new(Code::FailedPrecondition, "the process's standard input is closed");
    let mut input = running.input().await;
    match question.payload {
        None => return Err(Status::new(Code::InvalidArgument, "neither input nor eof is given")),
        Some(Payload::Eof(Empty {})) => Input::end(&mut input).await.map_err(|_| closed())?,
        Some(Payload::Input(bytes)) => {
            input.as_mut().ok_or_else(closed)?.write(&bytes).await.map_err(|_| closed())?;
        }
    }
    Ok(Empty {})
}

async fn send_signal(sandbox: &Sandbox, request: Request<Incoming>) -> Result<Empty, Status> {
    let question: SendSignalRequest = grpc::only(request).await?;
    let running = find(sandbox, question.process_id)?;
    let signal = Signal::try_from(question.signal)
        .map_err(|_| Status::new(Code::InvalidArgument, format!("{} is no signal from 1 to 31", question.signal)))?;
    if running.signal(signal) { Ok(Empty {}) } else { Err(has_ended(running.id())) }
}

async fn resize(sandbox: &Sandbox, request: Request<Incoming>) -> Result<Empty, Status> {
    let question: ResizeTtyRequest = grpc::only(request).await?;
    let running = find(sandbox, question.process_id)?;
    let none = || Status::new(Code::FailedPrecondition, "the process has no terminal");
    let terminal = running.terminal().ok_or_else(none)?;
    terminal
        .resize(size(question.cols, question.rows)?)
        .map(|()| Empty {})
        .map_err(|error| Status::new(Code::FailedPrecondition, format!("the terminal cannot be resized: {error}")))
}

fn find(sandbox: &Sandbox, id: i32) -> Result<Rc<Running>, Status> {
    match sandbox.processes.find(id) {
        Found::Running(running) => Ok(running),
        Found::Ended(code) => {
            Err(Status::new(Code::FailedPrecondition, format!("process {id} has ended with exit code {code}")))
        }
        Found::Unknown => Err(Status::new(Code::NotFound, format!("there is no process {id} that was started here"))),
    }
}

fn has_ended(id: i32) -> Status {
    Status::new(Code::FailedPrecondition, format!("process {id} has ended"))
}

fn over_time() -> Status {
    Status::new(Code::DeadlineExceeded, "the time limit was reached; the process and its group were killed")
}

/// A terminal's size; what is not said is as on an old one.
fn size(cols: u32, rows: u32) -> Result<Size, Status> {
    let fit = |given: u32, usual| if given == 0 { Ok(usual) } else { u16::try_from(given) };
    match (fit(cols, 80), fit(rows, 24)) {
        (Ok(cols), Ok(rows)) => Ok(Size { cols, rows }),
        _ => Err(Status::new(Code::InvalidArgument, "a terminal has at most 65535 columns and rows")),
    }
}

/// A process's events as the body of an answer. Nothing is read from the process before the connection has room.
struct Events {
    init: Option<start_response::Event>,
    events: mpsc::Receiver<Event>,
    limit: Option<Pin<Box<Sleep>>>,
    guard: Guard,
    ended: bool,
}

impl Events {
    fn poll_event(&mut self, waker: &mut Waker<'_>) -> Poll<Result<Option<start_response::Event>, Status>> {
        if let Some(init) = self.init.take() {
            return Poll::Ready(Ok(Some(init)));
        }
        if self.limit.as_mut().is_some_and(|limit| limit.as_mut().poll(waker).is_ready()) {
            self.guard.kill();
            return Poll::Ready(Err(over_time()));
        }
        self.events.poll_recv(waker).map(|event| {
            Ok(event.map(|event| match event {
                Event::Stdout(bytes) => start_response::Event::Stdout(bytes),
                Event::Stderr(bytes) => start_response::Event::Stderr(bytes),
                Event::Exit(exit_code) => {
                    self.guard.disarm();
                    start_response::Event::Exit(ExitEvent { exit_code })
                }
            }))
        })
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let status = match self.poll_event(waker) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(Some(event))) => {
                let message = StartResponse { event: Some(event) };
                return Poll::Ready(Some(Ok(Frame::data(frame(&message)))));
            }
            Poll::Ready(Ok(None)) => Status::OK,
            Poll::Ready(Err(status)) => status,
        };
        self.ended = true;
        Poll::Ready(Some(Ok(Frame::trailers(status.trailers()))))
    }
}
