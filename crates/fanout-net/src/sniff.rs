//! What the other side says first: enough to know which language it speaks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The first bytes that came, as far as they came together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct First {
    bytes: [u8; 5],
    len: usize,
}

impl First {
    fn of(bytes: &[u8]) -> Self {
        let mut first = Self { len: bytes.len().min(5), ..Self::default() };
        first.bytes[..first.len].copy_from_slice(&bytes[..first.len]);
        first
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Whether it is a record with an alert or of a handshake (RFC 8446 section 5.1). No HTTP begins so.
    pub(crate) fn is_tls(self) -> bool {
        matches!(self.bytes(), [21 | 22, 3, 0..=4, ..])
    }

    /// Whether it is the status line of HTTP/1 or the settings of HTTP/2 (RFC 9113 section 3.4).
    pub(crate) fn is_http(self) -> bool {
        self.bytes() == b"HTTP/" || matches!(self.bytes(), [0, 0, _, 4, _])
    }
}

/// A connection that remembers what came first.
#[derive(Debug)]
pub(crate) struct Sniffed<T> {
    io: T,
    first: First,
}

impl<T> Sniffed<T> {
    pub(crate) fn new(io: T) -> Self {
        Self { io, first: First::default() }
    }

    /// What came first; nothing before anything came.
    pub(crate) fn first(&self) -> First {
        self.first
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Sniffed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if self.first.len == 0 {
            self.first = First::of(&buf.filled()[before..]);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Sniffed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_apart() {
        let check = |bytes: &[u8], tls, http| {
            let first = First::of(bytes);
            assert_eq!((first.is_tls(), first.is_http()), (tls, http), "{bytes:?}");
        };
        check(&[21, 3, 1, 0, 2, 2, 70], true, false);
        check(&[22, 3, 3, 1, 0], true, false);
        check(&[21, 3, 3], true, false);
        check(&[23, 3, 3, 1, 0], false, false);
        check(&[21, 2, 0, 0, 0], false, false);
        check(b"HTTP/1.1 400 Bad Request", false, true);
        check(&[0, 0, 18, 4, 0, 0, 0, 0, 0], false, true);
        check(b"SSH-2.0-x", false, false);
        check(b"HTT", false, false);
        check(b"", false, false);
    }
}
