//! The sender's side.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::content::{Content, ID, SIGNATURE, TIMESTAMP, is_id};
use crate::key::SigningKey;
use crate::source::Source;
use crate::{KeyError, Keys, SignError, SignErrorKind};

/// Signs webhooks with one key or several.
///
/// Cheap to clone; clones share the keys. `Debug` shows how many there are and no more.
///
/// # Examples
///
/// Two keys while one takes the place of the other: a receiver that knows either of them is content.
///
/// ```
/// use fanout_webhook::Signer;
///
/// let signer = Signer::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?
///     .key("whsec_bm90IHRoZSBvbGQgb25lLCBidXQgdGhlIG5ldyBvbmU=")?;
/// let signed = signer.sign("msg_17", b"hello")?;
/// assert_eq!(signed.signature().split(' ').count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Signer {
    sources: Vec<Source<SigningKey>>,
    clock: Option<Arc<dyn Fn() -> SystemTime + Send + Sync>>,
}

/// The three headers of a signed webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    id: String,
    timestamp: String,
    signature: String,
}

impl Signer {
    /// Makes a signer with these keys: `whsec_…` or `whsk_…`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when one of them cannot be used, or there is none.
    pub fn new(keys: impl Into<Keys>) -> Result<Self, KeyError> {
        Self { sources: Vec::new(), clock: None }.key(keys)
    }

    /// Adds further keys: their signatures come after those of the first.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when one of them cannot be used, or there is none.
    pub fn key(mut self, keys: impl Into<Keys>) -> Result<Self, KeyError> {
        self.sources.push(Source::new(&keys.into(), SigningKey::parse)?);
        Ok(self)
    }

    /// Takes the time of [`sign`](Self::sign) from `clock`, which tests turn by hand. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Signs `payload`, the very bytes that will be the body, under `id` and the time of now.
    ///
    /// Give every attempt to deliver a message the same id, and sign again for each: receivers refuse what is
    /// older than some minutes.
    ///
    /// # Errors
    ///
    /// As [`sign_at`](Self::sign_at).
    pub fn sign(&self, id: &str, payload: &[u8]) -> Result<Signed, SignError> {
        let now = self.clock.as_ref().map_or_else(SystemTime::now, |clock| clock());
        self.sign_at(id, payload, now)
    }

    /// Signs as [`sign`](Self::sign) does, as if it were `now`. The time is cut to whole seconds.
    ///
    /// # Errors
    ///
    /// [`SignErrorKind::Id`] when the id is empty or has a full stop, a space or anything else in it than
    /// visible ASCII; [`SignErrorKind::Clock`] when `now` is before 1970.
    ///
    /// # Standards
    ///
    /// Standard Webhooks 1.0.0, "Signature scheme": an id with a full stop would let a part of it pass for the
    /// time.
    pub fn sign_at(&self, id: &str, payload: &[u8], now: SystemTime) -> Result<Signed, SignError> {
        if !is_id(id) || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SignError::new(SignErrorKind::Id));
        }
        let since = now.duration_since(UNIX_EPOCH);
        let since = since.map_err(|_| SignError::new(SignErrorKind::Clock))?;
        let timestamp = since.as_secs().to_string();
        let content = Content { id, timestamp: &timestamp, payload };
        let mut signatures = Vec::new();
        self.each(|key| signatures.push(key.sign(content)));
        Ok(Signed { id: id.to_owned(), timestamp, signature: signatures.join(" ") })
    }

    /// Returns the public keys (`whpk_…`) of its private ones, which receivers verify with. Secrets that are
    /// shared have none. Needs the feature `ed25519`.
    #[cfg(feature = "ed25519")]
    pub fn public_keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        self.each(|key| keys.extend(key.public()));
        keys
    }

    fn each(&self, mut then: impl FnMut(&SigningKey)) {
        for source in &self.sources {
            source.keys().iter().for_each(&mut then);
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut versions = Vec::new();
        self.each(|key| versions.push(key.version()));
        f.debug_struct("Signer").field("signatures", &versions).finish_non_exhaustive()
    }
}

impl Signed {
    /// Returns the value of `webhook-id`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the value of `webhook-timestamp`: seconds since 1970.
    pub fn timestamp(&self) -> &str {
        &self.timestamp
    }

    /// Returns the value of `webhook-signature`.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// Returns the headers as pairs of name and value.
    pub fn pairs(&self) -> [(&'static str, &str); 3] {
        [(ID, &self.id), (TIMESTAMP, &self.timestamp), (SIGNATURE, &self.signature)]
    }
}
