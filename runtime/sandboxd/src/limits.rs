//! Every bound of sandboxd in one place, each with its reason.

use std::time::Duration;

/// Names with an address of their own at once. A large `npm install` asks for some tens.
pub(crate) const NAMES: usize = 8_192;
/// Listening sockets at once, over all names and ports: half of the descriptors that a sandbox may have.
pub(crate) const LISTENERS: usize = 32_768;
/// Ports that are carried for a name.
pub(crate) const PORTS: usize = 64;
/// Connections carried at once. More wait in their listener's queue. The gateway has the same limit for a session.
pub(crate) const CONNECTIONS: usize = 512;
/// Connections that wait in one listener's queue.
pub(crate) const BACKLOG: u32 = 1_024;
/// A gateway behind an address must take a connection within this time: it is in the same cluster.
pub(crate) const DIAL_TIME: Duration = Duration::from_secs(10);
/// The token that is shown to it, in bytes: half of the head that it takes. Kubernetes' have about 1 KiB.
pub(crate) const TOKEN_BYTES: usize = 8 * 1024;
/// How long a client may take to read that the gateway does not know us, and to hang up.
pub(crate) const REFUSAL_TIME: Duration = Duration::from_secs(10);
/// The gateway's answer to CONNECT, in bytes.
pub(crate) const CONNECT_ANSWER_BYTES: usize = 8 * 1024;
/// Headers in the gateway's answer to CONNECT.
pub(crate) const CONNECT_ANSWER_HEADERS: usize = 64;
/// The gateway must answer CONNECT within this time. It decides before it dials, so this covers no slow origin.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(60);
/// One of the two buffers of a carried connection, in bytes: with 512 connections they take 32 MiB at most.
pub(crate) const BUFFER_BYTES: usize = 32 * 1024;
/// A DNS query, in bytes: larger than any that a stub resolver sends.
pub(crate) const DNS_QUERY_BYTES: usize = 4 * 1024;
/// DNS over TCP, connections at once.
pub(crate) const DNS_TCP_CONNECTIONS: usize = 64;
/// A DNS connection that asks nothing for this long is closed.
pub(crate) const DNS_TCP_IDLE_TIME: Duration = Duration::from_secs(10);
/// How long a client may keep an answer, in seconds. Short beside the life of an address in a full table.
pub(crate) const DNS_TTL_SECONDS: u32 = 60;

/// Connections at once to one port that is served over TCP. A router has one for each request.
pub(crate) const CLIENTS: usize = 512;
/// A request's head over HTTP/1.1 must be complete within this time, from the moment that one can be expected.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(60);
/// How often somebody who is connected over HTTP/2 is asked whether he is still there, and how long he may take to say so:
/// a node that is gone says no farewell.
pub(crate) const PING_TIME: Duration = Duration::from_secs(20);

/// Processes at once that were started through the API. A build starts thousands by itself; this is about requests.
pub(crate) const PROCESSES: usize = 1_024;
/// Ends of processes that are remembered: as many as may run.
pub(crate) const ENDED: usize = 1_024;
/// One read of a pipe, a terminal or a file, in bytes: half of what a pipe holds.
pub(crate) const CHUNK_BYTES: usize = exeat_inside::limits::CHUNK_BYTES;
/// What is still read once a process has ended, in bytes: more than a pipe holds, where it was made larger.
pub(crate) const AFTER_EXIT_BYTES: usize = 4 * 1024 * 1024;
/// How long output may pause once a process has ended, while another still holds it open.
pub(crate) const AFTER_EXIT_TIME: Duration = Duration::from_millis(100);
/// How long processes may take to end after SIGTERM, before sandboxd ends and the sandbox with it.
pub(crate) const END_TIME: Duration = Duration::from_secs(5);
/// The pause before the runtime's socket is dialled again, at first …
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// … and at most: a supervisor that starts anew finds its sandboxes within a second.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Threads for archives and sync(2), which wait for disks. They end when idle.
pub(crate) const THREADS: usize = 8;
/// How long such a thread stays idle.
pub(crate) const THREAD_IDLE_TIME: Duration = Duration::from_secs(2);
/// A file that is written, in bytes. Its disk is full long before.
pub(crate) const FILE_BYTES: u64 = 64 * 1024 * 1024 * 1024;
/// Entries of a listing: some megabytes of JSON.
pub(crate) const LISTED: usize = 50_000;
/// Headers of a part of a form, in bytes and by number: more than a path's longest.
pub(crate) const PART_HEADER_BYTES: usize = 16 * 1024;
/// See [`PART_HEADER_BYTES`].
pub(crate) const PART_HEADERS: usize = 16;
/// A request of the older API to execute, in bytes: the kernel takes no longer command line from a shell.
pub(crate) const LEGACY_REQUEST_BYTES: usize = 1024 * 1024;
/// What the older API keeps of standard output, and of standard error, in bytes.
pub(crate) const LEGACY_OUTPUT_BYTES: usize = 8 * 1024 * 1024;
/// How long is waited for what a killed process had written.
pub(crate) const LAST_WORDS_TIME: Duration = Duration::from_secs(1);
/// How often an address is tried that must not be reached: with the pause below, at least 20 seconds.
pub(crate) const WALL_TRIES: usize = 200;
/// So many times in a row it must not be reached: rules come one by one.
pub(crate) const WALL_CLOSED: usize = 5;
/// The pause between two tries.
pub(crate) const WALL_PAUSE: Duration = Duration::from_millis(100);
/// How long an answer is waited for. Within a cluster one comes in a millisecond.
pub(crate) const WALL_ANSWER_TIME: Duration = Duration::from_millis(300);
/// How long sandboxd goes on once its last process has ended, so that whoever waits for one is told.
pub(crate) const FAREWELL_TIME: Duration = Duration::from_millis(200);
/// The stack of the thread that waits for checkpoints, in bytes: it makes a few system calls.
pub(crate) const WATCH_STACK_BYTES: usize = 64 * 1024;
/// How often it is looked whether a workspace has been restored, before the command starts.
pub(crate) const RESTORE_LOOK: Duration = Duration::from_millis(50);
