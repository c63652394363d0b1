//! The messages of Agent Sandbox's `process.v1.ProcessService`: names and field numbers as in the descriptor that its
//! SDK 1.0.8 carries (`process/v1/process.proto`).

use std::collections::BTreeMap;

use bytes::Bytes;

/// The paths of the service's methods.
pub mod path {
    /// Starts a process and streams what it writes.
    pub const START: &str = "/process.v1.ProcessService/Start";
    /// Runs a process to its end and gives what it wrote.
    pub const EXECUTE: &str = "/process.v1.ProcessService/Execute";
    /// Writes to a started process's standard input, or ends it.
    pub const WRITE_STDIN: &str = "/process.v1.ProcessService/WriteStdin";
    /// Sends a signal to a started process's group.
    pub const SEND_SIGNAL: &str = "/process.v1.ProcessService/SendSignal";
    /// Tells a process's terminal its size.
    pub const RESIZE_TTY: &str = "/process.v1.ProcessService/ResizeTTY";
}

/// A terminal's size.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Pty {
    /// Columns; 80 where it is 0.
    #[prost(uint32, tag = "1")]
    pub cols: u32,
    /// Rows; 24 where it is 0.
    #[prost(uint32, tag = "2")]
    pub rows: u32,
}

/// What to run.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ProcessConfig {
    /// The program and its arguments. No shell reads them.
    #[prost(string, repeated, tag = "1")]
    pub command: Vec<String>,
    /// Variables besides the sandbox's own; on the same name these win.
    #[prost(btree_map = "string, string", tag = "2")]
    pub env_vars: BTreeMap<String, String>,
    /// Where it starts; a relative path begins at the sandbox's root for files.
    #[prost(string, optional, tag = "3")]
    pub cwd: Option<String>,
}

/// Asks for a process whose output is streamed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StartRequest {
    /// What to run.
    #[prost(message, optional, tag = "1")]
    pub config: Option<ProcessConfig>,
    /// On a terminal of this size; without one, pipes.
    #[prost(message, optional, tag = "2")]
    pub pty: Option<Pty>,
}

/// The first event of a process.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct InitEvent {
    /// What the other calls name it by: its pid inside.
    #[prost(int32, tag = "1")]
    pub process_id: i32,
}

/// The last event of a process.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ExitEvent {
    /// Its exit code, or 128 and the number of the signal that ended it.
    #[prost(int32, tag = "1")]
    pub exit_code: i32,
}

/// One event of a process.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StartResponse {
    /// Which; none where the sender knows an event that we do not.
    #[prost(oneof = "start_response::Event", tags = "1, 2, 3, 4")]
    pub event: Option<start_response::Event>,
}

/// What a [`StartResponse`] can be.
pub mod start_response {
    use super::{Bytes, ExitEvent, InitEvent};

    /// The events of a process, in this order; output may be absent.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Event {
        /// It has been started.
        #[prost(message, tag = "1")]
        Init(InitEvent),
        /// It wrote to standard output, or to its terminal.
        #[prost(bytes = "bytes", tag = "2")]
        Stdout(Bytes),
        /// It wrote to standard error.
        #[prost(bytes = "bytes", tag = "3")]
        Stderr(Bytes),
        /// It has ended.
        #[prost(message, tag = "4")]
        Exit(ExitEvent),
    }
}

/// Asks for a process to be run to its end.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExecuteRequest {
    /// What to run.
    #[prost(message, optional, tag = "1")]
    pub config: Option<ProcessConfig>,
}

/// What a process did.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ExecuteResponse {
    /// Its exit code, or 128 and the number of the signal that ended it.
    #[prost(int32, tag = "1")]
    pub exit_code: i32,
    /// Its standard output, from the start up to the limit.
    #[prost(bytes = "bytes", tag = "2")]
    pub stdout: Bytes,
    /// Its standard error, likewise; a last line says where something was left out.
    #[prost(bytes = "bytes", tag = "3")]
    pub stderr: Bytes,
}

/// Writes to standard input.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WriteStdinRequest {
    /// The process.
    #[prost(int32, tag = "1")]
    pub process_id: i32,
    /// What to write.
    #[prost(oneof = "write_stdin_request::Payload", tags = "2, 3")]
    pub payload: Option<write_stdin_request::Payload>,
}

/// What a [`WriteStdinRequest`] can carry.
pub mod write_stdin_request {
    use super::{Bytes, Empty};

    /// Bytes or the end.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Payload {
        /// These bytes.
        #[prost(bytes = "bytes", tag = "2")]
        Input(Bytes),
        /// Nothing more follows. On a terminal it is the key Ctrl-D.
        #[prost(message, tag = "3")]
        Eof(Empty),
    }
}

/// Asks for a signal. The enum of the descriptor names 2, 9 and 15; the field takes every number from 1 to 31.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SendSignalRequest {
    /// The process.
    #[prost(int32, tag = "1")]
    pub process_id: i32,
    /// The signal's number on Linux.
    #[prost(int32, tag = "2")]
    pub signal: i32,
}

/// Asks for another size of the terminal.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ResizeTtyRequest {
    /// The process.
    #[prost(int32, tag = "1")]
    pub process_id: i32,
    /// Columns.
    #[prost(uint32, tag = "2")]
    pub cols: u32,
    /// Rows.
    #[prost(uint32, tag = "3")]
    pub rows: u32,
}

/// Done: the answer of WriteStdin, SendSignal and ResizeTTY, and `google.protobuf.Empty`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Empty {}
