//! What a cluster asks before it stores or reads our objects: webhooks.
//!
//! ```text
//!   API server ──TLS──▶ POST /convert   ConversionReview ──▶ exeat_api::conversion, which is pure
//!                       POST /validate  AdmissionReview  ──▶ EgressPolicy: Cedar, beside the others of its namespace
//!                                                            Credential: hosts, actions, header
//!   Secret exeat-webhook-tls ─ Certificate ─▶ every replica serves with the same ─▶ root into CRDs and configuration
//! ```
//!
//! Start with [`serve`], [`Webhooks`] and [`Certificate`]. What is refused is refused with a message that names the field. A webhook that does not
//! answer lets nothing through: the configuration says `failurePolicy: Fail`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod certificate;
mod server;
mod validate;

pub use certificate::{Certificate, SECRET, publish_root};
pub use server::{Webhooks, serve};
pub use validate::{Neighbours, Validator};
