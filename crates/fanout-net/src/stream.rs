//! A connection: TCP, with TLS or without, and what its end says.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::sniff::{First, Sniffed};
use crate::tls::PeerCertificate;
use crate::tls::failure::{Ours, Refusal, of_late_alert};

/// A connection to a destination, or to a proxy that forwards plain requests.
///
/// When writing fails, the other side may have said why before it closed, and that has still to be read:
/// an alert of TLS about our certificate, or one that answers plain text.
pub(crate) struct Stream {
    io: Io,
    forwarded: bool,
    /// Bytes read since the task last waited.
    in_a_row: usize,
    /// The error of a write, until the other side's last words are read.
    failed: Option<io::Error>,
    /// What was read in their place.
    held: Option<u8>,
    /// Whether we have ended our side: errors of writing are then our own.
    ended: bool,
}

enum Io {
    Plain(Sniffed<TcpStream>),
    // A TLS session is about 1 KiB: boxed, so that plain connections do not carry it.
    Tls(Box<Secured>),
}

struct Secured {
    tls: TlsStream<Sniffed<TcpStream>>,
    ours: Ours,
    /// Whether the server has said anything.
    heard: bool,
}

/// The server ended the connection because of our certificate, before it read anything.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Refusal);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.text())
    }
}

impl std::error::Error for Refused {}

/// Plain text was sent, and TLS came back.
#[derive(Debug)]
pub(crate) struct TlsCame;

impl std::fmt::Display for TlsCame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(TLS_CAME)
    }
}

impl std::error::Error for TlsCame {}

/// Not only the error says so, because h2 keeps the text alone.
pub(crate) const TLS_CAME: &str = "TLS came in place of HTTP";

impl Stream {
    /// `forwarded`: requests go to a proxy as they are, so they name their whole URL.
    pub(crate) fn plain(tcp: TcpStream, forwarded: bool) -> Self {
        Self::of(Io::Plain(Sniffed::new(tcp)), forwarded)
    }

    pub(crate) fn tls(tls: TlsStream<Sniffed<TcpStream>>, ours: Ours) -> Self {
        Self::of(Io::Tls(Box::new(Secured { tls, ours, heard: false })), false)
    }

    fn of(io: Io, forwarded: bool) -> Self {
        Self { io, forwarded, in_a_row: 0, failed: None, held: None, ended: false }
    }

    /// Returns the certificate of the other side, if there is one that can be read.
    pub(crate) fn certificate(&self) -> Option<PeerCertificate> {
        let Io::Tls(secured) = &self.io else { return None };
        let chain = secured.tls.get_ref().1.peer_certificates();
        PeerCertificate::read(chain?.first()?)
    }

    /// Returns whether the server asked for a certificate of ours.
    pub(crate) fn asked_who_we_are(&self) -> bool {
        matches!(&self.io, Io::Tls(secured) if secured.ours.asked)
    }

    /// Runs a write, and finds the reason when it fails.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Io, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let error = match self.failed.take() {
            Some(error) => error,
            None => match write(&mut self.io, cx) {
                Poll::Ready(Err(error)) => error,
                polled => return polled,
            },
        };
        let closed = matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
        );
        if !closed || self.ended || self.held.is_some() || self.io.has_heard() {
            return Poll::Ready(Err(error));
        }
        let mut scratch = [0; 1];
        let mut buf = ReadBuf::new(&mut scratch);
        match self.io.poll_read(cx, &mut buf) {
            // The other side has closed, so there is something to be read in a moment.
            Poll::Pending => {
                self.failed = Some(error);
                Poll::Pending
            }
            Poll::Ready(Err(reason)) if is_reason(&reason) => Poll::Ready(Err(reason)),
            Poll::Ready(_) => {
                self.held = buf.filled().first().copied();
                Poll::Ready(Err(error))
            }
        }
    }
}

fn is_reason(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Refused>() || inner.is::<TlsCame>())
}

