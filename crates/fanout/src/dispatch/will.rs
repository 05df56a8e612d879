//! What is known of a send that is dropped half-way, for the caller who dropped it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use crate::fan_out::FanOut;
use crate::{Delivery, Message, Report};

use super::{Messages, Order};

/// Where the books leave their report when they are dropped before they were closed.
#[derive(Clone, Default)]
pub(crate) struct Will(Arc<Mutex<Option<Report>>>);

impl Will {
    pub(super) fn leave(&self, report: Report) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    fn take(&self) -> Option<Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl FanOut {
    /// Sends `message` as [`send`](Self::send) does, until `stop` is ready.
    ///
    /// When that comes first, every delivery in flight is dropped, and the report says how far each had
    /// come: those are [`Cancelled`](crate::Outcome::Cancelled) with their effect, and what waited is
    /// skipped. Nothing is written on their behalf any more. Sends that were detached at the verdict are
    /// not stopped by this, but by [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Panics
    ///
    /// As for [`send`](Self::send).
    #[must_use = "the report says which sinks did not get the message"]
    pub async fn send_until(
        &self,
        message: impl Into<Message>,
        stop: impl Future<Output = ()>,
    ) -> Report {
        self.dispatch_until(Messages::Same(message.into()), None, false, stop).await
    }

    pub(crate) async fn dispatch_until(
        &self,
        messages: Messages,
        earlier: Option<Vec<Delivery>>,
        all_first: bool,
        stop: impl Future<Output = ()>,
    ) -> Report {
        let will = Will::default();
        let order = Order { messages, parent: None, earlier, all_first, will: Some(will.clone()) };
        {
            let mut send = pin!(self.dispatch_order(order));
            let mut stop = pin!(stop);
            let report = poll_fn(|cx| {
                // What is there when the stop comes counts.
                if let Poll::Ready(report) = send.as_mut().poll(cx) {
                    return Poll::Ready(Some(report));
                }
                stop.as_mut().poll(cx).map(|()| None)
            });
            if let Some(report) = report.await {
                return report;
            }
        }
        will.take().expect("books that are dropped before they are closed leave their report")
    }
}
