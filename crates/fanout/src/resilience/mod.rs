//! Sending in spite of failures: the parts.

mod backoff;

pub use self::backoff::{Backoff, Jitter};
