//! A future with an end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::time::{Instant, Sleep, sleep_until};

/// Waits for `future` until `until`; `None` when the time came first. The future is dropped by then.
///
/// The future is polled before the clock, so what is ready in time counts. The timer is made when there is
/// something to wait for: what is ready at once needs none.
pub(super) async fn within<F: Future>(until: Option<Instant>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = pin!(None::<Sleep>);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let Some(until) = until else {
            return Poll::Pending;
        };
        if sleep.is_none() {
            sleep.set(Some(sleep_until(until)));
        }
        let timer = sleep.as_mut().as_pin_mut().expect("the timer was just set");
        timer.poll(cx).map(|()| None)
    })
    .await
}
