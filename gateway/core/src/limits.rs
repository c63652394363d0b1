//! Every bound in one place. What is remembered, waited for or read has its limit here, and the limit has its reason.

use std::time::Duration;

/// A request's head, in bytes. Twice what nginx and Apache take by default, so that ordinary clients fit.
pub const REQUEST_HEAD_BYTES: usize = 16 * 1024;
/// Headers in one request: hyper's own default for HTTP/1.1.
pub const REQUEST_HEADERS: usize = 100;
/// A head must be complete within this time from the first wait for it: an idle or slow client holds no connection.
pub const REQUEST_HEAD_TIME: Duration = Duration::from_secs(30);
/// A TLS handshake must be complete within this time.
pub const TLS_HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// No byte of an inspected body for this long ends the request.
pub const BODY_IDLE_TIME: Duration = Duration::from_secs(30);
/// A whole body that an integration asks to see: the largest npm tarball in practice, base64-encoded.
pub const INSPECTED_BODY_BYTES: usize = 64 * 1024 * 1024;
/// The head of a body that an integration asks to see: 16,000 ref updates of a push.
pub const INSPECTED_HEAD_BYTES: usize = 2 * 1024 * 1024;
/// Bodies held for inspection at once, over all sessions, in bytes.
pub const INSPECTED_TOTAL_BYTES: usize = 512 * 1024 * 1024;
/// Operations that one request may stand for (ref updates of one push).
pub const OPERATIONS_PER_REQUEST: usize = 1_000;
/// Connections of one session at once. More wait in the listener's queue.
pub const CONNECTIONS_PER_SESSION: usize = 512;
/// Connections over TCP at once, of all sessions and of strangers that have shown no token yet. A stranger costs a few
/// kilobytes until its first head is late.
pub const TCP_CONNECTIONS: usize = 4_096;
/// Connections at once where a cluster's pods come in. A pod's tools hold a few each.
pub const CLUSTER_CONNECTIONS: usize = 32_768;
/// Connections of one address among them: no pod takes the places of the others.
pub const CONNECTIONS_PER_ADDRESS: usize = 512;
/// Requests of one session under way at once. More are refused at once: waiting would hold their bodies.
pub const REQUESTS_PER_SESSION: usize = 256;
/// HTTP/2 streams of one connection at once.
pub const H2_CONCURRENT_STREAMS: u32 = 100;
/// Sessions at once.
pub const SESSIONS: usize = 1_024;
/// Sessions at once of one gateway in a cluster. One costs about 20 KB until it speaks with origins.
pub const CLUSTER_SESSIONS: usize = 16_384;
/// How long the end of a session waits for its requests, which are cut off, to be accounted for.
pub const DISMISSAL_TIME: Duration = Duration::from_secs(5);
/// Leaf certificates remembered. At about 2 KB each it is 4 MB.
pub const LEAF_CERTIFICATES: usize = 2_048;
/// From the first try to dial an origin to an established connection, TLS included.
pub const DIAL_TIME: Duration = Duration::from_secs(15);
/// From the last byte sent to an origin to the head of its response. Long, because models think.
pub const RESPONSE_HEAD_TIME: Duration = Duration::from_secs(600);
/// Idle connections kept to one origin, for each session.
pub const IDLE_UPSTREAM_CONNECTIONS: usize = 32;
/// How long an idle upstream connection is kept.
pub const IDLE_UPSTREAM_TIME: Duration = Duration::from_secs(60);
/// A credential source's answer, in bytes.
pub const CREDENTIAL_BYTES: usize = 16 * 1024;
/// How long a credential command may run.
pub const CREDENTIAL_TIME: Duration = Duration::from_secs(10);
/// A journal record's payload, in bytes. Longer fields are cut, and say so.
pub const JOURNAL_RECORD_BYTES: usize = 256 * 1024;
/// One field of a journal record that a client chose (path, query, user agent), in bytes.
pub const JOURNAL_FIELD_BYTES: usize = 2 * 1024;
/// Kubernetes: opinions of tokens that are remembered, one a pod that spoke lately. At about 200 bytes each it is 3 MB.
pub const TOKEN_REVIEWS: usize = 16_384;
/// Kubernetes: tokens that the API server is asked about at once. Each pod has at most one among them.
pub const TOKEN_REVIEWS_AT_ONCE: usize = 64;
/// Kubernetes: how long one question to the API server may take.
pub const API_SERVER_TIME: Duration = Duration::from_secs(5);
/// Kubernetes: how old what is known of the cluster may be. Then nothing leaves until the API server answers again.
pub const CLUSTER_VIEW_AGE: Duration = Duration::from_secs(60);
/// Kubernetes: how long a request waits for its claim to be seen. A warm claim is bound within a few milliseconds, and the watch
/// needs some more.
pub const CLAIM_TIME: Duration = Duration::from_millis(500);
/// Kubernetes: Cedar of one namespace for one profile, in bytes. Ten objects as large as one may be.
pub const TENANT_POLICY_BYTES: usize = 2_560 * 1024;
/// Kubernetes: credentials of one namespace.
pub const TENANT_CREDENTIALS: usize = 1_024;
