//! A raw HTTP/1.1 server: each connection is driven by a closure.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A listening server. It ends, with all its connections, when it is dropped.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

/// One connection of a [`Server`].
pub(crate) struct Conn {
    io: TcpStream,
    pub(crate) number: usize,
    requests: Arc<Mutex<Vec<String>>>,
    buffer: Vec<u8>,
}

impl Server {
    pub(crate) async fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(Conn) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::default());
        let (count, seen) = (Arc::clone(&connections), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            let mut running = JoinSet::new();
            loop {
                let (io, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                let requests = Arc::clone(&seen);
                running.spawn(serve(Conn { io, number, requests, buffer: Vec::new() }));
            }
        });
        Self { addr, connections, requests, task }
    }

    /// As [`start`](Self::start), with a counter that all connections share.
    pub(crate) async fn start_numbered<F, Fut>(serve: F) -> Self
    where
        F: Fn(Conn, Arc<AtomicUsize>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let counter = Arc::<AtomicUsize>::default();
        Self::start(move |conn| serve(conn, Arc::clone(&counter))).await
    }

    /// Answers every request with `answer`; connections stay open.
    pub(crate) async fn answering(answer: impl Into<String>) -> Self {
        let answer: Arc<str> = answer.into().into();
        Self::start(move |mut conn| {
            let answer = Arc::clone(&answer);
            async move {
                while conn.request().await.is_some() {
                    conn.write(&answer).await;
                }
            }
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the requests that came whole, head and body as they were.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Conn {
    /// Reads a whole request; `None` when the client ends the connection before.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let whole = end + length.map_or(0, |length| length.parse::<usize>().unwrap());
        while self.buffer.len() < whole {
            self.fill().await?;
        }
        let request: Vec<u8> = self.buffer.drain(..whole).collect();
        let request = String::from_utf8_lossy(&request).into_owned();
        self.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Waits for the first byte.
    pub(crate) async fn byte(&mut self) -> Option<()> {
        if self.buffer.is_empty() { self.fill().await } else { Some(()) }
    }

    pub(crate) async fn write(&mut self, text: &str) {
        // The client may be gone; what it makes of that is what the tests look at.
        drop(self.io.write_all(text.as_bytes()).await);
    }

    /// Writes `bytes` again and again until the client ends the connection, and counts them.
    pub(crate) async fn pour(&mut self, bytes: &[u8], written: &AtomicUsize) {
        while self.io.write_all(bytes).await.is_ok() {
            written.fetch_add(bytes.len(), Ordering::SeqCst);
        }
    }

    /// Waits until the client ends the connection.
    pub(crate) async fn closed(&mut self) {
        while self.fill().await.is_some() {}
    }

    /// Ends the connection by a reset instead of an orderly close.
    pub(crate) fn reset(self) {
        self.io.set_zero_linger().unwrap();
    }

    async fn fill(&mut self) -> Option<()> {
        match self.io.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
