//! What can be told about TLS: whom to trust, what to show, which version, which name.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fanout::{Error, ErrorKind};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use zeroize::{Zeroize, Zeroizing};

/// A version of TLS. There is none older: RFC 8996 forbids them.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    #[default]
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

/// The settings, as they were given. Files are read by [`Checked::of`].
#[derive(Clone, Default)]
pub(crate) struct TlsSettings {
    pub(crate) roots: Option<Pem>,
    /// The chain, and the key.
    pub(crate) identity: Option<(Pem, Pem)>,
    pub(crate) min_version: TlsVersion,
    pub(crate) server_name: Option<String>,
}

/// Text in PEM, or the file that has it. It may be a key: erased when dropped, never shown.
#[derive(Clone)]
pub(crate) enum Pem {
    Text(Zeroizing<Vec<u8>>),
    File(PathBuf),
}

impl Pem {
    pub(crate) fn text(pem: &[u8]) -> Self {
        Self::Text(Zeroizing::new(pem.to_vec()))
    }

    pub(crate) fn file(path: &Path) -> Self {
        Self::File(path.to_owned())
    }

    fn read(&self, what: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => std::fs::read(path).map(Zeroizing::new).map_err(|error| {
                let path = path.display();
                let why = error.to_string();
                let why = why.split(" (os error").next().unwrap_or_default().to_lowercase();
                build(format!("{what} cannot be read from {path}: {why}"))
            }),
        }
    }

    /// `what` with the file, to say where the mistake is.
    fn name(&self, what: &str) -> String {
        match self {
            Self::Text(_) => what.to_owned(),
            Self::File(path) => format!("{what} in {}", path.display()),
        }
    }
}

/// The settings after all that can be found out without a server. The private key is in no form here
/// but that of the cryptography's own.
#[derive(Default)]
pub(crate) struct Checked {
    pub(crate) roots: Option<Arc<RootCertStore>>,
    pub(crate) identity: Option<Arc<CertifiedKey>>,
    pub(crate) min_version: TlsVersion,
    pub(crate) server_name: Option<ServerName<'static>>,
}

impl Checked {
    /// Reads the files and checks everything.
    pub(crate) fn of(
        settings: &TlsSettings,
        provider: Option<&CryptoProvider>,
    ) -> Result<Self, Error> {
        let identity = settings.identity.as_ref();
        Ok(Self {
            roots: settings.roots.as_ref().map(roots).transpose()?,
            identity: match (identity, provider) {
                (Some((chain, key)), Some(provider)) => {
                    Some(Arc::new(identity_of(chain, key, provider)?))
                }
                _ => None,
            },
            min_version: settings.min_version,
            server_name: settings.server_name.as_deref().map(server_name).transpose()?,
        })
    }
}

/// Checks a name that a server must prove to be.
fn server_name(name: &str) -> Result<ServerName<'static>, Error> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    ServerName::try_from(bare.to_owned()).map_err(|_| {
        let shown: String = name.chars().take(100).flat_map(char::escape_default).collect();
        build(format!(
            "server_name: \"{shown}\" is no host name and no address (write it without scheme and port)"
        ))
    })
}

/// Every `CERTIFICATE` block, at least one.
fn roots(pem: &Pem) -> Result<Arc<RootCertStore>, Error> {
    let what = "the root certificates";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, what)? {
        roots
            .add(certificate)
            .map_err(|_| build(format!("{}: one of them is malformed", pem.name(what))))?;
    }
    Ok(Arc::new(roots))
}

fn identity_of(chain: &Pem, key: &Pem, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let certificates = certificates(chain, "the client certificate")?;
    let what = "the client key";
    let text = key.read(what)?;
    if text.windows(MARK.len()).any(|window| window == MARK) {
        return Err(build(format!(
            "{} is encrypted: decrypt it first (openssl pkey -in KEY -out PLAIN)",
            key.name(what)
        )));
    }
    // The error of the parser may quote the key: it is left out.
    let mut der = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        build(format!("{} is not a PEM private key (PKCS #8, PKCS #1 or SEC1)", key.name(what)))
    })?;
    let signing = provider.key_provider.load_private_key(der.clone_key());
    der.zeroize();
    let signing = signing.map_err(|_| {
        build(format!(
            "{} is malformed, or of a kind that is not supported (RSA, ECDSA and Ed25519 are)",
            key.name(what)
        ))
    })?;
    let certified = CertifiedKey::new(certificates, signing);
    match certified.keys_match() {
        // Some providers cannot tell; the handshake will.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(certified)
        }
        Err(rustls::Error::InconsistentKeys(_)) => Err(build(format!(
            "{} does not belong to {}, the first in its chain",
            key.name(what),
            chain.name("the client certificate")
        ))),
        Err(_) => Err(build(format!("{} is malformed", chain.name("the client certificate")))),
    }
}

fn certificates(pem: &Pem, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = pem.read(what)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(build(format!("{}: there is no PEM certificate in it", pem.name(what)))),
        Err(_) => Err(build(format!("{}: it is not valid PEM", pem.name(what)))),
    }
}

fn build(text: String) -> Error {
    Error::new(ErrorKind::Build, text)
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("own_roots", &self.roots.is_some())
            .field("identity", &self.identity.is_some())
            .field("min_version", &self.min_version)
            .field("server_name", &self.server_name)
            .finish()
    }
}

/// RFC 7468 section 11, and the older form of OpenSSL.
const MARK: &[u8] = b"ENCRYPTED";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_name_is_a_bare_host() {
        for good in ["api.internal", "localhost", "127.0.0.1", "::1", "[::1]", "a_b.example"] {
            server_name(good).expect(good);
        }
        for bad in ["", "https://a", "a:443", "a/b", "a b", "ü.example", "*.a", "a..b", "\u{1b}[2J"]
        {
            let error = server_name(bad).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::Build);
            assert!(!error.message().contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn newer_is_more() {
        assert!(TlsVersion::Tls12 < TlsVersion::Tls13);
        assert_eq!(TlsVersion::default(), TlsVersion::Tls12);
    }
}
