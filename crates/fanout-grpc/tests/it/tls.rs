//! Calls over TLS: given roots, a client certificate, and a name that does not match.

use std::sync::Arc;

use fanout::{Effect, ErrorKind};
use fanout_grpc::{GrpcSink, GrpcSinkBuilder};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::server::{Server, echo, failure, order, send};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for `name` and its key.
    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    async fn serve(&self, name: &str, clients_must_show_one: bool) -> Server {
        let (certificate, key) = self.issue(name);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = if clients_must_show_one {
            let mut roots = RootCertStore::empty();
            roots.add(self.0.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.unwrap())
        } else {
            config.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from(certificate)];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = config.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        Server::start_with(|request| Box::pin(echo(request)), Some(acceptor)).await
    }

    fn sink(&self, server: &Server) -> GrpcSinkBuilder {
        GrpcSink::unary(format!("grpcs://localhost:{}", server.port()), "shop.v1.Orders/Place")
            .root_certificates(self.0.pem())
    }
}

#[tokio::test]
async fn a_server_with_a_trusted_certificate_is_reached() {
    let authority = Authority::new();
    let server = authority.serve("localhost", false).await;
    send(&authority.sink(&server).build().unwrap(), &order("a", 1)).await.unwrap();
}

#[tokio::test]
async fn a_stranger_and_a_wrong_name_are_refused_without_effect() {
    let authority = Authority::new();
    let elsewhere = authority.serve("elsewhere.example", false).await;
    let error = failure(authority.sink(&elsewhere)).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Tls, Effect::None));

    let server = authority.serve("localhost", false).await;
    let error = failure(Authority::new().sink(&server)).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Tls, Effect::None));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let authority = Authority::new();
    let server = authority.serve("localhost", true).await;
    let (certificate, key) = authority.issue("client");
    let sink = authority.sink(&server).client_identity(certificate.pem(), key.serialize_pem());
    send(&sink.build().unwrap(), &order("a", 1)).await.unwrap();
    let error = failure(authority.sink(&server)).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Tls, Effect::None), "{error}");
    assert!(error.message().starts_with("the server asks for a client certificate"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_call_can_name_another_host_than_it_is_sent_to() {
    let authority = Authority::new();
    let server = authority.serve("api.internal", false).await;
    let client = fanout_grpc::Client::builder()
        .http_version(fanout_grpc::HttpVersion::Http2)
        .root_certificates(authority.0.pem())
        .build()
        .unwrap();
    let url = format!("grpcs://127.0.0.1:{}", server.port());
    let shared = GrpcSink::unary(url, "shop.v1.Orders/Place").client(&client);
    for sink in [authority.sink(&server), shared] {
        let sink = sink.authority("api.internal").build().unwrap();
        send(&sink, &order("a", 1)).await.unwrap();
    }
    let named = authority.sink(&server).server_name("api.internal").build().unwrap();
    send(&named, &order("a", 1)).await.unwrap();
    let error = failure(authority.sink(&server).authority("db.internal")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Tls, Effect::None), "{error}");
    let told = error.to_chain();
    assert!(told.contains(&format!("(endpoint: localhost:{}", server.port())), "{told}");

    let plain = Server::echo().await;
    let sink = plain.place().authority("api.internal:8443").build().unwrap();
    send(&sink, &order("a", 1)).await.unwrap();
    assert_eq!(plain.only_request()["host"], "api.internal:8443");

    let seen: Vec<_> =
        server.requests().into_iter().map(|(_, headers)| headers["host"].clone()).collect();
    let here = format!("localhost:{}", server.port());
    assert_eq!(seen, ["api.internal", "api.internal", &*here]);
    let bad = plain.place().authority("a/b").build().unwrap_err();
    assert_eq!(bad.kind(), ErrorKind::Build);
}
