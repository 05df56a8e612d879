//! TLS: who is trusted, what is agreed on, and how refusals read.

use std::sync::Arc;

use fanout::{Effect, ErrorKind, RetryAdvice};
use fanout_net::{Client, ClientBuilder, Endpoint, HttpVersion, Proxy, TlsVersion};
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

    /// The same for HTTP/1.1, with clients that this authority knows.
    pub(crate) async fn serve_clients(&self, names: &[&str]) -> Server {
        serve(config(&self.leaf(|_| {}, names), &[], Some(self))).await
    }

    /// A certificate and its key, both PEM.
    pub(crate) fn identity(&self) -> (String, String) {
        let me = self.leaf(|_| {}, &["me.example"]);
        (me.certificate.pem(), me.key.serialize_pem())
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

pub(crate) fn trusting(authority: &Authority) -> ClientBuilder {
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
    is_tls_failure(&error, "certificate has expired on 2001-01-01");
    assert!(server.log.whole().is_empty());

    let early = authority
        .leaf(|params| params.not_before = rcgen::date_time_ymd(4000, 1, 1), &["127.0.0.1"]);
    let server = serve(config(&early, &[], None)).await;
    let error = failure(client.send(post(&server.https("127.0.0.1"), "x")).await);
    is_tls_failure(&error, "certificate is not valid before 4000-01-01 yet");

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
    is_tls_failure(&error, "the other side speaks plain HTTP and not TLS");

    let server = Server::start(|mut conn| async move {
        conn.write("SSH-2.0-OpenSSH_9.2\r\n").await;
        conn.closed().await;
    })
    .await;
    let error = failure(client.send(post(&server.https("127.0.0.1"), "x")).await);
    is_tls_failure(&error, "the other side does not speak TLS: is this the right port?");
}

#[tokio::test]
async fn a_tls_server_behind_http_is_told_apart() {
    let server = Authority::new().serve(&["127.0.0.1"], &["h2", "http/1.1"]).await;
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let client = Client::builder().proxy(Proxy::none()).http_version(version).build().unwrap();
        let error = failure(client.send(post(&server.url("/"), "x")).await);
        assert_eq!(error.kind(), ErrorKind::Tls, "{version:?}: {error}");
        is_tls_failure(&error, "the URL needs https:// or grpcs://");
    }
    assert!(server.log.whole().is_empty());
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
    is_tls_failure(&error, "the server does not accept our client certificate (");
    assert_eq!(server.log.whole().len(), 1);
}

