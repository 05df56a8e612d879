//! Over TLS: one server that is trusted and repeats what it was sent, and the ways in which it is not.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use fanout::{FanOut, Message, Secret, policy};
use fanout_http::auth::{Basic, Bearer};
use fanout_http::{HttpSink, HttpSinkBuilder};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::canaries::Canaries;
use super::outputs::Outputs;

pub(crate) async fn drive(canaries: &Canaries, outputs: &mut Outputs<'_>) {
    let token = canaries.plant("bearer token over TLS").hard();
    let password = canaries.plant("basic password over TLS").hard();
    let path = canaries.plant("path of a webhook").text();
    let answer = super::server::echo(403, &token);
    let super::server::Play::Say(answer) = answer else { unreachable!("an echo is said") };
    let server = Server::start(answer);
    let key = rcgen::KeyPair::generate().expect("a key");
    let other = rcgen::CertificateParams::new(["elsewhere".to_owned()]).expect("a name");
    let other = other.self_signed(&key).expect("a certificate");
    type Change<'a> = Box<dyn Fn(HttpSinkBuilder) -> HttpSinkBuilder + 'a>;
    let ways: Vec<(&str, &str, Change<'_>)> = vec![
        ("trusted", "127.0.0.1", Box::new(|sink| sink.root_certificates(&server.pem))),
        ("self-signed", "127.0.0.1", Box::new(|sink| sink)),
        ("another root", "127.0.0.1", Box::new(|sink| sink.root_certificates(other.pem()))),
        ("another name", "localhost", Box::new(|sink| sink.root_certificates(&server.pem))),
        (
            "with a certificate",
            "127.0.0.1",
            Box::new(|sink| {
                sink.root_certificates(&server.pem)
                    .client_identity(other.pem(), key.serialize_pem())
            }),
        ),
    ];
    for (name, host, change) in ways {
        let url = format!("https://{host}:{}/{path}", server.port);
        for sink in [
            HttpSink::post(&url).auth(Bearer::new(Secret::new(token.as_str()))),
            HttpSink::post(&url).auth(Basic::new("user", Secret::new(password.as_str()))),
        ] {
            let sink = change(sink).timeout(Duration::from_secs(2));
            outputs.debug(name, &sink);
            let sink = sink.build().expect("a sound sink");
            outputs.debug(name, &sink);
            let fan_out = FanOut::builder(policy::all()).sink("a", sink).build().expect("sound");
            let message = Message::text(canaries.plant("payload").text());
            outputs.report(&format!("TLS, {name}"), fan_out.send(message).await);
        }
    }
}

struct Server {
    port: u16,
    pem: String,
}

impl Server {
    /// For `127.0.0.1` alone; it says `answer` to every request.
    fn start(answer: Vec<u8>) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the versions of rustls")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], der);
        let config = Arc::new(config.expect("a certificate with its key"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, answer) = (Arc::clone(&config), answer.clone());
                std::thread::spawn(move || {
                    let Ok(connection) = rustls::ServerConnection::new(config) else { return };
                    let mut tls = rustls::StreamOwned::new(connection, stream);
                    // A client that does not trust us is gone by now.
                    if tls.read(&mut [0; 4096]).is_ok() {
                        let _gone = tls.write_all(&answer).and_then(|()| tls.flush()).is_err();
                    }
                });
            }
        });
        Self { port, pem: certificate.pem() }
    }
}
