//! Every bound of the connection in one place, each with its reason. Both sides keep them.

/// One gRPC message, in bytes. gRPC's own default for what a client takes, which the SDK leaves as it is.
pub const MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Headers and trailers of one message, in bytes as HTTP/2 counts them: a path of 4 KiB may be three times as long
/// once it is percent-encoded.
pub const HEADER_BYTES: u32 = 32 * 1024;
/// Requests at once on the connection.
pub const STREAMS: u32 = 256;
/// What one stream may have on its way that nobody has read, in bytes.
pub const STREAM_WINDOW: u32 = 128 * 1024;
/// The same for all streams together: as much as all may have, so that readers who stand still hold up nobody else.
pub const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;
/// One DATA frame, in bytes.
pub const FRAME_BYTES: u32 = 32 * 1024;
/// What one stream has waiting to be sent, in bytes.
pub const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// One piece of output, input, file or archive, in bytes.
pub const CHUNK_BYTES: usize = 32 * 1024;
/// Words and variables of one command.
pub const WORDS: usize = 16 * 1024;
/// A path, in bytes: the kernel's PATH_MAX.
pub const PATH_BYTES: usize = 4 * 1024;
/// What `Execute` keeps of standard output, in bytes. With [`EXECUTE_STDERR_BYTES`] it fits into a message.
pub const EXECUTE_STDOUT_BYTES: usize = 2 * 1024 * 1024;
/// What `Execute` keeps of standard error, in bytes.
pub const EXECUTE_STDERR_BYTES: usize = 1024 * 1024;
/// Entries in one answer: processes, ended processes, listeners.
pub const ENTRIES: usize = 4_096;
/// A process's command line as it is shown, in bytes.
pub const SHOWN_COMMAND_BYTES: usize = 256;
/// An error's words, in bytes: what the sandbox's end says is cut there before anybody shows it.
pub const WORDS_OF_ERROR_BYTES: usize = 1024;
