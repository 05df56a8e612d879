//! TLS: who is trusted, what is agreed on, and how refusals read.

use std::sync::Arc;

use fanout::{Effect, ErrorKind, RetryAdvice};
use fanout_net::{Client, ClientBuilder, HttpVersion, Proxy};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use crate::server::{Conn, Io, OK, Server};
use crate::{client, failure, post, text};

/// A certificate authority of our own.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // A name of its own, or it would be taken for another authority with a bad signature.
        let name: String = key.public_key_raw()[1..9].iter().map(|b| format!("{b:02x}")).collect();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    fn leaf(&self, change: impl FnOnce(&mut CertificateParams), names: &[&str]) -> Leaf {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Leaf { certificate: params.signed_by(&key, &self.0).unwrap(), key }
    }

    /// A server for `names` that offers the protocols `alpn`, and answers HTTP/1.1 or HTTP/2.
    pub(crate) async fn serve(&self, names: &[&str], alpn: &[&str]) -> Server {
        serve(config(&self.leaf(|_| {}, names), alpn, None)).await
    }
}

struct Leaf {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

fn config(leaf: &Leaf, alpn: &[&str], clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(authority.0.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
    let mut config = builder.with_single_cert(vec![leaf.certificate.der().clone()], key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

async fn serve(config: ServerConfig) -> Server {
    serve_with(config, |conn| Box::pin(answer_http2(conn))).await
}

type Serving = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn serve_with(config: ServerConfig, http2: fn(Conn) -> Serving) -> Server {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Server::start(move |mut conn| {
        let acceptor = acceptor.clone();
        async move {
            let tcp: Box<dyn Io> = std::mem::replace(&mut conn.io, Box::new(tokio::io::empty()));
            let Ok(tls) = acceptor.accept(tcp).await else { return };
            let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            conn.io = Box::new(tls);
            if h2 {
                http2(conn).await;
            } else {
                while conn.request().await.is_some() {
                    conn.write(OK).await;
                }
            }
        }
    })
    .await
}

async fn answer_http2(conn: Conn) {
    let mut connection = h2::server::handshake(conn.io).await.unwrap();
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
        stream.send_data("ok".into(), true).unwrap();
    }
}

impl Server {
    pub(crate) fn https(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.addr.port())
    }
}

fn trusting(authority: &Authority) -> ClientBuilder {
    Client::builder().proxy(Proxy::none()).root_certificates(authority.pem())
}

#[tokio::test]
async fn the_version_is_the_one_that_both_sides_speak() {
    use HttpVersion::{Http1, Http2, Negotiate};
    let authority = Authority::new();
    let (one, two) = ("HTTP/1.1", "HTTP/2.0");
    for (asked, offered, expected) in [
        (Negotiate, &["h2", "http/1.1"][..], Some(two)),
        (Negotiate, &["http/1.1"][..], Some(one)),
        (Negotiate, &[][..], Some(one)),
        (Http1, &["h2", "http/1.1"][..], Some(one)),
        (Http2, &["h2", "http/1.1"][..], Some(two)),
        (Http2, &["http/1.1"][..], None),
        (Http2, &[][..], None),
        (Http1, &["h2"][..], None),
    ] {
        let server = authority.serve(&["localhost", "127.0.0.1"], offered).await;
        let client = trusting(&authority).http_version(asked).build().unwrap();
        let result = client.send(post(&server.https("127.0.0.1"), "x")).await;
        match expected {
            Some(version) => {
                let answer = result.unwrap();
                assert_eq!(format!("{:?}", answer.version()), version, "{asked:?} {offered:?}");
                assert_eq!(text(answer).await, "ok");
            }
            None => {
                let error = failure(result);
                assert_eq!(error.effect(), Effect::None, "{error}");
                let texts = ["none of the HTTP versions", "does not speak HTTP/2"];
                assert!(texts.iter().any(|text| error.message().contains(text)), "{error}");
            }
        }
    }
}

fn is_tls_failure(error: &fanout::Error, text: &str) {
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.advice(), RetryAdvice::OtherSink);
    assert!(error.message().contains(text), "{error}");
    assert!(!error.to_chain().contains("InvalidCertificate"), "{}", error.to_chain());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_trusted_says_why() {
    let authority = Authority::new();
    let client = trusting(&authority).build().unwrap();

    let server = authority.serve(&["api.example", "www.api.example"], &[]).await;
    let error = failure(client.send(post(&server.https("127.0.0.1"), "x")).await);
    is_tls_failure(
        &error,
        "certificate is not valid for this name (it is for api.example, www.api.example)",
    );
    let error = failure(client.send(post(&server.https("localhost"), "x")).await);
    is_tls_failure(&error, "certificate is not valid for this name");

    let stranger = Authority::new().serve(&["127.0.0.1"], &[]).await;
    let error = failure(client.send(post(&stranger.https("127.0.0.1"), "x")).await);
    is_tls_failure(&error, "certificate has an unknown issuer");

    let expired = authority
        .leaf(|params| params.not_after = rcgen::date_time_ymd(2001, 1, 1), &["127.0.0.1"]);
    let server = serve(config(&expired, &[], None)).await;
    let error = failure(client.send(post(&server.https("127.0.0.1"), "x")).await);
    is_tls_failure(&error, "certificate has expired");
    assert!(server.log.whole().is_empty());

    let early = authority
        .leaf(|params| params.not_before = rcgen::date_time_ymd(4000, 1, 1), &["127.0.0.1"]);
    let server = serve(config(&early, &[], None)).await;
    let error = failure(client.send(post(&server.https("127.0.0.1"), "x")).await);
    is_tls_failure(&error, "not valid yet");

    // What `openssl req -x509` makes unless it is told otherwise.
    let change = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    let server = serve(config(&authority.leaf(change, &["127.0.0.1"]), &[], None)).await;
    let error = failure(client.send(post(&server.https("127.0.0.1"), "x")).await);
    is_tls_failure(&error, "must not be marked as an authority");
}

#[tokio::test]
async fn the_platform_does_not_trust_a_stranger() {
    let server = Authority::new().serve(&["127.0.0.1"], &[]).await;
    let error = failure(client().send(post(&server.https("127.0.0.1"), "x")).await);
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Tls, Effect::None), "{error}");
    // A machine without any roots says that instead.
    let texts = ["unknown issuer", "no root certificates"];
    assert!(texts.iter().any(|text| error.message().contains(text)), "{error}");
}

