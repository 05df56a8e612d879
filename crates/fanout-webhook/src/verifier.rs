//! The receiver's side.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use subtle::{Choice, ConstantTimeEq as _};

use crate::content::{Content, ID, SIGNATURE, TIMESTAMP, is_id, seconds};
#[cfg(feature = "ed25519")]
use crate::key::fits;
use crate::key::{SigningKey, VerifyingKey, signature};
use crate::source::Source;
use crate::{KeyError, Keys, VerifyError, VerifyErrorKind};

/// Verifies webhooks with one key or several.
///
/// Cheap to clone. `Debug` shows how many keys there are and no more.
///
/// # Examples
///
/// The headers are any pairs of name and value: those of axum, hyper and every other framework on the crate
/// `http` as they are, and of others whatever they iterate over.
///
/// ```
/// use std::collections::HashMap;
///
/// use fanout_webhook::{Verifier, VerifyError};
///
/// # const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// // axum, hyper, tonic, warp, lambda_http: give `&headers`, and take the body as `Bytes`.
/// fn with_http(v: &Verifier, headers: &http::HeaderMap, body: &[u8]) -> Result<(), VerifyError> {
///     v.verify(headers, body).map(|_| ())
/// }
///
/// // Events of functions: a map of strings.
/// fn with_map(v: &Verifier, headers: &HashMap<String, String>, body: &str) -> Result<(), VerifyError> {
///     v.verify(headers, body.as_bytes()).map(|_| ())
/// }
///
/// // Whoever has found the three values already.
/// fn with_values(v: &Verifier, id: &str, time: &str, signature: &str) -> Result<(), VerifyError> {
///     let headers = [
///         (fanout_webhook::ID, id),
///         (fanout_webhook::TIMESTAMP, time),
///         (fanout_webhook::SIGNATURE, signature),
///     ];
///     v.verify(headers, b"{}").map(|_| ())
/// }
/// # let signed = fanout_webhook::Signer::new(SECRET)?.sign("msg_1", b"{}")?;
/// # let verifier = Verifier::new(SECRET)?;
/// # let map = signed.pairs().map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter().collect();
/// # with_map(&verifier, &map, "{}")?;
/// # let mut headers = http::HeaderMap::new();
/// # for (name, value) in signed.pairs() { headers.insert(name, value.parse()?); }
/// # with_http(&verifier, &headers, b"{}")?;
/// # with_values(&verifier, signed.id(), signed.timestamp(), signed.signature())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Verifier {
    sources: Vec<Source<VerifyingKey>>,
    tolerance: Duration,
}

/// What a verified webhook says of itself: enough to know it again.
///
/// A sender that got no answer sends again, under the same id; and whoever saw a message can send it again
/// within the tolerance. So keep each id for twice the tolerance at least, and answer one that is known
/// with success and do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    id: String,
    time: SystemTime,
}

impl Verifier {
    /// Makes a verifier that accepts what is signed with any of these keys: `whsec_…` or `whpk_…`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when one of them cannot be used, or there is none.
    pub fn new(keys: impl Into<Keys>) -> Result<Self, KeyError> {
        Self { sources: Vec::new(), tolerance: TOLERANCE }.key(keys)
    }

    /// Accepts further keys.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when one of them cannot be used, or there is none.
    pub fn key(mut self, keys: impl Into<Keys>) -> Result<Self, KeyError> {
        self.sources.push(Source::new(&keys.into(), VerifyingKey::parse)?);
        Ok(self)
    }