// In TLS 1.3 the handshake is over for the client before the server judges, and what then breaks first,
// the reading or the writing, is a matter of luck. h2 keeps nothing but the text of the error.
#[tokio::test]
async fn a_late_refusal_of_our_certificate_is_always_seen() {
    let authority = Authority::new();
    let leaf = authority.leaf(|_| {}, &["127.0.0.1"]);
    let stranger = Authority::new().leaf(|_| {}, &["me.example"]);
    let large = vec![b'x'; 1 << 20];
    for alpn in [&[][..], &["h2"]] {
        let server = serve(config(&leaf, alpn, Some(&authority))).await;
        let url = server.https("127.0.0.1");
        for _ in 0..20 {
            for body in [&b"x"[..], &large] {
                let body = || body.to_vec();
                let without = trusting(&authority).build().unwrap();
                let error = failure(without.send(post(&url, body())).await);
                assert_eq!(error.kind(), ErrorKind::Tls, "{alpn:?} {}: {error}", body().len());
                is_tls_failure(&error, "the server asks for a client certificate");
                let with = trusting(&authority)
                    .client_identity(stranger.certificate.pem(), stranger.key.serialize_pem());
                let error = failure(with.build().unwrap().send(post(&url, body())).await);
                is_tls_failure(&error, "the server does not accept our client certificate (");
            }
        }
        assert!(server.log.whole().is_empty());
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_told_from_one_of_an_unknown_issuer() {
    let authority = Authority::new();
    let client = trusting(&authority).build().unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let leaf = Leaf { certificate: params.self_signed(&key).unwrap(), key };
    let server = serve(config(&leaf, &[], None)).await;
    let url = server.https("127.0.0.1");
    is_tls_failure(&failure(client.send(post(&url, "x")).await), "certificate is self-signed");

    let pinned = Client::builder().proxy(Proxy::none()).root_certificates(leaf.certificate.pem());
    assert_eq!(text(pinned.build().unwrap().send(post(&url, "x")).await.unwrap()).await, "ok");
}

#[tokio::test]
async fn another_authority_with_a_trusted_name_is_a_bad_signature() {
    let make = || {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    };
    let server = make().serve(&["127.0.0.1"], &[]).await;
    let client = trusting(&make()).build().unwrap();
    let error = failure(client.send(post(&server.https("127.0.0.1"), "x")).await);
    is_tls_failure(&error, "certificate is not signed by the authority that is trusted");
}

#[tokio::test]
async fn the_minimum_version_is_kept() {
    let authority = Authority::new();
    let leaf = authority.leaf(|_| {}, &["127.0.0.1"]);
    let mut old = config(&leaf, &[], None);
    old = {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap();
        builder.with_no_client_auth().with_cert_resolver(old.cert_resolver)
    };
    let old = serve(old).await;
    let new = serve(config(&leaf, &[], None)).await;
    let client = |version| trusting(&authority).min_tls_version(version).build().unwrap();
    for (server, version) in
        [(&old, TlsVersion::Tls12), (&new, TlsVersion::Tls12), (&new, TlsVersion::Tls13)]
    {
        let sent = client(version).send(post(&server.https("127.0.0.1"), "x")).await;
        assert_eq!(text(sent.unwrap()).await, "ok");
    }
    let sent = client(TlsVersion::Tls13).send(post(&old.https("127.0.0.1"), "x")).await;
    is_tls_failure(&failure(sent), "the server must speak TLS 1.3, the minimum here");
}

#[tokio::test]
async fn the_name_to_check_can_be_another_than_that_of_the_url() {
    let authority = Authority::new();
    let server = authority.serve(&["api.internal"], &[]).await;
    let url = server.https("127.0.0.1");
    let named = |name| trusting(&authority).server_name(name).build().unwrap();
    assert_eq!(text(named("api.internal").send(post(&url, "x")).await.unwrap()).await, "ok");
    let host = format!("127.0.0.1:{}", server.addr.port());
    assert_eq!(server.log.whole()[0].header("host"), Some(&*host), "the request stays");
    let error = failure(named("db.internal").send(post(&url, "x")).await);
    is_tls_failure(&error, "certificate is not valid for this name (it is for api.internal)");
    let error = Client::builder().server_name("https://s3cret").build().map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Build);
}

#[tokio::test]
async fn a_request_can_name_another_host_than_it_is_sent_to() {
    let authority = Authority::new();
    let leaf = authority.leaf(|_| {}, &["api.internal"]);
    let server = serve(config(&leaf, &[], None)).await;
    let place = Endpoint::parse(&server.https("127.0.0.1")).unwrap();
    let client = trusting(&authority).build().unwrap().connecting_to(&place);
    let url = place.with_authority("api.internal").unwrap().uri().to_string();
    assert_eq!(text(client.send(post(&url, "x")).await.unwrap()).await, "ok");
    assert_eq!(server.log.whole()[0].header("host"), Some("api.internal"));
    let other = place.with_authority("db.internal:5").unwrap().uri().to_string();
    let error = failure(client.send(post(&other, "x")).await);
    is_tls_failure(&error, "certificate is not valid for this name");
    assert!(error.to_chain().ends_with(&format!("(endpoint: {})", server.addr)), "{error}");
    for bad in ["", "a/b", "u@h", "a b", "h:0", "http://h", "h?x", "h#x", "h\r\nx: y"] {
        assert_eq!(place.with_authority(bad).unwrap_err().kind(), ErrorKind::Build, "{bad}");
    }
}

#[tokio::test]
async fn the_certificate_is_told_without_a_request() {
    let authority = Authority::new();
    let change = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2999, 12, 31);
    };
    let leaf = authority.leaf(change, &["127.0.0.1"]);
    for alpn in [&[][..], &["h2"]] {
        let server = serve(config(&leaf, alpn, Some(&authority))).await;
        let endpoint = Endpoint::parse(&server.https("127.0.0.1")).unwrap();
        let me = authority.leaf(|_| {}, &["me.example"]);
        let with =
            trusting(&authority).client_identity(me.certificate.pem(), me.key.serialize_pem());
        let found = with.build().unwrap().certificate(&endpoint).await.unwrap();
        let seconds = |time: std::time::SystemTime| {
            time.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs()
        };
        assert_eq!(seconds(found.not_before()), 978_307_200);
        assert_eq!(seconds(found.not_after()), 32_503_593_600);

        let error = trusting(&authority).build().unwrap().certificate(&endpoint).await.unwrap_err();
        is_tls_failure(&error, "the server asks for a client certificate");
        let error = client().certificate(&endpoint).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Tls, Effect::None), "{error}");
        assert!(server.log.whole().is_empty());
    }
    let plain = Endpoint::parse("http://127.0.0.1:1/").unwrap();
    assert_eq!(client().certificate(&plain).await.unwrap_err().kind(), ErrorKind::Build);
    let nobody = Endpoint::parse("https://127.0.0.1:1/").unwrap();
    assert_eq!(client().certificate(&nobody).await.unwrap_err().kind(), ErrorKind::Connect);
}

