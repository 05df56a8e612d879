//! The reference sink: keeps what it is sent.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Attempt, Effect, Error, Message, Reach, Receipt, Sink};

/// A sink that keeps what it is sent in memory, for documentation and tests.
///
/// A handle: clones are cheap and share what was received.
///
/// # Examples
///
/// ```
/// use fanout::{Attempt, MemorySink, Message, Sink};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fanout::Error> {
/// let sink = MemorySink::answering("thank you");
/// let message = Message::text("hello");
/// let receipt = sink.send(&message, &Attempt::first("memory", &message)).await?;
/// assert_eq!(receipt.body().as_ref(), b"thank you");
/// assert_eq!(sink.received()[0].payload().as_ref(), b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemorySink {
    received: Arc<Mutex<Vec<Message>>>,
    answer: Bytes,
}

impl MemorySink {
    /// Makes a sink that answers with an empty receipt.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a sink that answers every message with `body`.
    pub fn answering(body: impl AsRef<[u8]>) -> Self {
        Self { received: Arc::default(), answer: Bytes::copy_from_slice(body.as_ref()) }
    }

    /// Returns the messages that were received, in the order in which they came.
    pub fn received(&self) -> Vec<Message> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Sink for MemorySink {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        if attempt.reached(Effect::Done) == Reach::Abandoned {
            return Err(Error::new(crate::ErrorKind::Cancelled, "the send was dropped")
                .with_effect(Effect::None));
        }
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.push(message.clone());
        Ok(Receipt::new().with_body(self.answer.clone()))
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}
