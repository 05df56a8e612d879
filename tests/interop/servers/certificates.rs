//! An authority made for one case, and a certificate for `localhost` from it.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// The files that the servers want, removed when dropped.
#[derive(Debug)]
pub(crate) struct Certificates {
    authority: String,
    directory: TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("keys can be generated");
        let authority = params.self_signed(&key).expect("the authority can sign").pem();
        let issuer = Issuer::new(params, key);

        let params = CertificateParams::new(["localhost".to_owned()]).expect("a good name");
        let key = KeyPair::generate().expect("keys can be generated");
        let leaf = params.signed_by(&key, &issuer).expect("the authority can sign");

        let directory = TempDir::new().expect("a temporary directory");
        fs::write(directory.path().join("cert.pem"), leaf.pem()).expect("it can be written");
        fs::write(directory.path().join("key.pem"), key.serialize_pem())
            .expect("it can be written");
        Self { authority, directory }
    }

    /// The certificate of the authority, in PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The file of the server's certificate, in PEM.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.path().join("cert.pem")
    }

    /// The file of the server's key, in PEM.
    pub(crate) fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }
}
