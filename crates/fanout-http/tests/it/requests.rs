//! What goes out.

use std::time::Duration;

use fanout::{Effect, ErrorKind, Message, Sink};
use fanout_http::{Client, Compression, HttpSink, HttpVersion, Proxy};
use wiremock::matchers::{any, body_bytes, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::server::{OK, Server};
use crate::{client, post, refusal, send};

#[tokio::test]
async fn method_path_query_headers_and_the_exact_bytes_arrive() {
    for name in ["POST", "PUT", "PATCH", "DELETE", "GET", "QUERY"] {
        let server = MockServer::start().await;
        let payload = b"\0\xff exact \r\n bytes".to_vec();
        Mock::given(method(name))
            .and(path("/v1/data"))
            .and(query_param("a", "b"))
            .and(query_param("key", "x y&z"))
            .and(header("x-static", "1"))
            .and(header("x-tenant", "blue"))
            .and(header("content-type", "application/octet-stream"))
            .and(header("user-agent", concat!("fanout/", env!("CARGO_PKG_VERSION"))))
            .and(body_bytes(payload.clone()))
            .respond_with(
                ResponseTemplate::new(201).set_body_string("made").insert_header("x-id", "7"),
            )
            .expect(1)
            .mount(&server)
            .await;
        let sink = HttpSink::request(name, format!("{}/v1/data?a=b", server.uri()))
            .client(&client())
            .query("key", "x y&z")
            .header("x-static", "1")
            .content_type("application/octet-stream")
            .build()
            .unwrap();
        let message = Message::bytes(payload).with_metadata("x-tenant", "blue");
        let receipt = send(&sink, &message).await.unwrap();
        assert_eq!(receipt.status().unwrap().to_string(), "201 Created");
        assert_eq!(receipt.metadata().get("x-id"), Some("7"));
        assert_eq!(receipt.body(), "made");
        assert!(!receipt.is_accepted());
    }
}

#[tokio::test]
async fn http2_with_prior_knowledge_reaches_a_server_that_speaks_it() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let client =
        Client::builder().proxy(Proxy::none()).http_version(HttpVersion::Http2).build().unwrap();
    let sink = HttpSink::post(server.uri()).client(&client).build().unwrap();
    send(&sink, &Message::text("hello")).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    // The client speaks nothing but HTTP/2, so what arrived came that way.
    assert_eq!(requests[0].body, b"hello");
}

#[tokio::test]
async fn a_path_goes_out_as_it_was_written() {
    let server = Server::answering(OK).await;
    for (written, sent) in [
        ("", "/"),
        ("?a=b", "/?a=b"),
        ("//a/../b/./c", "//a/../b/./c"),
        ("/a%20b%2Fc?q=%zz&&=&x", "/a%20b%2Fc?q=%zz&&=&x"),
        ("/ünïcode?é", "/%C3%BCn%C3%AFcode?%C3%A9"),
        ("/a;b=c,d:e@f!$'()*+", "/a;b=c,d:e@f!$'()*+"),
    ] {
        let sink = post(server.url(written)).build().unwrap();
        send(&sink, &Message::text("x")).await.unwrap();
        let request = server.requests().pop().unwrap();
        assert!(request.starts_with(&format!("POST {sent} HTTP/1.1\r\n")), "{written}: {request}");
    }
    // Other ways to write the same address, and the host as it was written.
    for host in ["localhost", "127.0.0.1", "LOCALHOST"] {
        let sink = post(format!("HTTP://{host}:{}/", server.addr.port())).build().unwrap();
        send(&sink, &Message::text("x")).await.unwrap();
        let request = server.requests().pop().unwrap();
        assert!(request.contains(&format!("host: {host}:{}", server.addr.port())), "{request}");
    }
}

