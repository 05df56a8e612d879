//! The one-liner for a sink whose destination cannot be scripted.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use fanout::{Message, Sink, async_trait};

use crate::capability::{Capabilities, Capability};
use crate::harness::{Endpoint, Harness, UnderTest};
use crate::suite::Suite;
use crate::{Clock, fakes};

/// Runs on a sink what can be run without scripting its destination. Await the result.
///
/// `make` is called for every case anew. What cannot be judged this way (how failures are classified,
/// what a lost answer counts as) is shown as not supported; a [`Harness`] gets everything.
///
/// # Examples
///
/// ```
/// use fanout::{Attempt, Error, Message, Receipt, Sink, async_trait};
/// use fanout_conformance::check_sink;
///
/// #[derive(Debug)]
/// struct Console;
///
/// #[async_trait]
/// impl Sink for Console {
///     async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
///         println!("{}: {} bytes", attempt.sink(), message.payload().len());
///         Ok(Receipt::new())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// check_sink(|| Console).await.assert_passed();
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check_sink<S: Sink + 'static>(make: impl Fn() -> S + Send + Sync + 'static) -> SinkCheck {
    SinkCheck::new(Box::new(move || UnderTest::new(make())))
}

/// A plain check that is about to run: await it.
#[must_use = "a check runs when it is awaited"]
pub struct SinkCheck {
    harness: Plain,
}

struct Plain {
    name: String,
    make: Box<dyn Fn() -> UnderTest + Send + Sync>,
    message: Message,
    capabilities: Capabilities,
    requests: Option<Arc<dyn Fn() -> usize + Send + Sync>>,
}

impl SinkCheck {
    /// Checks a sink that was wrapped by hand: with its `Debug` text, for one
    /// ([`UnderTest::with_debug`]).
    pub fn new(make: Box<dyn Fn() -> UnderTest + Send + Sync>) -> Self {
        let harness = Plain {
            name: "sink".to_owned(),
            make,
            message: Message::bytes(&br#"{"order":17}"#[..]).with_content_type("application/json"),
            capabilities: Capabilities::new(Clock::Real),
            requests: None,
        };
        Self { harness }
    }

    /// Sets the name that results are shown under. Default: `sink`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.harness.name = name.into();
        self
    }

    /// Sets the message that is sent. Default: a small JSON object.
    pub fn message(mut self, message: Message) -> Self {
        self.harness.message = message;
        self
    }

    /// Says how many requests the destination has had in all, so that attempts can be counted.
    pub fn counting(mut self, requests: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        self.harness.requests = Some(Arc::new(requests));
        self
    }

    /// Gives the suite, to be filtered or joined with others.
    pub fn into_suite(self) -> Suite {
        crate::sink_suite(self.harness)
    }

    /// Does not claim `capability`, for this reason.
    pub fn without(mut self, capability: Capability, reason: impl Into<String>) -> Self {
        self.harness.capabilities = self.harness.capabilities.without(capability, reason);
        self
    }
}

impl IntoFuture for SinkCheck {
    type Output = <Suite as IntoFuture>::Output;
    type IntoFuture = <Suite as IntoFuture>::IntoFuture;

    fn into_future(self) -> Self::IntoFuture {
        self.into_suite().into_future()
    }
}

impl fmt::Debug for SinkCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkCheck").field("name", &self.harness.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl Harness for Plain {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn endpoint(&self, script: fakes::Script) -> Result<Endpoint, fakes::Unplayable> {
        Endpoint::plain(&script, self.requests.clone())
    }

    fn sink(&self, _endpoint: &Endpoint) -> UnderTest {
        (self.make)()
    }

    fn message(&self) -> Message {
        self.message.clone()
    }
}
