//! What is sent: an id, the exact bytes, and metadata. Cheap to clone.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use crate::{Error, ErrorKind};

/// One message: what every sink of a fan-out is offered.
///
/// The payload is kept as the exact bytes that were given; it is never encoded again and never copied
/// for a sink. A clone shares the payload and the metadata.
///
/// `Debug` shows sizes and names, never payload bytes or metadata values.
///
/// # Examples
///
/// ```
/// use fanout::Message;
///
/// let order = Message::json(&serde_json::json!({ "order": 17 }))?.with_metadata("x-tenant", "blue");
/// assert_eq!(order.payload().as_ref(), br#"{"order":17}"#);
/// assert_eq!(order.content_type(), Some("application/json"));
/// # Ok::<(), fanout::Error>(())
/// ```
#[derive(Clone)]
pub struct Message {
    id: MessageId,
    payload: Bytes,
    content_type: Option<Text>,
    metadata: Metadata,
}

/// The identity of a message: a UUID, version 7 unless it was given.
///
/// Idempotency keys derive from it, so a message that is sent again under the same id gives every
/// sink the same key as before.
///
/// # Standards
///
/// RFC 9562 section 5.7.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Uuid);

/// The value that lets a receiver drop a duplicate: one UUID for a message and a sink.
///
/// It derives from the message id and the names of the sinks on the way, without randomness, so every
/// attempt and every later resend of the same message to the same sink carries the same key, and no
/// two sinks share one.
///
/// # Standards
///
/// RFC 9562 section 5.8 (version 8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Uuid);

/// Ordered pairs of name and value, which transports carry as headers or as gRPC metadata.
///
/// Names may repeat. Transports check what their protocol allows when they build a request, and refuse
/// the rest as [`ErrorKind::Build`]. A clone shares the pairs. `Debug` shows names only: a value may be
/// a credential.
#[derive(Clone, Default)]
pub struct Metadata(Option<Arc<Vec<(Text, Text)>>>);

/// A string that is free to clone.
#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Message {
    /// Makes a message of raw bytes, without a content type, under a new id.
    pub fn bytes(payload: impl Into<Bytes>) -> Self {
        Self {
            id: MessageId::new(),
            payload: payload.into(),
            content_type: None,
            metadata: Metadata::default(),
        }
    }

    /// Makes a message of UTF-8 text (`text/plain; charset=utf-8`) under a new id.
    pub fn text(payload: impl Into<String>) -> Self {
        let mut message = Self::bytes(payload.into());
        message.content_type = Some(Text::Static("text/plain; charset=utf-8"));
        message
    }

    /// Makes a message of `value` as JSON (`application/json`) under a new id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the value cannot be written as JSON: a map with keys that are not
    /// strings, or a `Serialize` implementation that fails.
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        let payload = serde_json::to_vec(value).map_err(|error| {
            Error::new(ErrorKind::Build, "the value cannot be written as JSON").with_source(error)
        })?;
        Ok(Self::bytes(payload).with_content_type(JSON))
    }

    /// Sets the id: for a message that was sent before, or whose identity comes from elsewhere.
    #[must_use]
    pub fn with_id(mut self, id: MessageId) -> Self {
        self.id = id;
        self
    }

    /// Sets the content type, as a media type: `application/json`.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl AsRef<str>) -> Self {
        self.content_type = Some(match content_type.as_ref() {
            JSON => Text::Static(JSON),
            other => Text::from(other),
        });
        self
    }

    /// Adds a pair to the metadata, after those that are there.
    #[must_use]
    pub fn with_metadata(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.metadata.push(name, value);
        self
    }

    /// Returns the id.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Returns the payload: the exact bytes, shared.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Returns the content type, if one was set.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_ref().map(Text::as_str)
    }

    /// Returns the metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl From<&Self> for Message {
    fn from(message: &Self) -> Self {
        message.clone()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("content_type", &self.content_type())
            .field("metadata", &self.metadata)
            .finish()
    }
}

impl MessageId {
    /// Makes a new id from the time and randomness (UUID version 7).
    #[expect(clippy::new_without_default, reason = "two calls give two ids; a default should not")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Makes the id of these 128 bits, as they are.
    pub fn from_u128(id: u128) -> Self {
        Self(Uuid::from_u128(id))
    }

    /// Returns the 128 bits of the id.
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
    }
}

impl FromStr for MessageId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Uuid::parse_str(text).map(Self).map_err(|error| {
            Error::new(ErrorKind::Build, "a message id must be a UUID").with_source(error)
        })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({})", self.0)
    }
}

impl IdempotencyKey {
    /// Derives the key of the sink `name` below `namespace`: the message's id, or the key of the sink
    /// that this one is nested in.
    pub(crate) fn derive(namespace: u128, name: &str) -> Self {
        let hash = Uuid::new_v5(&Uuid::from_u128(namespace), name.as_bytes());
        // Version 8, "vendor-specific" (RFC 9562 section 5.8): a version 5 would claim that the
        // namespace is a registered one, and readers could mistake it for a name-based id of theirs.
        Self(Uuid::new_v8(hash.into_bytes()))
    }

    /// Returns the key as the `Idempotency-Key` field carries it: in double quotes.
    ///
    /// # Standards
    ///
    /// draft-ietf-httpapi-idempotency-key-header-07 section 2.1: a string of RFC 9651 section 3.3.3.
    pub fn to_field(self) -> String {
        format!("\"{}\"", self.0)
    }

    /// Returns the 128 bits of the key.
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({})", self.0)
    }
}

impl Metadata {
    pub(crate) const EMPTY: Self = Self(None);

    /// Adds a pair after those that are there.
    pub fn push(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) {
        let pairs = Arc::make_mut(self.0.get_or_insert_default());
        pairs.push((Text::from(name.as_ref()), Text::from(value.as_ref())));
    }

    /// Returns the first value under `name`; ASCII case makes no difference.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns the pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.as_deref().map_or(&[][..], Vec::as_slice);
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns how many pairs there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |pairs| pairs.len())
    }

    /// Returns true when there is no pair.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs: Vec<_> = pairs
            .into_iter()
            .map(|(name, value)| (Text::from(name.as_ref()), Text::from(value.as_ref())))
            .collect();
        Self((!pairs.is_empty()).then(|| Arc::new(pairs)))
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

impl Text {
    fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Shared(text.into())
    }
}

const JSON: &str = "application/json";
