//! Sending in spite of failures: the parts.

mod backoff;
mod breaker;
mod budget;
mod bulkhead;
mod retry;
mod settings;
mod throttle;
mod time;
mod window;

pub use self::backoff::{Backoff, Jitter};
pub use self::breaker::{Breaker, Health, Lease, Open, counts_for_breaker};
pub use self::budget::Budget;
pub use self::bulkhead::{Bulkhead, Permit, Place};
pub use self::retry::{Decision, RetryRule, SoFar};
pub use self::settings::{Resilience, RetryMaybe};
pub use self::throttle::{Gate, Late, Pass, RateLimit};
