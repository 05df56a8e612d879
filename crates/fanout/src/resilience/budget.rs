//! How many retries a sink may be sent, all senders together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::window::Window;

/// Bounds the retries at one sink in relation to the first attempts.
///
/// Over the last [`ttl`](Self::new) there may be as many retries as `ratio` of the first attempts, and
/// `floor` a second beside them, so that a sink which is seldom sent to can still be retried. When a sink
/// fails for everybody, retries then add that much to its load, and not a multiple.
///
/// Shared by all sends of a sink: every method takes `&self` and is one short lock. What is
/// counted is forgotten a tenth of `ttl` late at most, so no stretch of `ttl` sees more retries than it
/// may.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use fanout::resilience::Budget;
/// use tokio::time::Instant;
///
/// let budget = Budget::new(0.2, 0.0, Duration::from_secs(10));
/// let now = Instant::now();
/// (0..5).for_each(|_| budget.deposit(now));
/// assert!(budget.withdraw(now));
/// assert!(!budget.withdraw(now), "one retry for five first attempts");
/// ```
#[derive(Debug)]
pub struct Budget {
    ratio: f64,
    reserve: f64,
    window: Mutex<Window<11>>,
}

impl Budget {
    /// Makes a budget of `ratio` of the first attempts and `floor` retries a second, over `ttl`.
    pub fn new(ratio: f64, floor: f64, ttl: Duration) -> Self {
        let reserve = floor * ttl.as_secs_f64();
        Self { ratio, reserve, window: Mutex::new(Window::new(ttl)) }
    }

    /// Counts a first attempt.
    pub fn deposit(&self, now: Instant) {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).add(FIRST, now);
    }

    /// Takes one retry out of the budget, or returns false when it is empty.
    ///
    /// To be asked before the pause: who would wait first only to find the budget empty has wasted
    /// the time of its caller.
    pub fn withdraw(&self, now: Instant) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let [first, retried] = window.sums(now);
        let granted = (retried + 1) as f64 <= self.allowed(first);
        if granted {
            window.add(RETRIED, now);
        }
        granted
    }

    /// Returns how many retries are left.
    pub fn left(&self, now: Instant) -> u64 {
        let [first, retried] = self.window.lock().unwrap_or_else(PoisonError::into_inner).sums(now);
        (self.allowed(first).floor() as u64).saturating_sub(retried)
    }

    fn allowed(&self, first: u64) -> f64 {
        // What a binary fraction misses must not cost a retry: 0.2 · 5 is one.
        first as f64 * self.ratio + self.reserve + 1e-9
    }
}

const FIRST: usize = 0;
const RETRIED: usize = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    #[test]
    fn a_fifth_of_the_first_attempts_beside_the_floor() {
        let (budget, now) = (Budget::new(0.2, 10.0, TTL), Instant::now());
        assert_eq!(budget.left(now), 100, "10 a second for 10 s");
        (0..50).for_each(|_| budget.deposit(now));
        assert_eq!((0..200).filter(|_| budget.withdraw(now)).count(), 110);
        assert_eq!(budget.left(now), 0);
    }

    #[test]
    fn it_fills_again_when_what_was_taken_is_old() {
        let (budget, now) = (Budget::new(0.2, 1.0, TTL), Instant::now());
        assert_eq!((0..20).filter(|_| budget.withdraw(now)).count(), 10);
        assert!(!budget.withdraw(now + TTL), "exactly as old as the window still counts");
        assert_eq!(budget.left(now + TTL * 12 / 10), 10);
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_sees_more_than_it_may(
            steps in prop::collection::vec((0_u64..400, any::<bool>()), 1..400)
        ) {
            let (budget, start) = (Budget::new(0.2, 0.5, TTL), Instant::now());
            let (mut now, mut first, mut retried) = (start, Vec::new(), Vec::new());
            for (pause, deposit) in steps {
                now += Duration::from_millis(pause);
                if deposit {
                    budget.deposit(now);
                    first.push(now);
                }
                if deposit || !budget.withdraw(now) {
                    continue;
                }
                retried.push(now);
                let lately = |times: &[Instant], length| {
                    times.iter().filter(|time| **time + length > now).count()
                };
                let allowed = lately(&first, TTL * 11 / 10) as f64 * 0.2 + 5.0;
                prop_assert!(lately(&retried, TTL) as f64 <= allowed + 1e-9);
            }
        }
    }
}
