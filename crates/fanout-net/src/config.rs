//! What a client can be told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fanout::{Error, ErrorKind};

use crate::guard;
use crate::resolve::Lookup;
use crate::tls::{Pem, Tls, TlsSettings};
use crate::{Client, Guard, Proxy, Resolve, TlsVersion};

/// Which version of HTTP is spoken.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// Over TLS whatever the server prefers of HTTP/2 and HTTP/1.1 (ALPN); HTTP/1.1 without TLS.
    #[default]
    Negotiate,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only: by ALPN over TLS, with prior knowledge without.
    Http2,
}

/// Builds a [`Client`].
///
#[doc = include_str!("../docs/numbers.md")]
#[must_use]
#[derive(Clone, Default)]
pub struct ClientBuilder {
    pub(crate) settings: Settings,
    tls: TlsSettings,
    pub(crate) proxy: Proxy,
    lookup: Lookup,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) connect_timeout: Duration,
    pub(crate) version: HttpVersion,
    pub(crate) pool_idle_timeout: Duration,
    pub(crate) max_idle_per_host: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) max_response_head: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            version: HttpVersion::default(),
            pool_idle_timeout: Duration::from_secs(90),
            max_idle_per_host: 64,
            keep_alive: Duration::from_secs(60),
            max_response_head: 64 << 10,
        }
    }
}

impl ClientBuilder {
    /// Sets the longest time that connecting may take: name resolution, TCP, proxy and TLS together.
    ///
    /// Default: 3 s. Zero is refused by [`build`](Self::build).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// Sets which version of HTTP is spoken. Default: [`HttpVersion::Negotiate`].
    pub fn http_version(mut self, version: HttpVersion) -> Self {
        self.settings.version = version;
        self
    }

