//! TLS, as a sink of its own client can be told.

use std::path::Path;

use fanout_net::TlsVersion;

use crate::HttpSinkBuilder;

/// TLS. A shared [`client`](Self::client) brings its own settings: one of these beside it is refused by
/// [`build`](Self::build).
impl HttpSinkBuilder {
    /// Trusts the certificates of `pem`, one or more, in place of the platform's roots.
    pub fn root_certificates(self, pem: impl AsRef<[u8]>) -> Self {
        self.own("root_certificates", |client| client.root_certificates(pem))
    }

    /// Trusts the certificates of a PEM file, one or more, in place of the platform's roots.
    ///
    /// [`build`](Self::build) reads it, once.
    pub fn root_certificates_file(self, path: impl AsRef<Path>) -> Self {
        self.own("root_certificates_file", |client| client.root_certificates_file(path))
    }

    /// Shows this certificate to a server that asks for one (mutual TLS): `chain`, the own certificate
    /// first, and its private `key`, both PEM.
    pub fn client_identity(self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.own("client_identity", |client| client.client_identity(chain, key))
    }

    /// Shows a certificate as [`client_identity`](Self::client_identity) does, from two PEM files.
    ///
    /// [`build`](Self::build) reads them, once.
    pub fn client_identity_files(self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.own("client_identity_files", |client| client.client_identity_files(chain, key))
    }

    /// Sets the oldest version of TLS that is spoken, inclusive. Default: [`TlsVersion::Tls12`].
    pub fn min_tls_version(self, version: TlsVersion) -> Self {
        self.own("min_tls_version", |client| client.min_tls_version(version))
    }

    /// Sets the name that the server must prove to be, in place of the host of the URL; it is told it too
    /// (SNI).
    pub fn server_name(self, name: impl Into<String>) -> Self {
        self.own("server_name", |client| client.server_name(name))
    }
}
