//! One delivery in flight: the sink's future, fenced so that a panic inside stays inside.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::fence::fenced;
use crate::{Attempt, Error, ErrorKind, Message, Receipt, Sink, TimeoutScope};

/// A delivery that has come to its end.
pub(super) struct Landed {
    pub(super) position: usize,
    pub(super) result: Result<Receipt, Error>,
}

/// Delivers `message`.
///
/// Not an `async fn`: that would keep every argument twice, and there is one such future per sink.
#[expect(clippy::manual_async_fn, reason = "an async fn would be larger")]
pub(super) fn fly(
    position: usize,
    sink: Arc<dyn Sink>,
    message: Message,
    attempt: Attempt,
) -> impl Future<Output = Landed> + Send {
    async move {
        attempt.track().polled();
        let result = Fenced::new(|| sink.send(&message, &attempt), &attempt).await;
        Landed { position, result }
    }
}

/// Delivers `message` to a mirror: until `limit` at the latest, on the place that `_permit` holds.
pub(super) async fn fly_mirror(
    position: usize,
    sink: Arc<dyn Sink>,
    message: Message,
    attempt: Attempt,
    limit: Instant,
    _permit: OwnedSemaphorePermit,
) -> Landed {
    attempt.track().polled();
    let sending = Fenced::new(|| sink.send(&message, &attempt), &attempt);
    let result = match timeout_at(limit, sending).await {
        Ok(result) => result,
        Err(_) => {
            let effect = attempt.track().abandon();
            let error = Error::timeout(TimeoutScope::Attempt, "the mirror did not answer in time");
            Err(error.with_effect(effect))
        }
    };
    Landed { position, result }
}

/// A sink's future whose panics, while it is polled and while it is dropped, become a failure.
struct Fenced<'a> {
    sending: Option<BoxFuture<'a, Result<Receipt, Error>>>,
    attempt: &'a Attempt,
}

impl<'a> Fenced<'a> {
    fn new(
        send: impl FnOnce() -> BoxFuture<'a, Result<Receipt, Error>>,
        attempt: &'a Attempt,
    ) -> Self {
        // A `send` that is not written as an `async fn` may panic before there is a future.
        Self { sending: fenced(send), attempt }
    }

    fn release(&mut self) {
        if let Some(sending) = self.sending.take() {
            // A future that panics while it is dropped has nobody left to tell: it is settled.
            fenced(|| drop(sending));
        }
    }
}

impl Future for Fenced<'_> {
    type Output = Result<Receipt, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.sending.as_mut().and_then(|sending| fenced(|| sending.as_mut().poll(cx)));
        let result = match polled {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(result)) => result,
            None => {
                // What the sink had nested tells what it reached when it is dropped.
                self.release();
                let effect = self.attempt.track().abandon();
                return Poll::Ready(Err(
                    Error::new(ErrorKind::Panic, "the sink panicked").with_effect(effect)
                ));
            }
        };
        self.release();
        Poll::Ready(result)
    }
}

impl Drop for Fenced<'_> {
    fn drop(&mut self) {
        self.release();
    }
}
