//! Exeat's own service: what the supervisor needs and Agent Sandbox's APIs lack.

use bytes::Bytes;

/// In a workspace that has still to be restored, or is being restored. sandboxd starts no command of its own as long as it is
/// there, so that no agent begins with less than it left; no archive of the workspace has it.
pub const UNRESTORED: &str = ".exeat-unrestored";

/// The paths of the service's methods. `CONNECT exeat:PORT` is beside them: raw bytes to a port on loopback.
pub mod path {
    /// Gives the sandbox its identity: [`Configure`](super::Configure) in, nothing out.
    pub const CONFIGURE: &str = "/exeat.inside.v1.Control/Configure";
    /// sync(2): nothing in, nothing out.
    pub const SYNC: &str = "/exeat.inside.v1.Control/Sync";
    /// Nothing in, [`Processes`](super::Processes) out.
    pub const PROCESSES: &str = "/exeat.inside.v1.Control/Processes";
    /// Nothing in, [`Listeners`](super::Listeners) out.
    pub const LISTENERS: &str = "/exeat.inside.v1.Control/Listeners";
    /// [`Place`](super::Place) in, a stream of [`Piece`](super::Piece)s of a tar archive out.
    pub const ARCHIVE: &str = "/exeat.inside.v1.Control/Archive";
    /// A stream of [`Piece`](super::Piece)s in, of which the first names the folder; nothing out.
    pub const EXTRACT: &str = "/exeat.inside.v1.Control/Extract";
}

/// What processes that start from now on get. It replaces what was configured before; files that were written stay.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Configure {
    /// Variables over those that sandboxd was started with.
    #[prost(message, repeated, tag = "1")]
    pub environment: Vec<Variable>,
    /// Files in the home folder.
    #[prost(message, repeated, tag = "2")]
    pub home_files: Vec<HomeFile>,
}

/// One variable.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Variable {
    /// Not empty, no `=`, no NUL.
    #[prost(string, tag = "1")]
    pub name: String,
    /// No NUL.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// One file.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HomeFile {
    /// Below the home folder, without `..`.
    #[prost(string, tag = "1")]
    pub path: String,
    /// All of it.
    #[prost(bytes = "bytes", tag = "2")]
    pub content: Bytes,
    /// Permission bits; 0 stands for 0600.
    #[prost(uint32, tag = "3")]
    pub mode: u32,
}

/// Who runs, and who ran.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Processes {
    /// All processes inside but sandboxd.
    #[prost(message, repeated, tag = "1")]
    pub running: Vec<Running>,
    /// The last ones that were started by us and have ended, the latest last.
    #[prost(message, repeated, tag = "2")]
    pub ended: Vec<Ended>,
}

/// A process.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Running {
    /// Its pid inside.
    #[prost(int32, tag = "1")]
    pub pid: i32,
    /// Its parent's pid.
    #[prost(int32, tag = "2")]
    pub parent: i32,
    /// Its command line, cut; what it calls itself, which need not be true.
    #[prost(string, tag = "3")]
    pub command: String,
    /// Resident memory in bytes.
    #[prost(uint64, tag = "4")]
    pub memory_bytes: u64,
}

/// A process that we started and that has ended.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Ended {
    /// Its pid inside, which another may have by now.
    #[prost(int32, tag = "1")]
    pub pid: i32,
    /// Its exit code, or 128 and the number of the signal that ended it.
    #[prost(int32, tag = "2")]
    pub exit_code: i32,
}

/// Who listens.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Listeners {
    /// Listening TCP sockets, less sandboxd's own.
    #[prost(message, repeated, tag = "1")]
    pub listeners: Vec<Listener>,
}

/// A listening TCP socket.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Listener {
    /// The address that it is bound to.
    #[prost(string, tag = "1")]
    pub address: String,
    /// The port.
    #[prost(uint32, tag = "2")]
    pub port: u32,
    /// Whose it is; 0 where that cannot be had.
    #[prost(int32, tag = "3")]
    pub pid: i32,
    /// That process's command line, cut.
    #[prost(string, tag = "4")]
    pub command: String,
}

/// A path inside; a relative one begins at the sandbox's root for files.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Place {
    /// The path.
    #[prost(string, tag = "1")]
    pub path: String,
}

/// A piece of a tar archive.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Piece {
    /// In the first piece of an extraction: the folder, which is made where it is missing.
    #[prost(string, optional, tag = "1")]
    pub path: Option<String>,
    /// The next bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub bytes: Bytes,
    /// In the first piece of an extraction: what is in the folder goes first, and [`UNRESTORED`] is there meanwhile.
    #[prost(bool, tag = "3")]
    pub clear: bool,
}
