//! Certificates of either side that are refused, against `openssl s_server` and nginx.

use fanout::{Effect, Error, ErrorKind, Message, Receipt, RetryAdvice, Sink};
use fanout_grpc::{GrpcSink, GrpcSinkBuilder};
use fanout_http::{HttpSink, HttpSinkBuilder, TlsVersion};
use fanout_net::{Client, Endpoint, Proxy};

use super::send;
use crate::servers::mutual::Mutual;
use crate::servers::openssl::{Authority, OpenSsl, Pair};
use crate::servers::script::Script;

const VALID: std::ops::Range<i32> = 2020..2099;

/// A sink for the page of a server, by the newest TLS that both have.
fn get(server: &OpenSsl, authority: &Authority) -> HttpSinkBuilder {
    HttpSink::get(server.url()).root_certificates_file(authority.file())
}

/// A gRPC sink for the same place. It gets no further than its handshake there.
fn call(server: &OpenSsl, authority: &Authority) -> GrpcSinkBuilder {
    GrpcSink::unary(format!("grpcs://localhost:{}", server.port), "a.v1.B/C")
        .root_certificates_file(authority.file())
}

async fn answer(sink: &impl Sink) -> Result<Receipt, Error> {
    send(sink, &Message::bytes("")).await
}

/// Both sinks fail with this text, and the server did nothing.
async fn refused(http: HttpSinkBuilder, grpc: GrpcSinkBuilder, expected: &str) {
    let http = answer(&http.build().expect("a sound sink")).await;
    let grpc = answer(&grpc.build().expect("a sound sink")).await;
    for answer in [http, grpc] {
        let error = answer.expect_err(expected);
        let found = (error.kind(), error.effect(), error.advice());
        let tls = (ErrorKind::Tls, Effect::None, RetryAdvice::OtherSink);
        assert_eq!(found, tls, "{}", error.to_chain());
        assert!(error.message().contains(expected), "{expected}: {}", error.to_chain());
    }
}

pub(crate) async fn a_certificate_that_cannot_be_trusted_is_refused() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("theirs"));
    for (pair, expected) in [
        (authority.sign("localhost", 2001..2002), "certificate has expired on 2002-01-01"),
        (authority.sign("localhost", 4000..4001), "certificate is not valid before 4000-01-01"),
        (authority.sign("db.example", VALID), "not valid for this name (it is for db.example)"),
        (stranger.sign("localhost", VALID), "certificate has an unknown issuer"),
    ] {
        let server = OpenSsl::start(&pair, &["-alpn", "h2,http/1.1"]).await;
        refused(get(&server, &authority), call(&server, &authority), expected).await;
        let client = client(&authority);
        let url = Endpoint::parse(&server.url()).expect("a sound URL");
        let error = client.certificate(&url).await.expect_err(expected);
        assert!(error.message().contains(expected), "{error}");
    }
}

pub(crate) async fn a_good_certificate_is_trusted_and_its_end_told() {
    let authority = Authority::new("ours");
    for version in ["-tls1_2", "-tls1_3"] {
        let pair = authority.sign("localhost", 2020..2030);
        let server = OpenSsl::start(&pair, &[version]).await;
        let sink = get(&server, &authority).build().expect("a sound sink");
        let receipt = answer(&sink).await.expect("it is delivered");
        assert_eq!(receipt.status().map(|status| status.code()), Some(200));
        let url = Endpoint::parse(&server.url()).expect("a sound URL");
        let found = client(&authority).certificate(&url).await.expect("a certificate");
        let end = found.not_after().duration_since(std::time::SystemTime::UNIX_EPOCH);
        assert_eq!(end.expect("after 1970").as_secs(), 1_893_456_000);
    }
    let pair = authority.sign("db.example", VALID);
    let server = OpenSsl::start(&pair, &[]).await;
    let named = get(&server, &authority).server_name("db.example").build();
    answer(&named.expect("a sound sink")).await.expect("it is delivered");
    let named = get(&server, &authority).host("db.example").build();
    answer(&named.expect("a sound sink")).await.expect("it is delivered");
}

fn client(authority: &Authority) -> Client {
    let builder = Client::builder().root_certificates_file(authority.file());
    builder.proxy(Proxy::none()).build().expect("a sound client")
}

