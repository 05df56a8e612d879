//! Sending in spite of failures: the parts.

mod backoff;
mod budget;
mod window;

pub use self::backoff::{Backoff, Jitter};
pub use self::budget::Budget;
