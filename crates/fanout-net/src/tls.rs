//! TLS: which roots are trusted, which certificate is shown, which HTTP versions are offered.

use std::fmt;
use std::sync::{Arc, OnceLock};

use fanout::{Error, ErrorKind};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;

use crate::HttpVersion;
use crate::event::Event;

/// What was asked for, and the configuration that is made of it at the first `https` connection.
///
/// The platform's roots are files on most systems, so reading them is left to the first use: making a
/// client does no I/O, and one that only ever speaks plain HTTP needs no roots.
pub(crate) struct Tls {
    roots: Option<Arc<RootCertStore>>,
    identity: Option<Identity>,
    version: HttpVersion,
    config: OnceLock<Configs>,
}

/// The same configuration, once as it is and once offering nothing but HTTP/1.1.
struct Configs {
    usual: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

impl Configs {
    fn of(&self, http1: bool) -> Arc<ClientConfig> {
        Arc::clone(if http1 { &self.http1 } else { &self.usual })
    }
}

pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Tls {
    /// The platform's roots, and no certificate of our own.
    pub(crate) fn platform(version: HttpVersion) -> Self {
        Self { roots: None, identity: None, version, config: OnceLock::new() }
    }

    pub(crate) fn new(
        roots: Option<Arc<RootCertStore>>,
        identity: Option<Identity>,
        version: HttpVersion,
    ) -> Result<Self, Error> {
        let tls = Self { roots, identity, version, config: OnceLock::new() };
        // A key that does not fit its certificate is found when the configuration is made, so with an
        // identity it is made at once, against roots that are at hand.
        if let (Some(identity), Some(provider)) = (&tls.identity, provider()) {
            provider
                .key_provider
                .load_private_key(identity.key.clone_key())
                .and_then(|key| {
                    rustls::sign::CertifiedKey::new(identity.chain.clone(), key)
                        .keys_match()
                        .or_else(|error| match error {
                            // Some providers cannot tell; the handshake will.
                            rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown) => {
                                Ok(())
                            }
                            error => Err(error),
                        })
                })
                .map_err(|_| build("the client certificate and its key do not fit together"))?;
        }
        Ok(tls)
    }

    /// Returns the configuration if it has been made; with `http1` the one that offers nothing else.
    pub(crate) fn ready(&self, http1: bool) -> Option<Arc<ClientConfig>> {
        self.config.get().map(|configs| configs.of(http1))
    }

    /// Returns the configuration, made at the first call, which may block on files.
    ///
    /// A failure is not kept: roots that are missing now may be there later.
    pub(crate) fn config(&self, http1: bool) -> Result<Arc<ClientConfig>, Event> {
        if let Some(configs) = self.config.get() {
            return Ok(configs.of(http1));
        }
        let usual = self.make()?;
        let mut other = usual.clone();
        other.alpn_protocols = vec![HTTP1.to_vec()];
        let configs = Configs { usual: Arc::new(usual), http1: Arc::new(other) };
        Ok(self.config.get_or_init(|| configs).of(http1))
    }

    fn make(&self) -> Result<ClientConfig, Event> {
        let provider = provider().ok_or(Event::NoTls)?;
        let unusable = |error: rustls::Error| Event::TlsRefused(error.to_string());
        // rustls has TLS 1.2 and 1.3 and nothing older.
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match &self.roots {
            Some(roots) => builder.with_root_certificates(Arc::clone(roots)),
            None => {
                let verifier =
                    Verifier::new(provider).map_err(|error| Event::NoRoots(error.to_string()))?;
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        };
        let mut config = match &self.identity {
            Some(identity) => builder
                .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
                .map_err(unusable)?,
            None => builder.with_no_client_auth(),
        };
        // RFC 7301; the identifiers of RFC 9113 section 3.1 and RFC 9112 section 2.3.
        config.alpn_protocols = match self.version {
            HttpVersion::Negotiate => vec![b"h2".to_vec(), HTTP1.to_vec()],
            HttpVersion::Http1 => vec![HTTP1.to_vec()],
            HttpVersion::Http2 => vec![b"h2".to_vec()],
        };
        Ok(config)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("own_roots", &self.roots.as_ref().map(|roots| roots.len()))
            .field("identity", &self.identity.is_some())
            .finish_non_exhaustive()
    }
}

const HTTP1: &[u8] = b"http/1.1";

/// Reads root certificates: every `CERTIFICATE` block of `pem`, at least one.
pub(crate) fn roots(pem: &[u8]) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, "the root certificates")? {
        roots
            .add(certificate)
            .map_err(|_| build("a root certificate cannot be used: it is malformed"))?;
    }
    Ok(Arc::new(roots))
}

/// Reads a certificate chain and its private key.
pub(crate) fn identity(chain: &[u8], key: &[u8]) -> Result<Identity, Error> {
    let chain = certificates(chain, "the client certificate")?;
    // The error of the parser may quote the key: it is left out.
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| build("the client key is not a PEM private key (PKCS #8, PKCS #1 or SEC1)"))?;
    Ok(Identity { chain, key })
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(build(format!("{what}: there is no PEM certificate in it"))),
        Err(_) => Err(build(format!("{what}: it is not valid PEM"))),
    }
}

fn build(text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Build, text)
}

/// Returns the cryptography that this build has. Always passed on explicitly: the process-wide
/// default belongs to the application.
#[cfg(feature = "tls-aws-lc")]
fn provider() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(all(feature = "tls-ring", not(feature = "tls-aws-lc")))]
fn provider() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(any(feature = "tls-ring", feature = "tls-aws-lc")))]
fn provider() -> Option<Arc<CryptoProvider>> {
    None
}
