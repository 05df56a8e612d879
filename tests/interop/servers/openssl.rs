//! `openssl s_server`, with certificates made for one case.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::PATIENCE;

/// An authority, and a directory for what it signs.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

/// A certificate and its key, as files.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    /// Authorities of different names are strangers to each other.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("keys can be generated");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("it can sign");
        let directory = TempDir::new().expect("a temporary directory");
        fs::write(directory.path().join("ca.pem"), issuer.pem()).expect("it can be written");
        Self { issuer, directory }
    }

    /// The file of its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Signs a certificate for `name`, which is valid in these years, and writes it to files.
    pub(crate) fn sign(&self, name: &str, years: std::ops::Range<i32>) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a good name");
        params.not_before = date_time_ymd(years.start, 1, 1);
        params.not_after = date_time_ymd(years.end, 1, 1);
        let key = KeyPair::generate().expect("keys can be generated");
        let signed = params.signed_by(&key, &self.issuer).expect("the authority can sign");
        let file = |end: &str, text: String| {
            let path = self.directory.path().join(format!("{name}-{}.{end}", years.end));
            fs::write(&path, text).expect("it can be written");
            path
        };
        Pair { certificate: file("pem", signed.pem()), key: file("key", key.serialize_pem()) }
    }
}

/// A running server, which answers `GET` with a page about the connection.
#[derive(Debug)]
pub(crate) struct OpenSsl {
    child: Child,
    pub(crate) port: u16,
}

impl OpenSsl {
    /// Starts it with these options more.
    pub(crate) async fn start(pair: &Pair, options: &[&str]) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-www"]);
        command.arg("-cert").arg(&pair.certificate).arg("-key").arg(&pair.key);
        command.args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("openssl is installed");
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, told) = oneshot::channel();
        thread::spawn(move || {
            let mut sender = Some(sender);
            // To the end, or it would be stopped by a full pipe.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let port = line.strip_prefix("ACCEPT ").and_then(|at| at.rsplit(':').next());
                if let Some(port) = port.and_then(|port| port.parse().ok())
                    && let Some(sender) = sender.take()
                {
                    let _unheard = sender.send(port).is_err();
                }
            }
        });
        let port = timeout(PATIENCE, told).await.ok().and_then(Result::ok);
        Self { child, port: port.expect("s_server says where it listens") }
    }

    /// The URL of its page, on the name `localhost`.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}/", self.port)
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ended = self.child.kill().is_err();
        let _reaped = self.child.wait().is_ok();
    }
}
