//! The data path: the one way out, from accept to outcome. It names no outside service and knows no Cedar.
//!
//! ```text
//! listen ─ door (identify) ─ tunnel (end TLS) ─ framing (parse strictly)
//!    └─ pass: canonical ─ inspect ─ classify ─ decide ─ journal the intent
//!          └─ origin: inject, dial ─ relay: meter, journal the outcome
//! ```
//!
//! Start with [`Gateway`] and read [`pass`](mod@pass): it is the picture in the design, in order.

mod address;
mod canonical;
mod dial;
mod door;
mod figures;
mod framing;
mod gateway;
mod guest;
mod identity;
mod inspect;
mod listen;
mod origin;
mod pass;
mod precaution;
mod record;
mod refuse;
mod relay;
mod terms;
mod tunnel;

pub use address::is_public;
pub use dial::Origin;
pub use figures::Figures;
pub use framing::Scanner;
pub use gateway::{Gateway, Parts, StartError};
pub use guest::{Applicant, Guest};
pub use identity::{Identified, Identify, Tokens};
pub use listen::{serve_asking, serve_tcp, serve_unix};
pub use precaution::{Precaution, PrecautionFailed};
pub use terms::{OneTenant, Terms};
