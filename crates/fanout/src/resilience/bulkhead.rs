//! How many sends a sink may hold at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::throttle::Late;
use super::time::within;

/// Keeps a slow sink from holding all there is: so many attempts in flight, so many sends that wait, and
/// not one more.
///
/// A send first takes a [`Place`] for as long as it goes on, or learns at once that there is none. For
/// each attempt it waits for a permit, in the order in which the sends came, and gives it back before
/// it pauses.
///
/// # Cancel safety
///
/// Dropping a place, a permit or the future that waits for one gives back what it held.
#[derive(Debug)]
pub struct Bulkhead {
    max_in_flight: usize,
    max_admitted: usize,
    admitted: AtomicUsize,
    permits: Semaphore,
}

/// One send that is under way at a sink, waiting or in flight.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Place<'a> {
    bulkhead: &'a Bulkhead,
}

/// One attempt in flight.
#[derive(Debug)]
#[must_use = "the permit is given back when this is dropped"]
pub struct Permit<'a> {
    _permit: SemaphorePermit<'a>,
}

impl Bulkhead {
    /// Makes a bulkhead for `max_in_flight` attempts, at most [`Semaphore::MAX_PERMITS`], and
    /// `max_waiting` sends beside them.
    pub fn new(max_in_flight: usize, max_waiting: usize) -> Self {
        let max_in_flight = max_in_flight.min(Semaphore::MAX_PERMITS);
        Self {
            max_in_flight,
            max_admitted: max_in_flight.saturating_add(max_waiting),
            admitted: AtomicUsize::new(0),
            permits: Semaphore::new(max_in_flight),
        }
    }

    /// Takes a place for a send; `None` when as many wait as may. Does not wait.
    pub fn admit(&self) -> Option<Place<'_>> {
        let more = |admitted: usize| (admitted < self.max_admitted).then_some(admitted + 1);
        let taken = self.admitted.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more);
        taken.ok().map(|_| Place { bulkhead: self })
    }

    /// Waits for a permit.
    ///
    /// # Errors
    ///
    /// [`Late`] when there is none before `deadline`.
    ///
    /// # Panics
    ///
    /// When it has to wait until a deadline and there is no tokio runtime with time enabled.
    pub async fn permit(&self, deadline: Option<Instant>) -> Result<Permit<'_>, Late> {
        // A permit that is free is nobody else's: who waits is given one before it becomes free.
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(Permit { _permit: permit });
        }
        let permit = within(deadline, self.permits.acquire()).await;
        let permit = permit.ok_or(Late { ready: None })?.expect("nobody closes the semaphore");
        Ok(Permit { _permit: permit })
    }

    /// Returns how many attempts are in flight.
    pub fn in_flight(&self) -> usize {
        self.max_in_flight - self.permits.available_permits()
    }

    /// Returns how many sends are under way, in flight or waiting.
    pub fn admitted(&self) -> usize {
        self.admitted.load(Ordering::Acquire)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.bulkhead.admitted.fetch_sub(1, Ordering::AcqRel);
    }
}
