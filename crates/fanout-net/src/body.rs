//! Bodies: the outgoing one, which passes the gate, and the incoming one, with classified errors.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use fanout::{Attempt, Error};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::BoxError;
use crate::classify;
use crate::event::{self, Place};
use crate::gate::Gate;

/// The body of a request, and the attempt on whose behalf it leaves.
///
/// With an [`Attempt`], the effect [`Maybe`](fanout::Effect::Maybe) is put on record right before the
/// first byte of the request is written, and not earlier: while the connection is being made, a
/// dropped send is known to have had no effect. If the send is dropped first, the request stays
/// incomplete.
///
/// A request without a body has no such last moment that could still be refused, so there the effect
/// counts as `Maybe` as soon as the request is handed to an open connection.
///
/// The transport says [`Effect::None`](fanout::Effect::None) to the attempt on entry.
#[derive(Default)]
pub struct OutBody {
    content: Content,
    attempt: Option<Attempt>,
}

#[derive(Default)]
enum Content {
    #[default]
    Empty,
    Whole(Bytes),
    Stream(UnsyncBoxBody<Bytes, BoxError>),
}

impl OutBody {
    /// Makes a request without a body.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Makes a body of these bytes, which are not copied. No bytes is the same as [`empty`](Self::empty).
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let content = if bytes.is_empty() { Content::Empty } else { Content::Whole(bytes) };
        Self { content, attempt: None }
    }

    /// Makes a body of another one, sent frame by frame.
    pub fn stream<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self { content: Content::Stream(body.map_err(Into::into).boxed_unsync()), attempt: None }
    }

    /// Sets the attempt that learns how far the request has come.
    #[must_use]
    pub fn with_attempt(mut self, attempt: Attempt) -> Self {
        self.attempt = Some(attempt);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.content, Content::Empty)
    }

    /// Puts the body behind a gate.
    pub(crate) fn gated(self) -> (GatedBody, Arc<Gate>) {
        let gate = Arc::new(Gate::new(self.attempt));
        (GatedBody { content: self.content, gate: Arc::clone(&gate) }, gate)
    }
}

impl From<Bytes> for OutBody {
    fn from(bytes: Bytes) -> Self {
        Self::whole(bytes)
    }
}

impl fmt::Debug for OutBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("OutBody");
        match &self.content {
            Content::Empty => debug.field("content", &"empty"),
            Content::Whole(bytes) => debug.field("content", &format_args!("{} bytes", bytes.len())),
            Content::Stream(_) => debug.field("content", &"stream"),
        };
        debug.field("attempt", &self.attempt).finish()
    }
}

/// What hyper is given: it asks the gate before it tells hyper anything.
///
/// hyper 1 asks `is_end_stream` (HTTP/1) or `size_hint` (HTTP/2) right after it took the request from
/// its queue and right before it writes the head, and neither at any other time before. So these
/// questions are the moment to decide. A closed gate makes the body one that ends in an error: the
/// head then announces content that never comes, and hyper drops the connection (HTTP/1, nothing is
/// flushed) or resets the stream (HTTP/2).
pub(crate) struct GatedBody {
    content: Content,
    gate: Arc<Gate>,
}

impl Body for GatedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !self.gate.open() {
            return Poll::Ready(Some(Err("the send was abandoned".into())));
        }
        match &mut self.content {
            Content::Empty => Poll::Ready(None),
            Content::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.content = Content::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Content::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        if !self.gate.open() {
            return false;
        }
        match &self.content {
            Content::Empty => true,
            Content::Whole(_) => false,
            Content::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        if !self.gate.open() {
            // Without a length, hyper would send a GET as if it had no body, that is: whole.
            return SizeHint::with_exact(1);
        }
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream(body) => body.size_hint(),
        }
    }
}

/// The body of an answer. Its errors are classified.
///
/// Dropping it gives up the rest: on HTTP/1 the connection is closed, on HTTP/2 the stream is reset.
pub struct InBody {
    incoming: hyper::body::Incoming,
    place: Place,
}

impl InBody {
    pub(crate) fn new(incoming: hyper::body::Incoming, place: Place) -> Self {
        Self { incoming, place }
    }
}

impl Body for InBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.incoming).poll_frame(cx).map(|frame| {
            frame.map(|result| {
                result.map_err(|error| classify::error(event::of_answer(&error), &self.place))
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for InBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InBody").field("place", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