    /// Sets how far the timestamp may be from now, in the past and in the future, in whole seconds, inclusive.
    /// Default: 5 minutes.
    ///
    /// It bounds how long a message that somebody has seen can be sent again, and how wrong the clocks may be.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Verifies a webhook that came just now: `headers` are all headers of the request, or the three at least,
    /// and `body` its very bytes.
    ///
    /// The bytes are those that arrived, before anything parsed them; JSON that was read and written again is
    /// another text. Names are compared without regard to case, and other headers passed over.
    ///
    /// # Behavior
    ///
    /// - One signature that fits one key is enough. Versions that are not known are passed over, as are
    ///   signatures after the first 32.
    /// - Each of the three headers must be there once.
    /// - It takes the same time whichever key fits, and wherever a wrong signature differs from the right
    ///   one.
    ///
    /// # Errors
    ///
    /// [`VerifyError`]; its kind says what is wrong. Whatever it is, the message must not be acted on.
    ///
    /// # Standards
    ///
    /// Standard Webhooks 1.0.0, "Verifying signatures".
    pub fn verify<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        headers: impl IntoIterator<Item = (N, V)>,
        body: &[u8],
    ) -> Result<Verified, VerifyError> {
        self.verify_at(headers, body, SystemTime::now())
    }

    /// Verifies as [`verify`](Self::verify) does, as if it were `now`.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn verify_at<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        headers: impl IntoIterator<Item = (N, V)>,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Verified, VerifyError> {
        let [id, timestamp, signatures] = values(headers)?;
        let malformed_id = || VerifyError::of(VerifyErrorKind::MalformedId, ID);
        let id = String::from_utf8(id).map_err(|_| malformed_id())?;
        if !is_id(&id) {
            return Err(malformed_id());
        }
        let timestamp = String::from_utf8(timestamp).unwrap_or_default();
        let malformed = || VerifyError::of(VerifyErrorKind::MalformedTimestamp, TIMESTAMP);
        let sent = seconds(&timestamp).ok_or_else(malformed)?;
        // What no clock can tell is no time either.
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(sent)).ok_or_else(malformed)?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let tolerance = self.tolerance.as_secs();
        if now.saturating_sub(sent) > tolerance {
            return Err(VerifyError::new(VerifyErrorKind::TooOld));
        }
        if sent.saturating_sub(now) > tolerance {
            return Err(VerifyError::new(VerifyErrorKind::TooNew));
        }

        let content = Content { id: &id, timestamp: &timestamp, payload: body };
        let candidates = Candidates::read(&signatures);
        let mut fits = Choice::from(0);
        for source in &self.sources {
            // All of them, though one may have matched already: the time it takes does not tell which.
            for key in source.keys().iter() {
                fits |= candidates.fit(key, content);
            }
        }
        if bool::from(fits) {
            Ok(Verified { id, time })
        } else {
            Err(VerifyError::new(VerifyErrorKind::NoMatch))
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.sources.iter().map(Source::keys);
        let versions: Vec<_> = keys
            .flat_map(|keys| keys.iter().map(VerifyingKey::version).collect::<Vec<_>>())
            .collect();
        f.debug_struct("Verifier")
            .field("signatures", &versions)
            .field("tolerance", &self.tolerance)
            .finish_non_exhaustive()
    }
}

impl Verified {
    /// Returns the id: the same on every attempt to deliver this message.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the time of this attempt, to the second, by the clock of the sender.
    pub fn time(&self) -> SystemTime {
        self.time
    }
}

/// Finds the values of the three headers.
fn values<N: AsRef<str>, V: AsRef<[u8]>>(
    headers: impl IntoIterator<Item = (N, V)>,
) -> Result<[Vec<u8>; 3], VerifyError> {
    let mut found = [const { None }; 3];
    for (name, value) in headers {
        let position = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name.as_ref()));
        let Some(position) = position else { continue };
        if found[position].replace(value.as_ref().to_vec()).is_some() {
            return Err(VerifyError::of(VerifyErrorKind::DuplicateHeader, NAMES[position]));
        }
    }
    for (value, name) in found.iter().zip(NAMES) {
        if value.as_ref().is_none_or(Vec::is_empty) {
            return Err(VerifyError::of(VerifyErrorKind::MissingHeader, name));
        }
    }
    Ok(found.map(Option::unwrap_or_default))
}

/// The signatures of a webhook that may fit.
#[derive(Default)]
struct Candidates {
    v1: Vec<[u8; 32]>,
    #[cfg(feature = "ed25519")]
    v1a: Vec<[u8; 64]>,
}

impl Candidates {
    /// Reads the header. What is no signature of a known version is passed over: it may be one of tomorrow.
    fn read(header: &[u8]) -> Self {
        let mut found = Self::default();
        let header = std::str::from_utf8(header).unwrap_or_default();
        for one in header.split(' ').filter(|one| !one.is_empty()).take(MOST) {
            match one.split_once(',') {
                Some((SigningKey::V1, text)) => found.v1.extend(signature(text)),
                #[cfg(feature = "ed25519")]
                Some((SigningKey::V1A, text)) => found.v1a.extend(signature(text)),
                _ => {}
            }
        }
        found
    }

    fn fit(&self, key: &VerifyingKey, content: Content<'_>) -> Choice {
        match key {
            VerifyingKey::Hmac(secret) => {
                let tag = secret.tag(content);
                self.v1.iter().fold(Choice::from(0), |fits, given| fits | tag.ct_eq(given))
            }
            // Nothing here is secret: the key is public, and so is the signature.
            #[cfg(feature = "ed25519")]
            VerifyingKey::Ed25519(key) => {
                Choice::from(u8::from(self.v1a.iter().any(|given| fits(key, content, given))))
            }
        }
    }
}

const NAMES: [&str; 3] = [ID, TIMESTAMP, SIGNATURE];

/// As the libraries of the specification have it.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// How many signatures are looked at: more than anybody has keys in rotation, and few enough that a stranger
/// cannot make checking them costly.
const MOST: usize = 32;