    /// Sets how long an unused connection is kept. Default: 90 s. Zero is refused by
    /// [`build`](Self::build); to keep none, set [`max_idle_per_host`](Self::max_idle_per_host) to 0.
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.pool_idle_timeout = timeout;
        self
    }

    /// Sets how many unused connections are kept for each host. Default: 64.
    pub fn max_idle_per_host(mut self, connections: usize) -> Self {
        self.settings.max_idle_per_host = connections;
        self
    }

    /// Sets after how long a silence of the other side an HTTP/2 connection in use is probed by a ping,
    /// which must be answered within 5 s. Default: 60 s; many gRPC servers take more frequent pings as
    /// an attack. Zero is refused by [`build`](Self::build).
    ///
    /// # Standards
    ///
    /// RFC 9113 section 6.7.
    pub fn http2_keep_alive(mut self, interval: Duration) -> Self {
        self.settings.keep_alive = interval;
        self
    }

    /// Sets how large the head of an answer may be, in bytes: status line and fields as they come over HTTP/1,
    /// the fields as HTTP/2 counts them. One that is larger is refused, over HTTP/1, where it is read in
    /// steps, at twice the size at the latest. Trailers have a limit of 16 KiB over HTTP/1;
    /// over HTTP/2 what goes beyond this one is left out of them.
    ///
    /// Default: 64 KiB. Less than 8 KiB and more than 1 MiB are refused by [`build`](Self::build). Over
    /// HTTP/1 there are at most 100 fields.
    ///
    /// # Standards
    ///
    /// RFC 9110 section 5.4; RFC 9113 section 6.5.2.
    pub fn max_response_head(mut self, bytes: usize) -> Self {
        self.settings.max_response_head = bytes;
        self
    }

    /// Trusts the certificates of `pem`, one or more, in place of the platform's roots.
    pub fn root_certificates(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.tls.roots = Some(Pem::text(pem.as_ref()));
        self
    }

    /// Trusts the certificates of a PEM file, one or more, in place of the platform's roots.
    ///
    /// [`build`](Self::build) reads it, once.
    pub fn root_certificates_file(mut self, path: impl AsRef<Path>) -> Self {
        self.tls.roots = Some(Pem::file(path.as_ref()));
        self
    }

    /// Shows this certificate to servers that ask for one (mutual TLS): `chain`, the own certificate
    /// first, and its private `key`, both PEM.
    ///
    /// The key is kept out of `Debug` and of errors, and copies of it are erased when they are dropped.
    pub fn client_identity(mut self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.tls.identity = Some((Pem::text(chain.as_ref()), Pem::text(key.as_ref())));
        self
    }

    /// Shows a certificate as [`client_identity`](Self::client_identity) does, from two PEM files, which
    /// may be one and the same.
    ///
    /// [`build`](Self::build) reads them, once.
    pub fn client_identity_files(mut self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.tls.identity = Some((Pem::file(chain.as_ref()), Pem::file(key.as_ref())));
        self
    }

    /// Sets the oldest version of TLS that is spoken, inclusive. Default: [`TlsVersion::Tls12`].
    pub fn min_tls_version(mut self, version: TlsVersion) -> Self {
        self.tls.min_version = version;
        self
    }

    /// Sets the name that servers must prove to be, in place of the host of the URL. They are told it too
    /// (SNI), unless it is an address. Every `https` connection of this client is held to it.
    ///
    /// For a server that is reached by an address, or through a tunnel, and has a certificate for its
    /// name. What requests say of their host stays.
    ///
    /// # Standards
    ///
    /// RFC 6066 section 3, RFC 9525 section 6.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.tls.server_name = Some(name.into());
        self
    }

    /// Sets the proxy. Default: [`Proxy::from_env`].
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Sets where the client may connect to, for URLs that other people write. Default: anywhere.
    ///
    /// A guard and a proxy do not go together: one that was [named](Proxy::url) is refused by
    /// [`build`](Self::build). Where the environment names one for a destination, the send fails, rather than
    /// go past a proxy that may be there to guard; set [`Proxy::none`] to connect directly all the same.
    pub fn guard(mut self, guard: Guard) -> Self {
        self.lookup.guard = Some(Arc::new(guard));
        self
    }

    /// Sets what looks names up. Default: the system.
    pub fn resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.lookup.resolver = Some(resolver);
        self
    }

    /// Builds the client. Reads the files that were named and does no other I/O; the platform's roots are
    /// read at the first `https` connection.
    ///
    /// A time longer than a year counts as a year.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when a duration is zero, when `max_response_head` is not possible, when the
    /// server name is no name, when certificates or the
    /// key cannot be read or do not belong together, or when there are a guard and a proxy. The text names
    /// the file and what is wrong with it, and never has any part of a key.
    pub fn build(self) -> Result<Client, Error> {
        let Self { mut settings, tls, proxy, lookup } = self;
        if lookup.guard.is_some() && proxy.is_named() {
            return Err(guard::no_proxy());
        }
        for (name, time) in [
            ("connect_timeout", &mut settings.connect_timeout),
            ("pool_idle_timeout", &mut settings.pool_idle_timeout),
            ("http2_keep_alive", &mut settings.keep_alive),
        ] {
            if time.is_zero() {
                return Err(Error::new(ErrorKind::Build, format!("{name} must not be zero")));
            }
            // hyper adds them to the clock, which panics when it cannot tell the result.
            *time = (*time).min(YEAR);
        }
        // hyper has no smaller buffer; and every connection may use so much.
        if !(8 << 10..=1 << 20).contains(&settings.max_response_head) {
            return Err(Error::new(
                ErrorKind::Build,
                "max_response_head must be between 8 KiB and 1 MiB",
            ));
        }
        let tls = Tls::new(&tls, settings.version)?;
        Ok(Client::of(settings, tls, proxy, lookup))
    }
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("settings", &self.settings)
            .field("tls", &self.tls)
            .field("proxy", &self.proxy)
            .field("guard", &self.lookup.guard)
            .field("own_resolver", &self.lookup.resolver.is_some())
            .finish()
    }
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds `docs/numbers.md` against the code.
    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let settings = Settings::default();
        let text = include_str!("../docs/numbers.md");
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), 9);
        for row in rows {
            let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            let found = match cells[1] {
                "connect_timeout" => settings.connect_timeout.as_secs(),
                "pool_idle_timeout" => settings.pool_idle_timeout.as_secs(),
                "max_idle_per_host" => settings.max_idle_per_host as u64,
                "http2_keep_alive" => settings.keep_alive.as_secs(),
                "max_response_head" => settings.max_response_head as u64,
                "response fields" => crate::client::MAX_RESPONSE_FIELDS as u64,
                "informational answers" => u64::from(crate::interim::MAX_INTERIM),
                "request headers" => crate::MAX_REQUEST_HEADERS as u64,
                "request fields" => crate::header_room::MAX_REQUEST_FIELDS as u64,
                other => panic!("{other}"),
            };
            assert_eq!(found.to_string(), cells[2], "{row}");
        }
    }
}
