//! What can be wrong with a key, with signing, with what arrived. No text ever shows a key.

use std::error::Error;
use std::fmt;

/// A key that cannot be used. It says why, and never shows the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError {
    kind: KeyErrorKind,
}

/// Why a key cannot be used.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyErrorKind {
    /// There is no key in what was given.
    Missing,
    /// It begins with none of `whsec_`, `whsk_` and `whpk_`.
    Form,
    /// What follows is no base64.
    Encoding,
    /// It is too short or too long.
    Length,
    /// It is no sound key of Ed25519: the two halves do not belong together, or the public key is no point of
    /// the curve that anybody could have a private key for.
    Unsound,
    /// A public key was given to sign with.
    CannotSign,
    /// A private key was given to verify with, which only the sender should know.
    CannotVerify,
    /// It is a key of Ed25519, and the feature `ed25519` is off.
    Unsupported,
}

/// A message that was not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignError {
    kind: SignErrorKind,
}

/// Why a message was not signed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignErrorKind {
    /// The id is empty, or has a full stop or something else than visible ASCII in it.
    Id,
    /// The clock says that it is before 1970.
    Clock,
}

/// A webhook that must not be believed.
///
/// It says what was wrong, which is for the receiver's log; it never shows a signature, nor tells which key
/// was near. To the sender say no more than a status: 400 or 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyError {
    kind: VerifyErrorKind,
    header: Option<&'static str>,
}

/// Why a webhook must not be believed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerifyErrorKind {
    /// One of the three headers is not there, or empty.
    MissingHeader,
    /// One of the three headers is there twice, so another reader might see another value.
    DuplicateHeader,
    /// The id has a full stop or a control character in it, or is no UTF-8.
    MalformedId,
    /// The timestamp is something else than whole seconds since 1970.
    MalformedTimestamp,
    /// The timestamp is longer ago than the tolerance: perhaps an old message that somebody sends again.
    TooOld,
    /// The timestamp is further in the future than the tolerance: one of the two clocks is wrong.
    TooNew,
    /// No signature fits any of the keys. The message was changed or is not from the sender, or the body was
    /// parsed and written again before it came here.
    NoMatch,
}

impl KeyError {
    pub(crate) fn new(kind: KeyErrorKind) -> Self {
        Self { kind }
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> KeyErrorKind {
        self.kind
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            KeyErrorKind::Missing => "there is no webhook key",
            KeyErrorKind::Form => {
                "a webhook key begins with whsec_, whsk_ or whpk_, and base64 follows"
            }
            KeyErrorKind::Encoding => "what follows the prefix of the webhook key is no base64",
            KeyErrorKind::Length => {
                "the webhook key has a wrong length: whsec_ holds 24 to 64 bytes, \
                 whsk_ 32 or 64, whpk_ 32"
            }
            KeyErrorKind::Unsound => "the webhook key is no sound key of Ed25519",
            KeyErrorKind::CannotSign => "a public webhook key (whpk_) cannot sign",
            KeyErrorKind::CannotVerify => {
                "a private webhook key (whsk_) is for the sender: verify with its public key (whpk_)"
            }
            KeyErrorKind::Unsupported => "keys of Ed25519 need the feature `ed25519`",
        })
    }
}

impl Error for KeyError {}

impl SignError {
    pub(crate) fn new(kind: SignErrorKind) -> Self {
        Self { kind }
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> SignErrorKind {
        self.kind
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            SignErrorKind::Id => "the id of a webhook is visible ASCII without a full stop",
            SignErrorKind::Clock => "the clock says that it is before 1970",
        })
    }
}

impl Error for SignError {}

impl VerifyError {
    pub(crate) fn new(kind: VerifyErrorKind) -> Self {
        Self { kind, header: None }
    }

    pub(crate) fn of(kind: VerifyErrorKind, header: &'static str) -> Self {
        Self { kind, header: Some(header) }
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> VerifyErrorKind {
        self.kind
    }

    /// Returns the name of the header that is missing, there twice, or malformed.
    pub fn header(&self) -> Option<&'static str> {
        self.header
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            VerifyErrorKind::MissingHeader => "a header of the webhook is missing",
            VerifyErrorKind::DuplicateHeader => "a header of the webhook is there twice",
            VerifyErrorKind::MalformedId => "the id of the webhook is malformed",
            VerifyErrorKind::MalformedTimestamp => "the timestamp of the webhook is malformed",
            VerifyErrorKind::TooOld => "the timestamp of the webhook is too old",
            VerifyErrorKind::TooNew => "the timestamp of the webhook is too far in the future",
            VerifyErrorKind::NoMatch => "no signature of the webhook fits",
        })?;
        self.header.map_or(Ok(()), |header| write!(f, ": {header}"))
    }
}

impl Error for VerifyError {}
