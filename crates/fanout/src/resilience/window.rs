//! Two counts over the last seconds, in slots, without allocation.

use std::time::Duration;

use tokio::time::Instant;

/// Counts what happened lately: `SLOTS` slots of a tenth of the length each.
///
/// With 10 slots it looks back between nine tenths of the length and the whole of it, with 11 the whole
/// of it and up to a tenth more.
#[derive(Debug)]
pub(super) struct Window<const SLOTS: usize> {
    origin: Instant,
    slot: Duration,
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Which slot since the origin this is.
    index: u64,
    counts: [u32; 2],
}

impl<const SLOTS: usize> Window<SLOTS> {
    pub(super) fn new(length: Duration) -> Self {
        let slot = (length / 10).max(Duration::from_nanos(1));
        Self { origin: Instant::now(), slot, slots: [Slot::default(); SLOTS] }
    }

    /// Counts one of `kind` (0 or 1).
    pub(super) fn add(&mut self, kind: usize, now: Instant) {
        let index = self.index(now);
        let slot = &mut self.slots[(index % SLOTS as u64) as usize];
        if slot.index != index {
            *slot = Slot { index, counts: [0; 2] };
        }
        slot.counts[kind] = slot.counts[kind].saturating_add(1);
    }

    /// Returns how many of each kind there were lately.
    pub(super) fn sums(&self, now: Instant) -> [u64; 2] {
        let index = self.index(now);
        let recent = self.slots.iter().filter(|slot| slot.index + SLOTS as u64 > index);
        recent.fold([0; 2], |[first, second], slot| {
            [first + u64::from(slot.counts[0]), second + u64::from(slot.counts[1])]
        })
    }

    pub(super) fn clear(&mut self) {
        self.slots = [Slot::default(); SLOTS];
    }

    fn index(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(passed / self.slot.as_nanos()).unwrap_or(u64::MAX - SLOTS as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut window = Window::<10>::new(Duration::from_secs(10));
        let at = |tenths: u64| window.origin + Duration::from_millis(100 * tenths);
        let (zero, one, nine, ten, later) = (at(0), at(10), at(99), at(100), at(1_000));
        window.add(0, zero);
        window.add(1, one);
        assert_eq!(window.sums(nine), [1, 1]);
        assert_eq!(window.sums(ten), [0, 1]);
        assert_eq!(window.sums(later), [0, 0]);
        window.add(0, later);
        assert_eq!(window.sums(later), [1, 0]);
    }
}