#[tokio::test]
async fn nothing_is_sent_when_the_message_does_not_make_a_request() {
    let server = Server::answering(OK).await;
    let sink = post(server.url("/")).max_request_body(8).build().unwrap();
    for (message, kind) in [
        (Message::text("x").with_metadata("x-a", "1\r\nx-b: 2"), ErrorKind::Build),
        (Message::text("x").with_metadata("x-a\r\nx-b", "1"), ErrorKind::Build),
        (Message::text("x").with_metadata("Transfer-Encoding", "chunked"), ErrorKind::Build),
        (Message::text("x").with_content_type("text/plain\r\nx: y"), ErrorKind::Build),
        (Message::text("123456789"), ErrorKind::TooLarge),
    ] {
        let error = refusal(&sink, &message).await;
        assert_eq!((error.kind(), error.effect()), (kind, Effect::None), "{error}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn without_a_payload_get_and_delete_have_no_body() {
    let server = Server::answering(OK).await;
    for name in ["GET", "DELETE"] {
        let sink = HttpSink::request(name, server.url("/")).client(&client()).build().unwrap();
        send(&sink, &Message::text("")).await.unwrap();
        let request = server.requests().pop().unwrap();
        assert!(!request.contains("content-"), "{request}");
        assert!(!request.contains("transfer-"), "{request}");
    }
    let sink = post(server.url("/")).build().unwrap();
    send(&sink, &Message::bytes("")).await.unwrap();
    assert!(server.requests().pop().unwrap().contains("content-length: 0\r\n"));
}

#[tokio::test]
async fn a_compressed_body_is_declared() {
    let server = Server::answering(OK).await;
    let sink = post(server.url("/")).compression(Compression::Gzip).build().unwrap();
    send(&sink, &Message::text("x".repeat(10_000))).await.unwrap();
    let request = server.requests().pop().unwrap();
    assert!(request.contains("content-encoding: gzip\r\n"));
    assert!(request.len() < 1_000);
}

#[test]
fn what_cannot_work_is_refused_when_the_sink_is_built() {
    let check = |builder: fanout_http::HttpSinkBuilder, expected: &str| {
        let shown = format!("{builder:?}");
        let error = builder.build().map(|_| ()).expect_err(expected);
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error:?} {error} {shown}").contains("s3cret"), "{error} {shown}");
    };
    let url = "https://h/?key=s3cret";
    check(HttpSink::post("localhost:1/?s3cret"), "no scheme");
    check(HttpSink::post("http://u:s3cret@h/"), "user name or password");
    check(HttpSink::post("http://h/#x").query("a", "s3cret"), "fragment");
    check(HttpSink::request("CONNECT", url), "no method");
    check(HttpSink::request("PO ST", url), "no method");
    check(HttpSink::post(url).timeout(Duration::ZERO), "timeout must not be zero");
    check(HttpSink::post(url).connect_timeout(Duration::ZERO), "connect_timeout must not be zero");
    check(HttpSink::post(url).header("x-a", "s3cret\n"), "header: x-a");
    check(HttpSink::post(url).header("Content-Length", "s3cret"), "header: content-length");
    check(HttpSink::post(url).content_type("s3cret\n"), "header: content-type");
    let keyed = HttpSink::post(url).idempotency(fanout_http::Idempotency::Key);
    check(keyed.header("Idempotency-Key", "s3cret"), "header: idempotency-key");
    check(HttpSink::post(url).retry_on("5x"), "retry_on: 5x");
    check(HttpSink::post(url).never_on("599-500"), "never_on: 599-500");
    check(HttpSink::post(url).success_on("all"), "success_on: all");
    let shared = Client::new();
    let second = Duration::from_secs(1);
    check(HttpSink::post(url).client(&shared).connect_timeout(second), "shared client");
    check(HttpSink::post(url).client(&shared).http_version(HttpVersion::Http1), "shared client");
    check(HttpSink::post(url).client(&shared).server_name("s3cret"), "shared client");
    check(HttpSink::post(url).client(&shared).root_certificates("s3cret"), "shared client");
    check(HttpSink::post(url).client(&shared).client_identity("s3cret", "s3cret"), "shared");
    check(HttpSink::post(url).root_certificates("s3cret"), "no PEM certificate");
    check(HttpSink::post(url).root_certificates_file("no/such.pem"), "from no/such.pem: no such");
    check(HttpSink::post(url).client_identity("s3cret", "s3cret"), "the client certificate: ");
    check(HttpSink::post(url).client_identity_files("no/such.pem", "x"), "from no/such.pem");
    check(HttpSink::post(url).server_name("a:443"), "server_name");
    check(HttpSink::post(url).host("a/b"), "write HOST");
}

#[tokio::test]
async fn a_request_can_name_another_host_than_it_is_sent_to() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200);
    Mock::given(header("host", "api.internal")).respond_with(answer).expect(2).mount(&server).await;
    let own = HttpSink::post(server.uri()).host("api.internal").build().unwrap();
    send(&own, &Message::text("x")).await.unwrap();
    let shared = HttpSink::post(server.uri()).client(&client()).host("api.internal");
    send(&shared.build().unwrap(), &Message::text("x")).await.unwrap();
}

#[test]
fn plain_text_leaves_this_machine_only_when_allowed() {
    for url in ["http://h/?key=s3cret", "HTTP://127.1/", "http://localhost.example/"] {
        let error = HttpSink::post(url).build().map(|_| ()).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Build);
        let text = error.to_chain();
        assert!(text.contains("use https://, or allow it with allow_plaintext"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
        HttpSink::post(url).allow_plaintext().build().expect("it is allowed");
    }
    for url in ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]/", "https://h/"] {
        HttpSink::post(url).build().expect(url);
    }
}

#[test]
fn a_sink_is_made_offline_and_shows_no_secret() {
    let sink = HttpSink::post("https://nowhere.invalid/a-s3cret-hook?key=s3cret")
        .header("authorization", "Bearer s3cret")
        .build()
        .unwrap();
    let shown = format!("{sink:?}");
    assert!(shown.contains("https://nowhere.invalid"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn idempotent_methods_are_repeatable() {
    for (name, expected) in [
        ("GET", true),
        ("HEAD", true),
        ("PUT", true),
        ("DELETE", true),
        ("OPTIONS", true),
        ("POST", false),
        ("PATCH", false),
        ("QUERY", true),
        ("PURGE", false),
    ] {
        let sink = HttpSink::request(name, "https://h/").build().unwrap();
        assert_eq!(sink.is_repeatable(), expected, "{name}");
    }
}
