//! The sinks of fanout against the fakes, and broken ones around them.

use std::sync::Arc;

use fanout::{Attempt, Error, Message, Receipt, Sink, async_trait, sink_fn};
use fanout_conformance::fakes::{Script, Unplayable};
use fanout_conformance::{Capabilities, Capability, Clock, Endpoint, Harness, UnderTest};
use futures_util::future::{BoxFuture, FutureExt};

/// A transport, and what is broken around its sink.
pub(crate) struct Wire {
    pub(crate) name: &'static str,
    pub(crate) protocol: Capability,
    pub(crate) start: fn(Script) -> BoxFuture<'static, Result<Endpoint, Unplayable>>,
    pub(crate) make: fn(&Endpoint) -> UnderTest,
    /// The sink in the mode in which it writes keys, where that is wanted.
    pub(crate) keyed: Option<fn(&Endpoint) -> UnderTest>,
}

#[async_trait]
impl Harness for Wire {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::new(Clock::Real)
            .with(self.protocol)
            .without(Capability::NoTasks, "the pool keeps a task for each open connection");
        if self.keyed.is_some() { capabilities.with(Capability::Key) } else { capabilities }
    }

    async fn endpoint(&self, script: Script) -> Result<Endpoint, Unplayable> {
        (self.start)(script).await
    }

    fn sink(&self, endpoint: &Endpoint) -> UnderTest {
        (self.make)(endpoint)
    }

    fn keyed(&self, endpoint: &Endpoint) -> UnderTest {
        (self.keyed.unwrap_or(self.make))(endpoint)
    }
}

pub(crate) type Change = fn(Result<Receipt, Error>) -> Result<Receipt, Error>;

/// Changes what the sink answers.
pub(crate) fn changed(inner: impl Sink + 'static, change: Change) -> UnderTest {
    let inner = Arc::new(inner);
    UnderTest::new(sink_fn(move |message: Message, attempt: Attempt| {
        let inner = Arc::clone(&inner);
        async move { change(inner.send(&message, &attempt).await) }
    }))
}

/// Sends everything twice.
pub(crate) fn twice(inner: impl Sink + 'static) -> UnderTest {
    let inner = Arc::new(inner);
    UnderTest::new(sink_fn(move |message: Message, attempt: Attempt| {
        let inner = Arc::clone(&inner);
        async move {
            drop(inner.send(&message, &attempt).await);
            inner.send(&message, &attempt).await
        }
        .boxed()
    }))
}

/// Sends the payload alone, under an attempt of its own making.
pub(crate) fn bare(inner: impl Sink + 'static) -> UnderTest {
    let inner = Arc::new(inner);
    UnderTest::new(sink_fn(move |message: Message, _| {
        let inner = Arc::clone(&inner);
        async move {
            let bare = Message::bytes(message.payload().clone());
            inner.send(&bare, &Attempt::first("x", &bare)).await
        }
    }))
}
