//! What a fake counts and keeps.

use std::sync::{Arc, Mutex, PoisonError};

use fanout::Bytes;
use tokio::sync::watch;

/// Counts the calls of one fake. A clone shares the counts.
#[derive(Clone, Debug)]
pub struct Counters {
    counts: watch::Sender<Counts>,
    received: Arc<Mutex<Vec<Received>>>,
}

/// How many calls a fake has had, and where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections that were accepted.
    pub connections: usize,
    /// Connections that have ended, on whichever side.
    pub closed: usize,
    /// Requests that were read whole, or calls in memory.
    pub requests: usize,
    /// Requests that are neither answered nor dropped.
    pub in_flight: usize,
    /// The most that ever were in flight at once.
    pub peak: usize,
    /// Requests that were answered, in the way the script said.
    pub completed: usize,
    /// Requests that the sink gave up while they were pending.
    pub dropped: usize,
}

/// One request, as the fake saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The path, or the name of the gRPC method; the name of the sink in memory.
    pub path: String,
    /// Headers, gRPC metadata, or the message's own metadata, names in lower case.
    pub metadata: Vec<(String, String)>,
    /// The payload.
    pub payload: Bytes,
}

/// A connection that is open.
#[derive(Debug)]
pub struct Connected(Counters);

/// One call in flight. It counts as dropped unless it was completed.
#[derive(Debug)]
pub(crate) struct Call {
    counters: Counters,
    completed: bool,
}

impl Counters {
    /// Makes counters that stand at zero.
    pub fn new() -> Self {
        Self { counts: watch::Sender::new(Counts::default()), received: Arc::default() }
    }

    /// Returns the counts as they are now.
    pub fn now(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Returns what was received, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.log().clone()
    }

    /// Waits until the counts are as `wanted`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn until(&self, wanted: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.counts.subscribe();
        let reached = counts.wait_for(wanted).await.map(|counts| *counts);
        // The sender lives in `self`, so the wait cannot end in another way.
        reached.unwrap_or_else(|_| self.now())
    }

    /// Counts a connection: as accepted now, as closed when the guard is dropped.
    #[must_use = "the connection counts as closed when this is dropped"]
    pub fn connected(&self) -> Connected {
        self.counts.send_modify(|counts| counts.connections += 1);
        Connected(self.clone())
    }

    /// Counts a request whose end is not seen: one that is answered by somebody else.
    pub fn saw(&self, request: Received) {
        self.log().push(request);
        self.counts.send_modify(|counts| counts.requests += 1);
    }

    pub(crate) fn begin(&self, request: Received) -> Call {
        self.log().push(request);
        self.counts.send_modify(|counts| {
            counts.requests += 1;
            counts.in_flight += 1;
            counts.peak = counts.peak.max(counts.in_flight);
        });
        Call { counters: self.clone(), completed: false }
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Received {
    /// Makes a request of its parts.
    pub fn new(path: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self { path: path.into(), metadata: Vec::new(), payload: payload.into() }
    }

    /// Adds a pair to the metadata.
    #[must_use]
    pub fn with_metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Returns the first value under `name`; ASCII case makes no difference.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl Call {
    pub(crate) fn complete(mut self) {
        self.completed = true;
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.counts.send_modify(|counts| counts.closed += 1);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let completed = self.completed;
        self.counters.counts.send_modify(|counts| {
            counts.in_flight -= 1;
            if completed {
                counts.completed += 1;
            } else {
                counts.dropped += 1;
            }
        });
    }
}