impl Io {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => {
                let polled = Pin::new(&mut *tcp).poll_read(cx, buf);
                if tcp.first().is_tls() {
                    let kind = io::ErrorKind::InvalidData;
                    return Poll::Ready(Err(io::Error::new(kind, TlsCame)));
                }
                polled
            }
            Self::Tls(secured) => secured.poll_read(cx, buf),
        }
    }

    fn has_heard(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.first() != First::default(),
            Self::Tls(secured) => secured.heard,
        }
    }
}

impl Secured {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.tls).poll_read(cx, buf) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.judge(error))),
            polled => {
                self.heard |= buf.filled().len() > before;
                polled
            }
        }
    }

    /// Once the server has said anything, it has taken our certificate, and an alert is only the end of a
    /// connection that may have carried a request.
    fn judge(&self, error: io::Error) -> io::Error {
        match of_late_alert(&error, self.ours) {
            // No socket gives this kind for a read or a write. h2 keeps kind and text.
            Some(refusal) if !self.heard => {
                io::Error::new(io::ErrorKind::PermissionDenied, Refused(refusal))
            }
            Some(_) => io::Error::new(io::ErrorKind::ConnectionAborted, "the server ended it"),
            None => error,
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.forwarded);
        match &self.io {
            Io::Tls(secured) if secured.tls.get_ref().1.alpn_protocol() == Some(b"h2") => {
                connected.negotiated_h2()
            }
            _ => connected,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() > 0
            && let Some(byte) = self.held.take()
        {
            buf.put_slice(&[byte]);
            return Poll::Ready(Ok(()));
        }
        // hyper and h2 go on reading, and parsing, for as long as there is something. From a server that
        // floods us, that is a matter of seconds, in which no other task and no timer gets its turn.
        if self.in_a_row >= TURN {
            self.in_a_row = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = self.io.poll_read(cx, buf);
        match polled {
            Poll::Ready(_) => self.in_a_row += buf.filled().len() - before,
            Poll::Pending => self.in_a_row = 0,
        }
        polled
    }
}

/// After so many bytes in a row, the others get a turn.
const TURN: usize = 64 << 10;

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written(cx, |io, cx| match io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Io::Tls(secured) => Pin::new(&mut secured.tls).poll_write(cx, buf),
        })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.written(cx, |io, cx| match io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Io::Tls(secured) => Pin::new(&mut secured.tls).poll_write_vectored(cx, bufs),
        })
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(tcp) => tcp.is_write_vectored(),
            Io::Tls(secured) => secured.tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.written(cx, |io, cx| match io {
            Io::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Tls(secured) => Pin::new(&mut secured.tls).poll_flush(cx),
        })
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ended = true;
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Tls(secured) => Pin::new(&mut secured.tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_flood_gives_way_and_goes_on() {
        const FLOOD: usize = 4 * TURN;
        const STEP: usize = 8 << 10;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        tokio::spawn(async move { far.write_all(&vec![0; FLOOD]).await });
        let mut stream = Stream::plain(near, false);
        let (mut all, mut in_a_row, mut turns) = (0, 0, 0);
        while all < FLOOD {
            let mut bytes = [0; STEP];
            let mut buf = ReadBuf::new(&mut bytes);
            let woken = Arc::new(Count::default());
            let waker = Waker::from(Arc::clone(&woken));
            let polled =
                Pin::new(&mut stream).poll_read(&mut Context::from_waker(&waker), &mut buf);
            if polled.is_ready() {
                let read = buf.filled().len();
                assert!(read > 0, "the other side has closed");
                all += read;
                in_a_row += read;
                assert!(in_a_row < TURN + STEP, "{in_a_row} without a pause");
            } else {
                // Nothing there, or a turn for the others: then it is woken already.
                turns += woken.0.load(Ordering::Relaxed);
                in_a_row = 0;
                // The server's turn, and for us another budget of tokio's.
                tokio::task::yield_now().await;
            }
        }
        assert!(turns > 0);
    }
}
