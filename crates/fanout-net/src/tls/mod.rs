//! TLS: which roots are trusted, which certificate is shown, which HTTP versions are offered.

mod certificate;
pub(crate) mod failure;
mod settings;
mod verify;

use std::fmt;
use std::sync::{Arc, OnceLock};

use fanout::Error;
use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::ServerName;

use self::failure::Refusal;
use self::settings::Checked;
use self::verify::{Identity, Verifier};
use crate::HttpVersion;
use crate::event::Event;

pub use self::certificate::PeerCertificate;
pub use self::settings::TlsVersion;
pub(crate) use self::settings::{Pem, TlsSettings};
pub(crate) use self::verify::watch;

/// What was asked for, and the configuration that is made of it at the first `https` connection.
///
/// The platform's roots are files on most systems, so reading them is left to the first use: one that
/// only ever speaks plain HTTP needs no roots.
pub(crate) struct Tls {
    settings: Checked,
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

impl Tls {
    /// The platform's roots, and no certificate of our own.
    pub(crate) fn platform(version: HttpVersion) -> Self {
        let settings = Checked::default();
        Self { settings, version, config: OnceLock::new() }
    }

    /// Reads and checks what was given.
    pub(crate) fn new(settings: &TlsSettings, version: HttpVersion) -> Result<Self, Error> {
        let settings = Checked::of(settings, provider().as_deref())?;
        Ok(Self { settings, version, config: OnceLock::new() })
    }

    /// The same without what is meant for one server: our certificate, and its name.
    pub(crate) fn for_any_server(&self) -> Self {
        let Checked { roots, min_version, .. } = &self.settings;
        let settings =
            Checked { roots: roots.clone(), min_version: *min_version, ..Checked::default() };
        Self { settings, version: self.version, config: OnceLock::new() }
    }

    /// The name that the server must prove to be, where it is not that of the URL.
    pub(crate) fn server_name(&self) -> Option<&ServerName<'static>> {
        self.settings.server_name.as_ref()
    }

    pub(crate) fn min_version(&self) -> TlsVersion {
        self.settings.min_version
    }

    pub(crate) fn has_identity(&self) -> bool {
        self.settings.identity.is_some()
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
        let unusable = |error: &dyn ToString| Event::TlsRefused(Refusal::Other(error.to_string()));
        let versions: &[_] = match self.settings.min_version {
            TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| unusable(&error))?;
        let inner: Arc<dyn ServerCertVerifier> = match &self.settings.roots {
            Some(roots) => WebPkiServerVerifier::builder_with_provider(
                Arc::clone(roots),
                Arc::clone(&provider),
            )
            .build()
            .map_err(|error| unusable(&error))?,
            None => {
                let platform = rustls_platform_verifier::Verifier::new(Arc::clone(&provider))
                    .map_err(|error| Event::NoRoots(error.to_string()))?;
                Arc::new(platform)
            }
        };
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier { inner, provider }))
            .with_client_cert_resolver(Arc::new(Identity(self.settings.identity.clone())));
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
            .field("own_roots", &self.settings.roots.as_ref().map(|roots| roots.len()))
            .field("identity", &self.settings.identity.is_some())
            .field("min_version", &self.settings.min_version)
            .field("server_name", &self.settings.server_name)
            .finish_non_exhaustive()
    }
}

const HTTP1: &[u8] = b"http/1.1";

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
