//! Where a redirect to another origin must not lead, and who we are there.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use fanout::{Effect, ErrorKind, Message, RetryAdvice, async_trait};
use fanout_http::{Client, ClientBuilder, Guard, HttpSink, Proxy, Redirects, Resolve};
use rcgen::{CertificateParams, CertifiedKey, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::redirects::to;
use crate::server::{OK, Server};
use crate::{refusal, send};

/// Every name is a server of this machine, which stands for the public network.
struct Everywhere;

#[async_trait]
impl Resolve for Everywhere {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

fn builder() -> ClientBuilder {
    Client::builder().proxy(Proxy::none()).resolver(Arc::new(Everywhere))
}

fn sink(outside: &Server, client: &Client) -> HttpSink {
    HttpSink::post(format!("http://api.example:{}/", outside.addr.port()))
        .client(client)
        .allow_plaintext()
        .redirects(Redirects::any_origin())
        .build()
        .unwrap()
}

/// No guard was asked for, and a connection to the very place is open.
#[tokio::test]
async fn a_public_origin_cannot_send_us_to_our_neighbours() {
    let inside = Server::answering(OK).await;
    let port = inside.addr.port();
    let client = builder().build().unwrap();
    let open = HttpSink::post(inside.url("/")).client(&client).build().unwrap();
    send(&open, &Message::text("of the operator")).await.unwrap();
    for host in ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]", "inside.example"] {
        let outside = Server::answering(to(307, &format!("http://{host}:{port}/"))).await;
        let error = refusal(&sink(&outside, &client), &Message::text("x")).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Forbidden, Effect::None), "{error}");
        assert_eq!(error.advice(), RetryAdvice::Never);
        let place = format!("http://{host}:{port}");
        assert!(error.context().any(|pair| pair == ("redirected_to", &place)), "{error}");
        assert_eq!(outside.requests().len(), 1);
    }
    for host in ["169.254.169.254", "10.0.0.1", "[fe80::1]", "[fd00:ec2::254]"] {
        let outside = Server::answering(to(308, &format!("http://{host}/latest"))).await;
        let error = refusal(&sink(&outside, &client), &Message::text("x")).await;
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{host}: {error}");
    }
    assert_eq!((inside.connections(), inside.requests().len()), (1, 1));
}

/// Whoever sent us away does not get us back with our own rights.
#[tokio::test]
async fn the_way_back_to_the_first_origin_is_guarded_too() {
    let guard = Guard::new().allow("127.0.0.1").unwrap();
    let other = Server::start(|mut conn| async move {
        let request = conn.request().await.unwrap();
        let port = request.split("/back/").nth(1).unwrap().split(' ').next().unwrap();
        let back = format!("http://api.example:{port}/home");
        conn.write(&to(307, &back)).await;
    })
    .await;
    let away = other.addr.port();
    let first = Server::start(move |mut conn| async move {
        while let Some(request) = conn.request().await {
            let port = request.split("api.example:").nth(1).unwrap().split('\r').next().unwrap();
            let answer = match request.starts_with("POST /home ") {
                true => OK.to_owned(),
                false => to(307, &format!("http://other.example:{away}/back/{port}")),
            };
            conn.write(&answer).await;
        }
    })
    .await;
    // Allowed by the sink's own guard, but not by the standard one.
    let guarded = builder().guard(guard).build().unwrap();
    send(&sink(&first, &guarded), &Message::text("x")).await.unwrap();
    assert_eq!(first.connections(), 2, "the way back goes by the other client");
    let error = refusal(&sink(&first, &builder().build().unwrap()), &Message::text("x")).await;
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(other.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_never_followed() {
    let plain = Server::answering(OK).await;
    let CertifiedKey { cert, signing_key } = certificate();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let locations = [plain.url("/taken"), format!("http://localhost:{port}/same")];
    let answers = locations.clone().map(|location| to(307, &location));
    let serving = tokio::spawn(async move {
        let mut requests = 0;
        for answer in answers {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut tls = acceptor.accept(tcp).await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"payload") {
                assert!(tls.read_buf(&mut seen).await.unwrap() > 0);
            }
            requests += 1;
            tls.write_all(answer.as_bytes()).await.unwrap();
            tls.flush().await.unwrap();
        }
        requests
    });
    for location in locations {
        let client = Client::builder().proxy(Proxy::none()).root_certificates(cert.pem());
        let sink = HttpSink::post(format!("https://localhost:{port}/"))
            .client(&client.build().unwrap())
            .allow_plaintext()
            .redirects(Redirects::any_origin())
            .build()
            .unwrap();
        let error = refusal(&sink, &Message::text("payload")).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Redirected, Effect::None));
        assert!(error.to_string().contains("from https to http"), "{location}: {error}");
    }
    assert_eq!(serving.await.unwrap(), 2);
    assert_eq!(plain.connections(), 0);
}

fn certificate() -> CertifiedKey<KeyPair> {
    let signing_key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    CertifiedKey { cert: params.self_signed(&signing_key).unwrap(), signing_key }
}

#[tokio::test]
async fn no_credential_of_ours_goes_to_another_origin_in_its_url() {
    use fanout::Secret;
    use fanout_http::auth::ApiKey;

    let other = Server::answering(OK).await;
    for path in
        ["/x?next=%2Fv1%3Fkey%3Dhunter2-hunter2", "/hunter2-hunter2", "/x?key=hunter2-hunter2"]
    {
        let server = Server::answering(to(307, &other.url(path))).await;
        let sink = HttpSink::post(server.url("/v1"))
            .client(&crate::client())
            .auth(ApiKey::query("key", Secret::new("hunter2-hunter2")))
            .redirects(Redirects::any_origin())
            .build()
            .unwrap();
        let error = refusal(&sink, &Message::text("x")).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Redirected, Effect::None), "{path}");
        assert!(!error.to_chain().contains("hunter2-hunter2"), "{}", error.to_chain());
    }
    assert_eq!(other.connections(), 0);
}
