//! How long to wait before the next attempt.

use std::time::Duration;

use fastrand::Rng;

/// Pauses that grow exponentially, with full jitter.
///
/// The pause before retry number `step`, counted from 0, is drawn evenly from
/// [0, min(`max`, `base` · 2^`step`)], both ends included. Full jitter spreads the retries of many senders
/// better than anything that is added on top of a fixed pause.
///
/// Pure: the randomness comes from outside, so a seed gives the same pauses every time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use fanout::resilience::{Backoff, Jitter};
///
/// let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(20));
/// assert_eq!(backoff.bound(3), Duration::from_millis(400));
/// assert!(backoff.delay(3, &mut Jitter::seeded(7, 1)) <= backoff.bound(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
}

/// The randomness of pauses. Not for secrets.
#[derive(Clone, Debug)]
pub struct Jitter(Rng);

impl Backoff {
    /// Makes pauses of at most `base` before the first retry, twice that before the next, and so on, up
    /// to `max`.
    pub const fn new(base: Duration, max: Duration) -> Self {
        Self { base, max }
    }

    /// Returns the longest pause before retry number `step`.
    pub fn bound(&self, step: u32) -> Duration {
        let grown = 1_u32.checked_shl(step).and_then(|factor| self.base.checked_mul(factor));
        // What is too large to count is larger than any sensible bound.
        grown.map_or(if self.base.is_zero() { self.base } else { self.max }, |d| d.min(self.max))
    }

    /// Draws the pause before retry number `step`.
    pub fn delay(&self, step: u32, jitter: &mut Jitter) -> Duration {
        jitter.draw(self.bound(step))
    }
}

impl Jitter {
    /// Makes the randomness of one attempt: it depends on `seed` and `number` and on nothing else.
    ///
    /// Neighbouring numbers give unrelated sequences.
    pub fn seeded(seed: u64, number: u64) -> Self {
        // The finisher of splitmix64, which scatters what differs in a few bits.
        let mut mixed = seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(Rng::with_seed(mixed ^ mixed >> 31))
    }

    /// Draws the pause when the sink asked for `floor`: no shorter, and up to 50 % longer, so that those
    /// whom it told the same do not come back at once.
    pub fn above(&mut self, floor: Duration) -> Duration {
        floor.saturating_add(self.draw(floor / 2))
    }

    /// Draws evenly from [0, `bound`].
    pub(super) fn draw(&mut self, bound: Duration) -> Duration {
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.0.u64(..=nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn full_jitter_fills_the_whole_step_and_never_leaves_it() {
        let backoff = Backoff::new(50 * MS, 20_000 * MS);
        for (step, bound) in [(0, 50 * MS), (1, 100 * MS), (5, 1_600 * MS), (64, 20_000 * MS)] {
            assert_eq!(backoff.bound(step), bound);
            let drawn = (1..=10_000).map(|seed| backoff.delay(step, &mut Jitter::seeded(seed, 0)));
            let (mut least, mut most, mut sum) = (Duration::MAX, Duration::ZERO, Duration::ZERO);
            for delay in drawn {
                (least, most, sum) = (least.min(delay), most.max(delay), sum + delay);
            }
            assert!(least < bound / 20, "step {step}: {least:?}");
            assert!(most > bound * 19 / 20 && most <= bound, "step {step}: {most:?}");
            let mean = sum / 10_000;
            assert!(mean > bound * 48 / 100 && mean < bound * 52 / 100, "step {step}: {mean:?}");
        }
    }

    #[test]
    fn no_step_overflows() {
        for (base, max) in
            [(Duration::MAX, Duration::MAX), (Duration::ZERO, MS), (MS, Duration::MAX)]
        {
            let backoff = Backoff::new(base, max);
            for step in [0, 1, 31, 32, 63, 64, u32::MAX] {
                assert!(backoff.delay(step, &mut Jitter::seeded(1, 1)) <= max.max(base));
            }
        }
    }

    #[test]
    fn what_the_sink_asked_for_is_a_floor_with_half_as_much_jitter() {
        let floor = Duration::from_secs(7);
        let drawn: Vec<_> = (0..10_000).map(|seed| Jitter::seeded(seed, 3).above(floor)).collect();
        let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
        assert!(*least >= floor && *least < floor + floor / 40, "{least:?}");
        assert!(*most <= floor * 3 / 2 && *most > floor * 3 / 2 - floor / 40, "{most:?}");
        assert_eq!(Jitter::seeded(0, 0).above(Duration::MAX), Duration::MAX);
    }

    #[test]
    fn a_seed_and_a_number_give_the_same_and_neighbours_do_not() {
        let first = |seed, number| Jitter::seeded(seed, number).0.u64(..);
        assert_eq!(first(1, 1), first(1, 1));
        let mut all: Vec<_> = (0..100).flat_map(|s| (0..100).map(move |n| first(s, n))).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10_000);
    }
}
