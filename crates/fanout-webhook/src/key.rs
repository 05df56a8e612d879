//! Keys: read from their text, and what each can do.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
#[cfg(feature = "ed25519")]
use ed25519_dalek::{Signature, Signer as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::content::Content;
use crate::{KeyError, KeyErrorKind};

/// A key that signs.
#[derive(Clone)]
pub(crate) enum SigningKey {
    Hmac(Shared),
    #[cfg(feature = "ed25519")]
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

/// A key that verifies.
#[derive(Clone)]
pub(crate) enum VerifyingKey {
    Hmac(Shared),
    #[cfg(feature = "ed25519")]
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

/// A shared secret, as the state of the hash that has taken it in: the secret itself is not kept.
#[derive(Clone)]
pub(crate) struct Shared(Hmac<Sha256>);

impl Shared {
    fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes secrets of any length"))
    }

    pub(crate) fn tag(&self, content: Content<'_>) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in content.parts() {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl SigningKey {
    /// Reads one key.
    pub(crate) fn parse(text: &str) -> Result<Self, KeyError> {
        match Form::of(text)? {
            (Form::Shared, encoded) => shared(encoded).map(Self::Hmac),
            (Form::Public, _) => Err(KeyError::new(KeyErrorKind::CannotSign)),
            #[cfg(feature = "ed25519")]
            (Form::Private, encoded) => private(encoded).map(Self::Ed25519),
            #[cfg(not(feature = "ed25519"))]
            (Form::Private, _) => Err(KeyError::new(KeyErrorKind::Unsupported)),
        }
    }

    /// The version and the signature, as the header has them.
    pub(crate) fn sign(&self, content: Content<'_>) -> String {
        match self {
            Self::Hmac(secret) => format!("{},{}", Self::V1, BASE64.encode(secret.tag(content))),
            #[cfg(feature = "ed25519")]
            Self::Ed25519(key) => {
                let signature = key.sign(&content.parts().concat());
                format!("{},{}", Self::V1A, BASE64.encode(signature.to_bytes()))
            }
        }
    }

    /// The version of its signatures.
    pub(crate) fn version(&self) -> &'static str {
        match self {
            Self::Hmac(_) => Self::V1,
            #[cfg(feature = "ed25519")]
            Self::Ed25519(_) => Self::V1A,
        }
    }

    /// The public key that belongs to it, if it has one.
    #[cfg(feature = "ed25519")]
    pub(crate) fn public(&self) -> Option<String> {
        match self {
            Self::Hmac(_) => None,
            Self::Ed25519(key) => {
                Some(format!("{PUBLIC}{}", BASE64.encode(key.verifying_key().as_bytes())))
            }
        }
    }

    /// HMAC-SHA256.
    pub(crate) const V1: &str = "v1";
    /// Ed25519.
    #[cfg(feature = "ed25519")]
    pub(crate) const V1A: &str = "v1a";
}

impl VerifyingKey {
    /// Reads one key.
    pub(crate) fn parse(text: &str) -> Result<Self, KeyError> {
        match Form::of(text)? {
            (Form::Shared, encoded) => shared(encoded).map(Self::Hmac),
            (Form::Private, _) => Err(KeyError::new(KeyErrorKind::CannotVerify)),
            #[cfg(feature = "ed25519")]
            (Form::Public, encoded) => public(encoded).map(Self::Ed25519),
            #[cfg(not(feature = "ed25519"))]
            (Form::Public, _) => Err(KeyError::new(KeyErrorKind::Unsupported)),
        }
    }

    /// The version of the signatures that it can judge.
    pub(crate) fn version(&self) -> &'static str {
        match self {
            Self::Hmac(_) => SigningKey::V1,
            #[cfg(feature = "ed25519")]
            Self::Ed25519(_) => SigningKey::V1A,
        }
    }
}

/// Whether `signature` is one of `content` by `key`, which is not the private half of anything.
#[cfg(feature = "ed25519")]
pub(crate) fn fits(
    key: &ed25519_dalek::VerifyingKey,
    content: Content<'_>,
    signature: &[u8; 64],
) -> bool {
    // RFC 8032 section 8.4 and 8.9: the strict way takes no other spelling of a signature, and no key of
    // small order, under which one signature fits every message.
    let content = content.parts().concat();
    key.verify_strict(&content, &Signature::from_bytes(signature)).is_ok()
}

/// Reads a signature of `N` bytes: base64 with its padding, in its one spelling.
pub(crate) fn signature<const N: usize>(text: &str) -> Option<[u8; N]> {
    // No longer text could hold so few bytes, and this one is a stranger's.
    if text.len() > N.div_ceil(3) * 4 {
        return None;
    }
    BASE64.decode(text).ok()?.try_into().ok()
}

/// What a key says that it is.
enum Form {
    Shared,
    Private,
    Public,
}

impl Form {
    fn of(text: &str) -> Result<(Self, &str), KeyError> {
        [(SHARED, Self::Shared), (PRIVATE, Self::Private), (PUBLIC, Self::Public)]
            .into_iter()
            .find_map(|(prefix, form)| text.strip_prefix(prefix).map(|encoded| (form, encoded)))
            .ok_or_else(|| KeyError::new(KeyErrorKind::Form))
    }
}

fn shared(encoded: &str) -> Result<Shared, KeyError> {
    let secret = decode(encoded)?;
    if !(24..=64).contains(&secret.len()) {
        return Err(KeyError::new(KeyErrorKind::Length));
    }
    Ok(Shared::new(&secret))
}

#[cfg(feature = "ed25519")]
fn private(encoded: &str) -> Result<Box<ed25519_dalek::SigningKey>, KeyError> {
    let bytes = decode(encoded)?;
    if let Ok(seed) = bytes.as_slice().try_into() {
        return Ok(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)));
    }
    // The public key behind the seed is what libsodium, Svix and others call the secret key.
    let Ok(pair) = bytes.as_slice().try_into() else {
        return Err(KeyError::new(KeyErrorKind::Length));
    };
    ed25519_dalek::SigningKey::from_keypair_bytes(pair)
        .map(Box::new)
        .map_err(|_| KeyError::new(KeyErrorKind::Unsound))
}

#[cfg(feature = "ed25519")]
fn public(encoded: &str) -> Result<Box<ed25519_dalek::VerifyingKey>, KeyError> {
    let bytes = decode(encoded)?;
    let Ok(bytes) = bytes.as_slice().try_into() else {
        return Err(KeyError::new(KeyErrorKind::Length));
    };
    ed25519_dalek::VerifyingKey::from_bytes(bytes)
        .ok()
        .filter(|key| !key.is_weak())
        .map(Box::new)
        .ok_or_else(|| KeyError::new(KeyErrorKind::Unsound))
}

fn decode(encoded: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    // Twice what any key is, with room for the padding: what is longer is no key.
    if encoded.len() > 256 {
        return Err(KeyError::new(KeyErrorKind::Length));
    }
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(encoded.len())]);
    let length = LENIENT
        .decode_slice(encoded, &mut bytes)
        // The decoder's own error shows a character of the key and where it stands.
        .map_err(|_| KeyError::new(KeyErrorKind::Encoding))?;
    bytes.truncate(length);
    Ok(bytes)
}

const SHARED: &str = "whsec_";
const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";

const BASE64: GeneralPurpose = base64::engine::general_purpose::STANDARD;

/// Keys are copied by people, who lose the padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests;
