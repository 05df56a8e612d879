//! `tls`, against a server that wants to know who we are.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use fanout::Message;
use fanout_config::Config;
use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;

/// Writes the certificate and key of a client, and starts a TLS 1.2 server with a certificate for
/// `api.internal`, which takes that client alone. Returns its port.
fn server(directory: &Path) -> u16 {
    let write = |name: &str, pem: String| fs::write(directory.join(name), pem).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "our authority");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    write("ca.pem", issuer.pem());

    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["shop".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    write("client.pem", params.signed_by(&key, &issuer).unwrap().pem());
    write("client.key", key.serialize_pem());
    write("other.key", KeyPair::generate().unwrap().serialize_pem());

    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["api.internal".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream);
            drop(tls.read(&mut [0; 4096]));
            drop(tls.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"));
            drop(tls.flush());
        }
    });
    port
}

fn load(directory: &Path, port: u16, tls: &str) -> Result<Config, String> {
    let path = directory.join("fanout.toml");
    let text = format!(
        "[sinks.a]\nhttp = \"https://127.0.0.1:{port}/\"\nresilience = \"off\"\n{tls}\n\
         [routes.r]\nsinks = [\"a\"]\n"
    );
    fs::write(&path, text).unwrap();
    Config::load(&path).map_err(|error| error.to_string())
}

#[tokio::test]
async fn all_of_it_is_needed_and_arrives() {
    let directory = tempfile::tempdir().unwrap();
    let port = server(directory.path());
    for (tls, refusal) in [
        (
            "ca = 'ca.pem', cert = 'client.pem', key = 'client.key', server_name = 'api.internal'",
            "",
        ),
        ("ca = 'ca.pem', server_name = 'api.internal'", "certificate"),
        ("ca = 'ca.pem', cert = 'client.pem', key = 'client.key'", "127.0.0.1"),
        ("cert = 'client.pem', key = 'client.key', server_name = 'api.internal'", "unknown issuer"),
        (
            "ca = 'ca.pem', cert = 'client.pem', key = 'client.key', server_name = 'api.internal', \
             min_version = '1.3'",
            "version",
        ),
    ] {
        let config = load(directory.path(), port, &format!("tls = {{ {tls} }}")).unwrap();
        let report = config.route("r").unwrap().send(Message::text("hello")).await;
        assert_eq!(report.is_satisfied(), refusal.is_empty(), "{tls}: {report}");
        if let Some(error) = report.deliveries()[0].error() {
            assert!(error.to_chain().contains(refusal), "{tls}: {}", error.to_chain());
        }
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_by_the_name_that_is_written() {
    let directory = tempfile::tempdir().unwrap();
    server(directory.path());
    fs::write(directory.path().join("empty.pem"), "").unwrap();
    for (tls, expected) in [
        (
            "ca = 'no.pem'",
            "sinks.a.tls.ca: the file \"no.pem\" cannot be read: there is no such file",
        ),
        ("ca = 'empty.pem'", "sinks.a.tls.ca: the root certificates in empty.pem: there is no PEM"),
        (
            "cert = 'client.pem', key = 'other.key'",
            "sinks.a.tls.key: the client key in other.key does not belong",
        ),
        (
            "cert = 'empty.pem', key = 'client.key'",
            "sinks.a.tls.cert: the client certificate in empty.pem:",
        ),
        (
            "cert = 'client.pem', key = 'client.pem'",
            "sinks.a.tls.key: the client key in client.pem is not",
        ),
    ] {
        let error = load(directory.path(), 1, &format!("tls = {{ {tls} }}")).unwrap_err();
        assert!(error.contains(expected), "{tls}: {error}");
        let place = directory.path().display().to_string();
        assert_eq!(error.matches(&place).count(), 1, "the file's own name alone: {error}");
    }
}

#[test]
fn tls_where_there_is_none_is_a_warning() {
    let file = "[sinks.a]\nhttp = \"http://localhost/\"\ntls = { min_version = \"1.3\" }\n";
    let config = Config::parse("fanout.toml", file).unwrap();
    assert_eq!(
        config.warnings()[0].to_string(),
        "fanout.toml:3: sinks.a.tls: the URL is without TLS, so this does nothing"
    );
}
