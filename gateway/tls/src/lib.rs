//! Both ends of TLS: towards the sandbox as every host that it asks for, towards the origin as a strict client.
//!
//! ```text
//!   sandbox ──TLS, leaf certificate for the CONNECT host──▶ gateway ──TLS, origin's name verified──▶ origin
//!             Authority, Termination                                  Trust
//! ```
//!
//! The only room that names rcgen. Start with [`Authority`], made on first start, and [`Termination`].

mod authority;
mod serving;
mod terminate;
mod trust;

pub use authority::{Authority, AuthorityError, Pair};
pub use serving::Serving;
pub use terminate::{TerminateError, Termination};
pub use trust::{OriginTls, Trust, TrustError};

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The protocols offered on both sides, best first (RFC 7301).
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The one cryptography provider of the whole program.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
