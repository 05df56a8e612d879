//! The thread on which a fake runs: its own runtime and the real clock, apart from the case's.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

use super::Unplayable;
use super::script::{Reach, Script};

/// A server on a thread of its own. Dropping it stops the server and joins the thread.
#[derive(Debug)]
pub(super) struct Host {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Where a fake is found, and what keeps it there.
pub(super) struct Place {
    pub(super) address: SocketAddr,
    pub(super) keep: Host,
}

impl Host {
    /// Runs `serve` on a listener on a free loopback port, until it is dropped.
    ///
    /// What was accepted is served by tasks of the same runtime, so it ends with it.
    pub(super) fn start<F, Fut>(script: &Script, serve: F) -> Result<Place, Unplayable>
    where
        F: FnOnce(TcpListener) -> Fut + Send + 'static,
        Fut: Future<Output = ()>,
    {
        let reach = script.reach;
        let (ready, address) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime needs a file descriptor for its driver");
            runtime.block_on(async {
                match Bound::bind(reach).await {
                    Ok(bound) => {
                        // A send fails only when nobody waits for the fake any more.
                        ready.send(Ok(bound.address)).ok();
                        match bound.listener {
                            Some(listener) => {
                                tokio::select! { () = serve(listener) => {} _ = stopped => {} }
                            }
                            None => drop(stopped.await),
                        }
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            });
            runtime.shutdown_background();
        };
        let keep = Self { stop: Some(stop), thread: Some(thread::spawn(work)) };
        let address = address.recv().unwrap_or_else(|_| Err(io::Error::other("its thread died")));
        let refuse = |error: io::Error| Unplayable {
            fake: "a server on loopback",
            what: format!("its part of the connection: {error}"),
        };
        Ok(Place { address: address.map_err(refuse)?, keep })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A server that panicked has failed its case already.
            thread.join().ok();
        }
    }
}

struct Bound {
    address: SocketAddr,
    listener: Option<TcpListener>,
    // A port that is bound stays ours; what fills a backlog must stay connected.
    _held: (Option<TcpSocket>, Option<TcpListener>, Vec<TcpStream>),
}

impl Bound {
    async fn bind(reach: Reach) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = socket.local_addr()?;
        match reach {
            Reach::Listens => {
                let listener = Some(socket.listen(1024)?);
                Ok(Self { address, listener, _held: (None, None, Vec::new()) })
            }
            // Bound but not listening: connections are refused, and nobody else gets the port.
            Reach::Refuses => {
                Ok(Self { address, listener: None, _held: (Some(socket), None, Vec::new()) })
            }
            Reach::Ignores => {
                // The shortest backlog, filled: the kernel then drops what else comes.
                let listener = socket.listen(0)?;
                let mut filling = Vec::new();
                while filling.len() < 16 {
                    let connecting = TcpStream::connect(address);
                    match tokio::time::timeout(FULL_AFTER, connecting).await {
                        Ok(stream) => filling.push(stream?),
                        Err(_) => {
                            let _held = (None, Some(listener), filling);
                            return Ok(Self { address, listener: None, _held });
                        }
                    }
                }
                Err(io::Error::other("this system accepts connections beyond the backlog"))
            }
        }
    }
}

/// A server that serves each connection by a task of its own.
pub(super) async fn accept<F, Fut>(listener: TcpListener, serve: F)
where
    F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let serve = Arc::new(serve);
    // An error of `accept` is the connection's, or passes.
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                stream.set_nodelay(true).ok();
                tokio::spawn(serve(stream));
            }
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// A connection on loopback stands within microseconds, or not at all.
const FULL_AFTER: Duration = Duration::from_millis(100);

/// How long a fake waits for the other side to close a connection that it closed itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
