//! The gate that a request passes right before its first byte is written.

use std::sync::atomic::{AtomicU8, Ordering};

use fanout::{Attempt, Effect, Reach};

/// Decides, once and for all, whether a request left or was abandoned first.
///
/// hyper writes from a task of its own, which may still hold a request whose future was dropped a
/// moment ago. Whoever gets to the gate first wins: the writer opens it, or the sender closes it. So
/// "nothing was sent" is never said of a request that the other side could read whole.
#[derive(Debug)]
pub(crate) struct Gate {
    state: AtomicU8,
    attempt: Option<Attempt>,
}

impl Gate {
    pub(crate) fn new(attempt: Option<Attempt>) -> Self {
        Self { state: AtomicU8::new(WAITING), attempt }
    }

    /// Asks to write. False means that the send was abandoned: nothing may leave.
    pub(crate) fn open(&self) -> bool {
        match self.state.compare_exchange(WAITING, OPEN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                let told = self.attempt.as_ref().map(|attempt| attempt.reached(Effect::Maybe));
                if told == Some(Reach::Abandoned) {
                    self.state.store(CLOSED, Ordering::Release);
                    return false;
                }
                true
            }
            Err(state) => state == OPEN,
        }
    }

    /// Gives the send up. False means that it is too late: writing had begun.
    pub(crate) fn close(&self) -> bool {
        self.state
            .compare_exchange(WAITING, CLOSED, Ordering::AcqRel, Ordering::Acquire)
            .map_or_else(|state| state == CLOSED, |_| true)
    }

    /// Returns whether a byte of the request may have been written.
    pub(crate) fn is_open(&self) -> bool {
        self.state.load(Ordering::Acquire) == OPEN
    }
}

const WAITING: u8 = 0;
const OPEN: u8 = 1;
const CLOSED: u8 = 2;

#[cfg(test)]
mod tests {
    use fanout::Message;

    use super::*;

    #[test]
    fn whoever_comes_first_wins() {
        let gate = Gate::new(None);
        assert!(gate.open());
        assert!(gate.open(), "hyper asks more than once");
        assert!(!gate.close());
        assert!(gate.is_open());

        let gate = Gate::new(None);
        assert!(gate.close());
        assert!(!gate.open());
        assert!(gate.close());
        assert!(!gate.is_open());
    }

    #[test]
    fn opening_is_told_to_the_attempt() {
        let message = Message::bytes("x");
        let attempt = Attempt::first("a", &message);
        let gate = Gate::new(Some(attempt.clone()));
        assert!(gate.open());
    }

    #[test]
    fn exactly_one_side_wins_a_race() {
        for _ in 0..2_000 {
            let gate = std::sync::Arc::new(Gate::new(None));
            let other = std::sync::Arc::clone(&gate);
            let opened = std::thread::spawn(move || other.open());
            let closed = gate.close();
            assert_ne!(opened.join().unwrap(), closed);
        }
    }
}
