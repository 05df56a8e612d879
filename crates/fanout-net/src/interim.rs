//! Informational answers (1xx): waited through, but not without end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use http::Request;

/// Counts the informational answers to one request, and wakes whoever waits when there are too many.
///
/// hyper drops them while it reads and would do so for as long as they come. It tells of those on HTTP/1
/// alone; on HTTP/2 they come a frame each, and the deadline ends it.
#[derive(Default)]
pub(crate) struct Interim {
    count: AtomicU32,
    waiting: Mutex<Option<Waker>>,
}

impl Interim {
    pub(crate) fn watch<B>(request: &mut Request<B>) -> Arc<Self> {
        let interim = Arc::<Self>::default();
        let told = Arc::clone(&interim);
        hyper::ext::on_informational(request, move |_| told.add());
        interim
    }

    /// Whether there were too many; if not, the task of `cx` is woken when there are.
    pub(crate) fn is_flood(&self, cx: &Context<'_>) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock: the last one is counted before, or finds the waker.
        if self.count.load(Ordering::Relaxed) > MAX_INTERIM {
            return true;
        }
        match &mut *waiting {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        false
    }

    fn add(&self) {
        // Only the connection's task counts, so this never wraps around unseen.
        if self.count.load(Ordering::Relaxed) > MAX_INTERIM {
            return;
        }
        if self.count.fetch_add(1, Ordering::Relaxed) == MAX_INTERIM {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waiting {
                waker.wake();
            }
        }
    }
}

/// A server that is at work may say so from time to time; none has so much to say.
pub(crate) const MAX_INTERIM: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_waited_through_and_the_next_wakes() {
        let woken = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        let interim = Interim::default();
        for _ in 0..MAX_INTERIM {
            assert!(!interim.is_flood(&cx));
            interim.add();
        }
        assert!(!interim.is_flood(&cx));
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        for _ in 0..3 {
            interim.add();
        }
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(interim.is_flood(&cx));
    }

    #[derive(Default)]
    struct Count(AtomicU32);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
