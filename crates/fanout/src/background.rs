//! The supervised set of sends that go on after their report was given.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The sends of one fan-out that were detached: counted, bounded, joined by [`Background::shutdown`].
#[derive(Debug, Default)]
pub(crate) struct Background {
    tasks: TaskTracker,
    cut: CancellationToken,
    cut_deliveries: AtomicUsize,
    places_taken: AtomicUsize,
    overflowed: AtomicU64,
    closed: AtomicBool,
}

/// A place in the set, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Background>);

impl Background {
    /// Takes a place for a send that is about to be detached; `None` when all are taken.
    pub(crate) fn reserve(self: &Arc<Self>) -> Option<Place> {
        let taken = self.places_taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
            (taken < MAX_DETACHED).then_some(taken + 1)
        });
        match taken {
            Ok(_) => Some(Place(Arc::clone(self))),
            Err(_) => {
                self.overflowed.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// Spawns a task of the set.
    pub(crate) fn spawn(&self, on: &Handle, task: impl Future<Output = ()> + Send + 'static) {
        // The handle is not needed: the tracker joins the task.
        drop(self.tasks.spawn_on(task, on));
    }

    /// Drives `work` to its end, or until the shutdown cuts it short. Returns whether it ended.
    pub(crate) async fn drive(&self, work: impl Future<Output = ()>) -> bool {
        // The work is asked first: a result that is there counts.
        matches!(select(pin!(work), pin!(self.cut.cancelled())).await, Either::Left(_))
    }

    /// Counts deliveries that the shutdown cut short.
    pub(crate) fn count_cut(&self, deliveries: usize) {
        self.cut_deliveries.fetch_add(deliveries, Ordering::AcqRel);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// How many sends are detached now.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// How many sends found no place and drained instead.
    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Waits for the detached sends, cuts those that are left after `grace`, and returns how many
    /// deliveries were cut.
    pub(crate) async fn shutdown(&self, grace: Duration) -> usize {
        self.closed.store(true, Ordering::Release);
        self.tasks.close();
        if timeout(grace, self.tasks.wait()).await.is_err() {
            self.cut.cancel();
            self.tasks.wait().await;
        }
        // What detaches later, from a send that had begun before, is cut at once.
        self.cut.cancel();
        self.cut_deliveries.load(Ordering::Acquire)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.places_taken.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How many sends of one fan-out may be detached at once; each holds a message and its receipts.
pub(crate) const MAX_DETACHED: usize = 1_024;
