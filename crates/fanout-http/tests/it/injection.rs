//! Whatever the metadata is, nothing gets into a request that was not meant to.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fanout::{ErrorKind, Message};
use fanout_http::{Client, HttpSink, HttpVersion, Proxy};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proptest::prelude::*;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::send;

type Seen = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;

/// hyper's own server, which reads what was written.
async fn listen(version: HttpVersion, seen: Seen) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/path", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            let service = service_fn(move |request: Request<Incoming>| {
                let seen = Arc::clone(&seen);
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    seen.lock().unwrap().push((head.uri.path().to_owned(), head.headers, body));
                    Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                }
            });
            let io = TokioIo::new(stream);
            tokio::spawn(async move {
                if version == HttpVersion::Http2 {
                    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    drop(server.serve_connection(io, service).await);
                } else {
                    let server = hyper::server::conn::http1::Builder::new();
                    drop(server.serve_connection(io, service).await);
                }
            });
        }
    });
    url
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-zA-Z][a-zA-Z0-9-]{0,8}",
        2 => "x-[ab]",
        1 => "[!-~]{1,6}",
        1 => any::<String>(),
        1 => "x(\r\n|\n|\r|\0|:| |\t)[a-z:]{0,4}",
        1 => prop::sample::select(vec![
            "Content-Type", "user-agent", "accept", "Host", "Content-Length", "transfer-encoding",
            "TE", "connection", "Upgrade", "keep-alive", "trailer", "expect", "proxy-connection",
            "http2-settings", "proxy-authorization", ":path", ":authority", "",
        ]).prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[ -~]{0,24}",
        2 => "[ -~\t\u{80}-\u{2fff}]{0,12}",
        1 => any::<String>(),
        1 => "[a-z]{0,4}(\r\n|\n|\r|\0|\r\n\r\n|\r\n )injected: yes",
    ]
}

/// What RFC 9110 sections 5.1 and 5.5 allow, and this sink: written anew, not to trust the code.
fn is_allowed(name: &str, value: &str) -> bool {
    const OURS: [&str; 12] = [
        "host",
        "content-length",
        "transfer-encoding",
        "te",
        "connection",
        "upgrade",
        "keep-alive",
        "trailer",
        "expect",
        "proxy-connection",
        "http2-settings",
        "proxy-authorization",
    ];
    let token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
    let text = |c: u8| c == b'\t' || (c >= 0x20 && c != 0x7f);
    !name.is_empty()
        && name.bytes().all(token)
        && !OURS.contains(&name.to_ascii_lowercase().as_str())
        && value.bytes().all(text)
}

fn check(version: HttpVersion) {
    let runtime = Runtime::new().unwrap();
    let seen = Seen::default();
    let url = runtime.block_on(listen(version, Arc::clone(&seen)));
    let client = Client::builder().proxy(Proxy::none()).http_version(version).build().unwrap();
    let sink = HttpSink::post(url).client(&client).header("x-a", "own").build().unwrap();
    let run = |pairs: Vec<(String, String)>, content_type: Option<String>| {
        let mut message = Message::text("payload");
        if let Some(content_type) = &content_type {
            message = message.with_content_type(content_type);
        }
        for (name, value) in &pairs {
            message = message.with_metadata(name, value);
        }
        let result = runtime.block_on(send(&sink, &message));
        let arrived = std::mem::take(&mut *seen.lock().unwrap());
        let content_type = message.content_type().unwrap_or_default();
        let allowed = is_allowed("content-type", content_type)
            && pairs.iter().all(|(name, value)| is_allowed(name, value));
        if !allowed {
            let error = result.expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Build);
            assert!(arrived.is_empty(), "nothing is sent");
            return;
        }
        result.unwrap();
        let [(path, headers, body)] = &arrived[..] else { panic!("one request: {arrived:?}") };
        assert_eq!((&**path, &**body), ("/path", &b"payload"[..]));
        // The metadata takes the place of what has the same name, and comes in its order.
        let mut expected: Vec<(String, String)> = vec![
            ("x-a".into(), "own".into()),
            ("user-agent".into(), concat!("fanout/", env!("CARGO_PKG_VERSION")).into()),
            ("content-type".into(), content_type.into()),
        ];
        expected.retain(|(own, _)| !pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case(own)));
        expected
            .extend(pairs.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
        expected.push(("content-length".into(), "7".into()));
        // White space around a value is none of it (section 5.5).
        let trim = |value: &[u8]| {
            let value = String::from_utf8_lossy(value).into_owned();
            value.trim_matches([' ', '\t']).to_owned()
        };
        let mut expected: Vec<_> =
            expected.into_iter().map(|(name, value)| (name, trim(value.as_bytes()))).collect();
        let mut found: Vec<_> = headers
            .iter()
            .filter(|(name, _)| *name != "host")
            .map(|(name, value)| (name.as_str().to_owned(), trim(value.as_bytes())))
            .collect();
        // Stable: values of one name stay in order.
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, expected);
    };
    let pairs = prop::collection::vec((name(), value()), 0..6);
    proptest!(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() },
    |(pairs in pairs, content_type in prop::option::weighted(0.2, value()))| {
        run(pairs, content_type);
    });
}

#[test]
fn no_metadata_injects_anything_into_http1() {
    check(HttpVersion::Http1);
}

#[test]
fn no_metadata_injects_anything_into_http2() {
    check(HttpVersion::Http2);
}

#[tokio::test]
async fn headers_without_measure_are_too_large_and_not_sent() {
    let server = crate::server::Server::answering(crate::server::OK).await;
    let sink = crate::post(server.url("/")).build().unwrap();
    let check = async |count: usize, length: usize, fits: bool| {
        let mut message = Message::text("x");
        for number in 0..count {
            message = message.with_metadata(format!("x-{number}"), "v".repeat(length));
        }
        match send(&sink, &message).await {
            Ok(_) => assert!(fits, "{count} of {length}"),
            Err(error) => {
                assert!(!fits, "{count} of {length}: {error}");
                assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
                assert!(error.to_string().contains("limit: "), "{error}");
            }
        }
    };
    check(1, 60_000, true).await;
    check(1, 66_000, false).await;
    check(990, 10, true).await;
    check(1_001, 1, false).await;
    // A header map ends in a panic at 32,768.
    check(40_000, 1, false).await;
    assert_eq!(server.requests().len(), 2);

    let mut builder = HttpSink::post("http://127.0.0.1/");
    for number in 0..40_000 {
        builder = builder.header(format!("x-{number}"), "s3cret");
    }
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(!error.to_chain().contains("s3cret"));
}