#[tokio::test]
async fn a_plain_server_behind_https_is_told_apart() {
    let server = Server::start(|mut conn| async move {
        conn.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        conn.closed().await;
    })
    .await;
    let client = trusting(&Authority::new()).build().unwrap();
    let error = failure(client.send(post(&server.https("127.0.0.1"), "x")).await);
    is_tls_failure(&error, "does not speak TLS");
}

#[tokio::test]
async fn a_connection_cut_in_the_handshake_is_a_failed_connect() {
    let server = Server::start(|_conn| async {}).await;
    let client = trusting(&Authority::new()).build().unwrap();
    let error = failure(client.send(post(&server.https("127.0.0.1"), "x")).await);
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::None), "{error}");
    assert_eq!(error.advice(), RetryAdvice::Backoff);
}

#[tokio::test]
async fn a_client_certificate_is_shown_when_it_is_asked_for() {
    let authority = Authority::new();
    let leaf = authority.leaf(|_| {}, &["127.0.0.1"]);
    let server = serve(config(&leaf, &[], Some(&authority))).await;
    let url = server.https("127.0.0.1");

    let error = failure(trusting(&authority).build().unwrap().send(post(&url, "x")).await);
    is_tls_failure(&error, "the server asks for a client certificate");

    let me = authority.leaf(|_| {}, &["me.example"]);
    let with = trusting(&authority).client_identity(me.certificate.pem(), me.key.serialize_pem());
    assert_eq!(text(with.build().unwrap().send(post(&url, "x")).await.unwrap()).await, "ok");

    let stranger = Authority::new().leaf(|_| {}, &["me.example"]);
    let with = trusting(&authority)
        .client_identity(stranger.certificate.pem(), stranger.key.serialize_pem());
    let error = failure(with.build().unwrap().send(post(&url, "x")).await);
    is_tls_failure(&error, "the server does not accept our certificate");
    assert_eq!(server.log.whole().len(), 1);

    let mixed = Client::builder().client_identity(me.certificate.pem(), leaf.key.serialize_pem());
    let error = mixed.build().map(|_| ()).unwrap_err();
    assert_eq!(error.message(), "the client certificate and its key do not fit together");
    let broken = Client::builder().client_identity(me.certificate.pem(), "s3cret");
    let error = broken.build().map(|_| ()).unwrap_err();
    assert!(error.message().contains("not a PEM private key"), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"));
}

// RFC 9113 section 7.
#[tokio::test]
async fn a_server_that_wants_http1_for_a_request_gets_it_at_the_next_attempt() {
    let authority = Authority::new();
    let leaf = authority.leaf(|_| {}, &["127.0.0.1"]);
    let server = serve_with(config(&leaf, &["h2", "http/1.1"], None), |conn| {
        Box::pin(async move {
            let mut connection = h2::server::handshake(conn.io).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                tokio::spawn(async move {
                    let mut body = request.into_body();
                    while body.data().await.is_some_and(|data| data.is_ok()) {}
                    respond.send_reset(h2::Reason::HTTP_1_1_REQUIRED);
                });
            }
        })
    })
    .await;
    let client = trusting(&authority).build().unwrap();
    let url = server.https("127.0.0.1");
    let error = failure(client.send(post(&url, "1")).await);
    let got = (error.kind(), error.effect(), error.advice());
    assert_eq!(got, (ErrorKind::Unavailable, Effect::None, RetryAdvice::Once), "{error}");
    for body in ["2", "3"] {
        let answer = client.clone().send(post(&url, body)).await.unwrap();
        assert_eq!(answer.version(), http::Version::HTTP_11);
        assert_eq!(text(answer).await, "ok");
    }
    assert_eq!(server.log.bodies(), ["2", "3"]);
    assert_eq!(server.log.connections(), 2);
}