pub(crate) async fn a_client_certificate_is_demanded() {
    let authority = Authority::new("ours");
    let pair = authority.sign("localhost", VALID);
    let theirs = authority.file();
    let theirs = theirs.to_str().expect("a path of UTF-8");
    let stranger = Authority::new("theirs");
    let (good, bad) = (authority.sign("me", VALID), stranger.sign("me", VALID));
    let old = authority.sign("me", 2001..2002);
    for version in ["-tls1_2", "-tls1_3"] {
        let options = [version, "-Verify", "1", "-verify_return_error", "-CAfile", theirs];
        let options = [&options[..], &["-alpn", "h2,http/1.1"]].concat();
        let server = OpenSsl::start(&pair, &options).await;
        let (http, grpc) = (|| get(&server, &authority), || call(&server, &authority));
        // What breaks first, the reading or the writing, is a matter of luck.
        for _ in 0..10 {
            refused(http(), grpc(), "the server asks for a client certificate").await;
            for pair in [&bad, &old] {
                let (chain, key) = (&pair.certificate, &pair.key);
                let http = http().client_identity_files(chain, key);
                let grpc = grpc().client_identity_files(chain, key);
                refused(http, grpc, "the server does not accept our client certificate (").await;
            }
        }
        let url = Endpoint::parse(&server.url()).expect("a sound URL");
        let error = client(&authority).certificate(&url).await.expect_err("we show none");
        assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
        drop(server);
        // Its page speaks HTTP/1.0 alone.
        let server = OpenSsl::start(&pair, &options[..6]).await;
        let sink = get(&server, &authority).client_identity_files(&good.certificate, &good.key);
        let sink = sink.build().expect("a sound sink");
        answer(&sink).await.expect("it is delivered");
    }
}

pub(crate) async fn a_version_that_is_too_old_is_refused() {
    let authority = Authority::new("ours");
    let pair = authority.sign("localhost", VALID);
    let server = OpenSsl::start(&pair, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]).await;
    let expected = "the server must speak TLS 1.2 or newer";
    refused(get(&server, &authority), call(&server, &authority), expected).await;

    let server = OpenSsl::start(&pair, &["-tls1_2"]).await;
    let sink = get(&server, &authority).build().expect("a sound sink");
    answer(&sink).await.expect("it is delivered");
    let newer = TlsVersion::Tls13;
    let http = get(&server, &authority).min_tls_version(newer);
    let grpc = call(&server, &authority).min_tls_version(newer);
    refused(http, grpc, "the server must speak TLS 1.3, the minimum here").await;
}

pub(crate) async fn both_sinks_get_through_with_a_certificate() {
    let authority = Authority::new("ours");
    let pair = authority.sign("localhost", VALID);
    let good = authority.sign("me", VALID);
    let stranger = Authority::new("theirs");
    let bad = stranger.sign("me", VALID);
    let (mut http, mut grpc) = (Script::python(None).await, Script::grpcio(None).await);
    let nginx = Mutual::start(&pair, &authority, http.port(), grpc.port()).await;
    let post = |pair: Option<&Pair>| {
        let sink = HttpSink::post(format!("https://localhost:{}/http/orders", nginx.port))
            .root_certificates_file(authority.file());
        match pair {
            Some(pair) => sink.client_identity_files(&pair.certificate, &pair.key),
            None => sink,
        }
        .build()
        .expect("a sound sink")
    };
    let place = |pair: Option<&Pair>| {
        let endpoint = format!("grpcs://localhost:{}", nginx.port);
        let sink = GrpcSink::unary(endpoint, "interop.v1.Orders/Place")
            .root_certificates_file(authority.file());
        match pair {
            Some(pair) => sink.client_identity_files(&pair.certificate, &pair.key),
            None => sink,
        }
        .build()
        .expect("a sound sink")
    };
    // nginx ends the handshake well and refuses the request: it answers 400, over HTTP. So does it for
    // gRPC, in which that is no answer.
    for pair in [None, Some(&bad)] {
        let error = answer(&post(pair)).await.expect_err("it is refused");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Rejected, Effect::None), "{error}");
        assert!(error.excerpt().is_some_and(|page| page.contains("SSL certificate")), "{error:?}");
        let error = answer(&place(pair)).await.expect_err("it is refused");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::Maybe), "{error}");
        assert!(error.excerpt().is_some_and(|page| page.contains("SSL certificate")), "{error:?}");
    }
    answer(&post(Some(&good))).await.expect("it is delivered");
    answer(&place(Some(&good))).await.expect("it is delivered");
    http.next().await;
    grpc.next().await;
    assert_eq!((http.end().await, grpc.end().await), (0, 0), "one request each");
}
