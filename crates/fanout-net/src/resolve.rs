//! Looking names up, and leaving out the addresses that the guard refuses.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use fanout::async_trait;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use crate::event::{Event, LookupError, Phase};
use crate::guard::{Guard, Refusal};
use crate::plaintext::{LOCALHOST, is_localhost};

/// Looks names up for a [`Client`](crate::Client), in place of the system.
///
/// For a DNS client of one's own, for names that are pinned, and for tests. It is asked for every new
/// connection; nothing is remembered between two. Hosts that are an address never get here, nor do `localhost`
/// and the names below it, which are this machine and no other (RFC 6761 section 6.3).
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Returns the addresses of `host`, best first. None at all means that there is no such host.
    ///
    /// The [guard](Guard) of the client judges them after that.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) when there is no such host; any other when it cannot be told. The
    /// text goes into the error of the send.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// How a client finds addresses, and which it takes.
#[derive(Clone, Default)]
pub(crate) struct Lookup {
    pub(crate) guard: Option<Arc<Guard>>,
    pub(crate) resolver: Option<Arc<dyn Resolve>>,
}

impl Lookup {
    /// The same with a guard: its own, or the standard one.
    pub(crate) fn guarded(&self) -> Self {
        let guard = self.guard.clone().unwrap_or_default();
        Self { guard: Some(guard), ..self.clone() }
    }

    pub(crate) fn unguarded(&self) -> Self {
        Self { guard: None, ..self.clone() }
    }

    /// Judges a host as it is written: the only look at those that are addresses, for which no name is
    /// looked up.
    pub(crate) fn check(&self, host: &str) -> Result<(), Event> {
        match &self.guard {
            Some(guard) => guard.judge_host(host).map_err(Event::Guarded),
            None => Ok(()),
        }
    }

    async fn find(&self, host: &str) -> Result<Vec<SocketAddr>, LookupError> {
        let found: Vec<_> = match &self.resolver {
            // Whoever may send plain text to this machine must not have it sent elsewhere by a resolver.
            // Port 0: hyper-util puts the port of the URL in its place.
            _ if is_localhost(host) => {
                LOCALHOST.map(|address| SocketAddr::new(address, 0)).to_vec()
            }
            Some(resolver) => {
                let found = resolver.resolve(host).await.map_err(LookupError::Failed)?;
                found.into_iter().map(|address| SocketAddr::new(address, 0)).collect()
            }
            None => {
                let found = tokio::net::lookup_host((host, 0)).await;
                found.map_err(LookupError::Failed)?.collect()
            }
        };
        if found.is_empty() {
            return Err(LookupError::Failed(io::ErrorKind::NotFound.into()));
        }
        match &self.guard {
            Some(guard) => passing(guard, host, found).map_err(LookupError::Guarded),
            None => Ok(found),
        }
    }
}

/// The addresses that `guard` lets pass; why not, when there is none.
fn passing(guard: &Guard, host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refusal> {
    let mut first = None;
    let mut passed = Vec::with_capacity(found.len());
    for address in found {
        match guard.judge_found(host, address.ip()) {
            Ok(()) => passed.push(address),
            Err(refusal) => first = first.or(Some(refusal)),
        }
    }
    match first {
        Some(refusal) if passed.is_empty() => Err(refusal),
        _ => Ok(passed),
    }
}

/// What hyper-util asks for the addresses of a name, with errors that can be told from those of TCP.
#[derive(Clone)]
pub(crate) struct Resolver {
    pub(crate) phase: Arc<AtomicU8>,
    pub(crate) lookup: Lookup,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = LookupError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, LookupError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LookupError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { phase, lookup } = self.clone();
        Box::pin(async move {
            let before = phase.swap(Phase::Lookup as u8, Ordering::Relaxed);
            let found = lookup.find(name.as_str()).await?;
            phase.store(before, Ordering::Relaxed);
            Ok(found.into_iter())
        })
    }
}
