//! The fence round code of others: what panics inside stays inside.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `code`; `None` when it panicked.
///
/// The message of the panic went to the panic hook. It is not repeated: nobody can tell what is in it.
#[inline]
pub(crate) fn fenced<T>(code: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(code)).map_err(discard).ok()
}

/// What was thrown may itself panic when it is dropped; what that throws is left alone.
#[cold]
fn discard(thrown: Box<dyn Any + Send>) {
    catch_unwind(AssertUnwindSafe(|| drop(thrown))).unwrap_or_else(std::mem::forget);
}
