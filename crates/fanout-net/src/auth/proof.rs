//! What proves who we are on one attempt: headers and query pairs.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanout::{Error, ErrorKind};
use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

/// What proves who we are on one attempt: headers, over gRPC metadata, and pairs of the query.
///
/// `Debug` shows names and no values. The values are marked as sensitive, so that no compression table of
/// HTTP/2 keeps them, and what an answer repeats of them is taken out of errors.
#[derive(Clone, Default)]
pub struct Proof {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) query: Vec<(String, Zeroizing<String>)>,
    pub(super) secrets: Vec<Zeroizing<String>>,
    version: u64,
}

/// Where a proof goes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A header, over gRPC metadata, of this name in lower case.
    Header(String),
    /// A pair of the query with this name.
    Query(String),
}

impl Proof {
    /// Makes a proof of nothing, to add to.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the proof `Authorization: Bearer <token>`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the token is empty or has other characters than visible ASCII.
    ///
    /// # Standards
    ///
    /// RFC 6750 section 2.1.
    pub fn bearer(token: &str) -> Result<Self, Error> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(
                ErrorKind::Build,
                "a bearer token is made of visible ASCII characters, and this is not",
            ));
        }
        let value = Zeroizing::new(format!("Bearer {token}"));
        Ok(Self::new().with_header("authorization", &value)?.hiding(token))
    }

    /// Makes the proof `Authorization: Basic <user:password, as UTF-8, in base64>`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the user name has a colon, or either has control characters.
    ///
    /// # Standards
    ///
    /// RFC 7617 section 2.
    pub fn basic(user: &str, password: &str) -> Result<Self, Error> {
        if user.contains(':') {
            return Err(Error::new(
                ErrorKind::Build,
                "the user name of basic credentials cannot have a colon",
            ));
        }
        if user.chars().chain(password.chars()).any(char::is_control) {
            return Err(Error::new(
                ErrorKind::Build,
                "basic credentials cannot have control characters",
            ));
        }
        let pair = Zeroizing::new(format!("{user}:{password}"));
        let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        let value = Zeroizing::new(format!("Basic {}", *encoded));
        let proof = Self::new().with_header("authorization", &value)?;
        Ok(proof.hiding(password).hiding(&encoded))
    }

    /// Adds a header, over gRPC metadata.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the name is none, or the value is empty or has control characters.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let name = header_name(name)?;
        let bad = |why: &'static str| {
            Error::new(ErrorKind::Build, why).with_context("header", name.as_str())
        };
        if value.is_empty() {
            return Err(bad("the credential is empty"));
        }
        let mut sensitive = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| bad("the credential has a line break or another control character"))?;
        sensitive.set_sensitive(true);
        self.headers.push((name, sensitive));
        Ok(self.hiding(value))
    }

    /// Adds a pair to the query of the URL, percent-encoded. Over gRPC there is none, and a send with one
    /// fails as [`ErrorKind::Build`].
    #[must_use]
    pub fn with_query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), Zeroizing::new(value.to_owned())));
        self.hiding(value)
    }

    /// Adds a text that is to be taken out of errors as the values of this proof are: a secret that is
    /// only part of one, or that one was made of.
    #[must_use]
    pub fn hiding(mut self, secret: &str) -> Self {
        self.secrets.push(Zeroizing::new(secret.to_owned()));
        self
    }

    /// Sets which of the credentials' proofs this is, for [`refused`](super::Credentials::refused).
    /// Default: 0.
    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// Returns which of the credentials' proofs this is.
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Place {
    /// Names a header; the name may be in any case.
    pub fn header(name: impl AsRef<str>) -> Self {
        Self::Header(name.as_ref().to_ascii_lowercase())
    }

    /// Names a pair of the query.
    pub fn query(name: impl Into<String>) -> Self {
        Self::Query(name.into())
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof")
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("query", &self.query.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

pub(super) fn header_name(name: &str) -> Result<HeaderName, Error> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        let shown: String = name.chars().take(64).flat_map(char::escape_default).collect();
        Error::new(ErrorKind::Build, "this is no valid header name").with_context("header", shown)
    })
}
