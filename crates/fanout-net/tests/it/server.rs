//! A raw server: each connection is driven by a closure, and whole requests are counted.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What a server has seen.
#[derive(Clone, Default)]
pub(crate) struct Log {
    connections: Arc<AtomicUsize>,
    whole: Arc<Mutex<Vec<RawRequest>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct RawRequest {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl RawRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Log {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn whole(&self) -> Vec<RawRequest> {
        self.whole.lock().unwrap().clone()
    }

    pub(crate) fn saw_whole(&self, head: String, body: Vec<u8>) {
        self.whole.lock().unwrap().push(RawRequest { head, body });
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        let whole = self.whole();
        whole.iter().map(|one| String::from_utf8_lossy(&one.body).into_owned()).collect()
    }
}

/// A listening server. It ends, with all its connections, when it is dropped.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) log: Log,
    task: JoinHandle<()>,
}

impl Server {
    /// Runs `serve` for each connection.
    pub(crate) async fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(Conn) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), serve)
    }

    /// Runs `serve` for each connection that `listener` gets.
    pub(crate) fn on<F, Fut>(listener: TcpListener, serve: F) -> Self
    where
        F: Fn(Conn) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let addr = listener.local_addr().unwrap();
        let log = Log::default();
        let shared = log.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                let conn =
                    Conn { io: Box::new(stream), log: shared.clone(), number, buffer: Vec::new() };
                connections.spawn(serve(conn));
            }
        });
        Self { addr, log, task }
    }

    /// Answers every request with `answer`, keeping connections alive.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(move |mut conn| async move {
            while conn.request().await.is_some() {
                conn.write(answer).await;
            }
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection of a [`Server`].
pub(crate) struct Conn {
    pub(crate) io: Box<dyn Io>,
    pub(crate) log: Log,
    pub(crate) number: usize,
    buffer: Vec<u8>,
}

impl Conn {
    /// Reads a request whole and records it; `None` when the connection ends before.
    pub(crate) async fn request(&mut self) -> Option<RawRequest> {
        let head = self.head().await?;
        let length = head.header("content-length").map_or(0, |value| value.parse().unwrap());
        let body = if head.header("transfer-encoding").is_some() {
            self.until(b"0\r\n\r\n").await?
        } else {
            while self.buffer.len() < length {
                self.fill().await?;
            }
            self.buffer.drain(..length).collect()
        };
        let request = RawRequest { body, ..head };
        self.log.whole.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Reads the head alone.
    pub(crate) async fn head(&mut self) -> Option<RawRequest> {
        let head = self.until(b"\r\n\r\n").await?;
        Some(RawRequest { head: String::from_utf8(head).unwrap(), body: Vec::new() })
    }

    pub(crate) async fn write(&mut self, text: impl AsRef<[u8]>) {
        // The client may be gone; what it makes of that is what the tests look at.
        drop(self.io.write_all(text.as_ref()).await);
        drop(self.io.flush().await);
    }

    /// Waits until the client ends the connection.
    pub(crate) async fn closed(&mut self) {
        while self.fill().await.is_some() {}
    }

    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return Some(self.buffer.drain(..at + end.len()).collect());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Option<()> {
        match self.io.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
