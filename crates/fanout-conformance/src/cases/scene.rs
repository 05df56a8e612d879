//! What most sink cases begin with: an endpoint, the sink aimed at it, a message.

use std::sync::Arc;
use std::time::Duration;

use fanout::{Attempt, Error, Message, Receipt, Sink};
use tokio::runtime::Handle;

use crate::fakes::{Script, Unplayable};
use crate::harness::{Endpoint, Harness, UnderTest};

pub(crate) struct Scene {
    pub(crate) endpoint: Endpoint,
    pub(crate) under_test: UnderTest,
    pub(crate) message: Message,
}

impl Scene {
    pub(crate) async fn set(
        harness: &Arc<dyn Harness>,
        script: impl Into<Script>,
    ) -> Result<Self, Unplayable> {
        let endpoint = harness.endpoint(script.into()).await?;
        let under_test = harness.sink(&endpoint);
        Ok(Self { endpoint, under_test, message: harness.message() })
    }

    pub(crate) fn attempt(&self) -> Attempt {
        Attempt::first("under-test", &self.message)
    }

    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        self.under_test.sink()
    }

    pub(crate) async fn send(&self) -> Result<Receipt, Error> {
        self.under_test.sink().send(&self.message, &self.attempt()).await
    }
}

/// Gives what was dropped the time to end, and returns how many tasks are alive then: at most
/// `wanted`, or what was left after two seconds.
pub(crate) async fn tasks_down_to(wanted: usize) -> usize {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    for _ in 0..400 {
        if tasks() <= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tasks()
}

/// Returns how many tasks are alive.
pub(crate) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Shows a result in a failure message: the body of a receipt is of no interest there.
pub(crate) fn shown(result: &Result<Receipt, Error>) -> String {
    match result {
        Ok(receipt) => format!("a receipt ({} bytes)", receipt.body().len()),
        Err(error) => format!("{} with effect {} ({error})", error.kind(), error.effect()),
    }
}