#[test]
fn what_cannot_be_read_is_named_and_never_quoted() {
    let authority = Authority::new();
    let (me, other) = (authority.leaf(|_| {}, &["me"]), authority.leaf(|_| {}, &["other"]));
    let directory = tempfile::TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let chain = file("chain.pem", &me.certificate.pem());
    let key = file("key.pem", &me.key.serialize_pem());
    let other_key = file("other.pem", &other.key.serialize_pem());
    let odd = file("odd.pem", "s3cret");
    let half =
        file("half.pem", "-----BEGIN PRIVATE KEY-----\nczNjcmV0\n-----END PRIVATE KEY-----\n");
    let locked = file(
        "locked.pem",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nczNjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let missing = directory.path().join("missing.pem");
    let build = Client::builder;
    build().client_identity_files(&chain, &key).root_certificates_file(&chain).build().unwrap();
    for (builder, path, expected) in [
        (build().root_certificates_file(&missing), &missing, "cannot be read from"),
        (build().root_certificates_file(&odd), &odd, "there is no PEM certificate in it"),
        (build().client_identity_files(&missing, &key), &missing, "cannot be read from"),
        (build().client_identity_files(&odd, &key), &odd, "there is no PEM certificate in it"),
        (build().client_identity_files(&chain, &missing), &missing, "cannot be read from"),
        (build().client_identity_files(&chain, &odd), &odd, "is not a PEM private key"),
        (build().client_identity_files(&chain, &half), &half, "malformed"),
        (build().client_identity_files(&chain, &locked), &locked, "is encrypted"),
        (build().client_identity_files(&chain, &other_key), &other_key, "does not belong to"),
    ] {
        let shown = format!("{builder:?}");
        let error = builder.build().map(|_| ()).expect_err(expected);
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(error.message().contains(expected), "{error}");
        assert!(error.message().contains(path.to_str().unwrap()), "{error}");
        assert!(!format!("{error:?} {error} {shown}").contains("s3cret"), "{error:?} {shown}");
    }
    let text = |key: &str| build().client_identity(me.certificate.pem(), key).build().map(|_| ());
    let error = text(&other.key.serialize_pem()).unwrap_err();
    assert!(error.message().starts_with("the client key does not belong to the client cert"));
    let error = text("s3cret").unwrap_err();
    assert!(error.message().starts_with("the client key is not a PEM private key"), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"));
    let builder = build().client_identity("s3cret", me.key.serialize_pem());
    assert!(
        !format!("{builder:?}").contains("s3cret") && !format!("{builder:?}").contains("BEGIN")
    );
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
