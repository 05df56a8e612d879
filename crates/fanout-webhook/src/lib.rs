//! Signs webhooks and verifies them, as Standard Webhooks has it.
//!
//! For both ends: a [`Signer`] makes the three headers of a request, a [`Verifier`] checks them. No I/O and
//! no framework: a receiver on axum, hyper, actix or a function of a cloud uses it alone. The HTTP sink of
//! fanout signs every attempt with it (feature `webhook` of `fanout-http`).
//!
//! # Examples
//!
//! ```
//! use fanout_webhook::{Signer, Verifier};
//!
//! // Made once, by `echo "whsec_$(openssl rand -base64 32)"`, and known to both ends.
//! let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
//!
//! // The sender. The fields are `webhook-id`, `webhook-timestamp` and `webhook-signature`.
//! let body = br#"{"type":"order.paid","data":{"order":17}}"#;
//! let signed = Signer::new(secret)?.sign("msg_17", body)?;
//! let headers = signed.pairs();
//!
//! // The receiver: the headers as they came, and the very bytes of the body.
//! let verified = Verifier::new(secret)?.verify(headers, body)?;
//! assert_eq!(verified.id(), "msg_17");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Keys
//!
//! | form | what it is | signs | verifies |
//! | --- | --- | --- | --- |
//! | `whsec_` and base64 | a shared secret of 24 to 64 bytes, for HMAC-SHA256 (`v1`) | yes | yes |
//! | `whsk_` and base64 | a private key of Ed25519 (`v1a`): the seed of 32 bytes, or seed and public key, 64 bytes | yes | no |
//! | `whpk_` and base64 | its public key, 32 bytes; [`Signer::public_keys`] tells it | no | yes |
//!
//! Wherever a key is asked for, several may be given, with white space between them. To change a key without
//! losing a message: let the receiver accept the old and the new one; sign with the new one; drop the old one
//! at the receiver. Where the receiver cannot take two, sign with both meanwhile.
//!
//! # Features
//!
//! - `ed25519`: `whsk_` and `whpk_` keys. Off by default; without it they are refused, and signatures of version
//!   `v1a` are passed over.
//! - `secret`: keys out of a `fanout::Secret`, from the environment or from a file that is followed. Off by default; it
//!   brings the core of fanout.
//!
//! # Standards
//!
//! [Standard Webhooks](https://www.standardwebhooks.com) 1.0.0, "Verifying webhook authenticity"; RFC 2104 and
//! RFC 6234 (HMAC-SHA256), RFC 8032 (Ed25519), RFC 4648 section 4 (base64).

mod content;
mod error;
#[cfg(all(any(test, fuzzing), feature = "ed25519"))]
#[doc(hidden)]
pub mod fuzz;
mod key;
mod signer;
mod source;
mod verifier;

pub use crate::content::{ID, SIGNATURE, TIMESTAMP};
pub use crate::error::{
    KeyError, KeyErrorKind, SignError, SignErrorKind, VerifyError, VerifyErrorKind,
};
pub use crate::signer::{Signed, Signer};
pub use crate::source::Keys;
pub use crate::verifier::{Verified, Verifier};
