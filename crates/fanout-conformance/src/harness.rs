//! What the author of a sink gives the suite: endpoints that play scripts, and the sink aimed at them.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use fanout::{Message, Sink, async_trait};

use crate::capability::Capabilities;
use crate::fakes::{Counters, Counts, Received, Script, ScriptedSink, Unplayable, Watch};

/// Binds a sink to the suite.
///
/// One value serves the whole suite; every case asks for an endpoint with a script, and for a sink
/// that sends to it.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// Returns the name that results are shown under: `http`, `kafka`.
    fn name(&self) -> String;

    /// Returns what the sink claims.
    fn capabilities(&self) -> Capabilities;

    /// Starts an endpoint that plays `script`.
    ///
    /// # Errors
    ///
    /// [`Unplayable`] when it cannot play the script, or cannot tell what the case wants to learn
    /// ([`Script::watched`]). The case is then shown as not supported, with this reason.
    async fn endpoint(&self, script: Script) -> Result<Endpoint, Unplayable>;

    /// Makes the sink under test, aimed at `endpoint`.
    ///
    /// Where the sink takes a credential, it is given [`SECRET`], which must never be seen again
    /// except by the endpoint. Called outside of a runtime too: making a sink does no I/O.
    fn sink(&self, endpoint: &Endpoint) -> UnderTest;

    /// Makes the sink in the mode in which it writes idempotency keys, for one that claims
    /// [`Capability::Key`](crate::Capability::Key). The endpoint must see the key as
    /// `idempotency-key`. Default: as [`sink`](Self::sink).
    fn keyed(&self, endpoint: &Endpoint) -> UnderTest {
        self.sink(endpoint)
    }

    /// Returns a message that the sink can send. Default: a small JSON object.
    fn message(&self) -> Message {
        Message::bytes(&br#"{"order":17}"#[..]).with_content_type("application/json")
    }
}

/// A sink under test.
pub struct UnderTest {
    sink: Arc<dyn Sink>,
    debug: Option<String>,
}

/// A destination that plays a script. Dropping it stops it.
pub struct Endpoint {
    address: String,
    source: Source,
    memory: Option<ScriptedSink>,
    // Held for its `Drop`.
    _keep: Option<Box<dyn Any + Send + Sync>>,
}

enum Source {
    Counters(Counters),
    Requests(Arc<dyn Fn() -> usize + Send + Sync>, usize),
}

/// A credential that must not leak.
pub const SECRET: &str = "canary-Vq7wJ2-never-show-this";

impl UnderTest {
    /// Wraps a sink without `Debug`.
    pub fn new(sink: impl Sink + 'static) -> Self {
        Self { sink: Arc::new(sink), debug: None }
    }

    /// Wraps a sink, and keeps its `Debug` text to be searched for the secret.
    pub fn with_debug(sink: impl Sink + fmt::Debug + 'static) -> Self {
        let debug = Some(format!("{sink:?}\n{sink:#?}"));
        Self { debug, ..Self::new(sink) }
    }

    /// Puts a decorator around the sink. What was kept of its `Debug` stays.
    #[must_use]
    pub fn decorated<S: Sink + 'static>(self, decorate: impl FnOnce(Arc<dyn Sink>) -> S) -> Self {
        Self { sink: Arc::new(decorate(self.sink)), debug: self.debug }
    }

    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.sink)
    }

    pub(crate) fn debug(&self) -> Option<&str> {
        self.debug.as_deref()
    }
}

impl Endpoint {
    /// Makes an endpoint of its address, its counters, and whatever stops it when dropped.
    pub fn new(
        address: impl Into<String>,
        counters: Counters,
        keep: impl Any + Send + Sync,
    ) -> Self {
        let source = Source::Counters(counters);
        Self { address: address.into(), source, memory: None, _keep: Some(Box::new(keep)) }
    }

    /// Makes an endpoint in memory, for a sink that wraps another: [`as_sink`](Self::as_sink) is the
    /// one to wrap.
    ///
    /// # Errors
    ///
    /// [`Unplayable`] for what a [`ScriptedSink`] cannot play.
    pub fn in_memory(script: Script) -> Result<Self, Unplayable> {
        let sink = ScriptedSink::new(script)?;
        let source = Source::Counters(sink.counters().clone());
        Ok(Self { address: "memory".to_owned(), source, memory: Some(sink), _keep: None })
    }

    /// The destination of a plain sink: it cannot be scripted, and is counted at most.
    pub(crate) fn plain(
        script: &Script,
        requests: Option<Arc<dyn Fn() -> usize + Send + Sync>>,
    ) -> Result<Self, Unplayable> {
        let refuse = |what: &str| Unplayable {
            fake: "the destination of a plain sink",
            what: what.to_owned(),
        };
        if !script.is_plain() {
            return Err(refuse("a script"));
        }
        let source = match (script.watched(), requests) {
            (Watch::Nothing, None) => Source::Counters(Counters::new()),
            (Watch::Nothing | Watch::Requests, Some(requests)) => {
                let before = requests();
                Source::Requests(requests, before)
            }
            (Watch::Requests, None) => return Err(refuse("how many requests there were")),
            (Watch::Received, _) => return Err(refuse("what was received")),
            (Watch::Calls, _) => return Err(refuse("which calls are in flight")),
        };
        Ok(Self { address: "plain".to_owned(), source, memory: None, _keep: None })
    }

    /// Returns where the endpoint listens: `127.0.0.1:49152`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the sink in memory that plays the script, for an endpoint that is one.
    pub fn as_sink(&self) -> Option<&ScriptedSink> {
        self.memory.as_ref()
    }

    pub(crate) fn counts(&self) -> Counts {
        match &self.source {
            Source::Counters(counters) => counters.now(),
            Source::Requests(requests, before) => {
                Counts { requests: requests().saturating_sub(*before), ..Counts::default() }
            }
        }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        match &self.source {
            Source::Counters(counters) => counters.received(),
            Source::Requests(..) => Vec::new(),
        }
    }

    /// Waits until the counts are as `wanted`. Only for scripts that watch calls.
    pub(crate) async fn until(&self, wanted: impl FnMut(&Counts) -> bool) -> Counts {
        match &self.source {
            Source::Counters(counters) => counters.until(wanted).await,
            Source::Requests(..) => self.counts(),
        }
    }
}

impl fmt::Debug for UnderTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnderTest").finish_non_exhaustive()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("address", &self.address).finish_non_exhaustive()
    }
}
