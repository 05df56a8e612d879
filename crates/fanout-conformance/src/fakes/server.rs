//! What the servers of our own share: the script, how far it has been played, and the counters.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::net::TcpStream;

use super::Counters;
use super::host::{Host, accept};
use super::script::{Script, Unplayable};
use crate::harness::Endpoint;

/// One fake server, as all its connections see it.
pub(super) struct Server {
    pub(super) script: Script,
    /// How many answers of the script were begun.
    pub(super) calls: AtomicUsize,
    pub(super) counters: Counters,
}

impl Server {
    /// Listens on a free loopback port, and lets `converse` serve each connection to its end.
    pub(super) fn start<F, Fut>(script: &Script, converse: F) -> Result<Endpoint, Unplayable>
    where
        F: Fn(Arc<Self>, TcpStream) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let counters = Counters::new();
        let server = Arc::new(Self {
            script: script.clone(),
            calls: AtomicUsize::new(0),
            counters: counters.clone(),
        });
        let place = Host::start(script, move |listener| {
            accept(listener, move |stream| {
                let (server, converse) = (Arc::clone(&server), converse.clone());
                async move {
                    let connected = server.counters.connected();
                    converse(server, stream).await;
                    drop(connected);
                }
            })
        })?;
        Ok(Endpoint::new(place.address.to_string(), counters, place.keep))
    }
}
