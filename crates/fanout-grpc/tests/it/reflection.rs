//! Types from the server itself: by tonic's reflection service, and by raw ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use fanout::{Effect, ErrorKind, Message, Secret, Sink as _};
use fanout_grpc::auth::Bearer;
use fanout_grpc::{GrpcSink, Schema};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic_prost::prost::Message as _;
use tonic_reflection::pb::v1 as pb;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::server::Builder;

use crate::server::{Server, descriptor_set, echo, frame, raw, send};

const V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

/// Answers as tonic's reflection service of one version does, and `None` for other paths.
async fn reflect(version: &str, request: Request<Incoming>) -> Response<Body> {
    let builder = Builder::configure().register_encoded_file_descriptor_set(descriptor_set());
    let answered = match version {
        V1 => builder.build_v1().expect("a service").call(request).await,
        _ => builder.build_v1alpha().expect("a service").call(request).await,
    };
    answered.expect("infallible")
}

fn unimplemented() -> Response<Body> {
    raw(&[("grpc-status", "12")], "", &[])
}

/// An echo server with the reflection service of one version.
async fn reflecting(version: &'static str) -> Server {
    Server::start(move |request| {
        Box::pin(async move {
            match request.uri().path() {
                path if path == version => reflect(version, request).await,
                path if path.starts_with("/grpc.reflection") => unimplemented(),
                _ => echo(request).await,
            }
        })
    })
    .await
}

fn sink(server: &Server) -> GrpcSink {
    server.place().schema(Schema::reflection()).build().expect("a sink")
}

fn paths(server: &Server) -> Vec<String> {
    server.requests().into_iter().map(|(path, _)| path).collect()
}

#[tokio::test]
async fn the_types_come_from_the_server_once_and_imports_are_fetched_by_name() {
    let server = reflecting(V1).await;
    let sink = server
        .method("shop.v1.Orders/Find")
        .schema(Schema::reflection())
        .metadata("authorization", "t")
        .build()
        .unwrap();
    assert!(server.requests().is_empty(), "building does no I/O");
    assert!(!sink.is_repeatable(), "nothing is known yet");
    for _ in 0..2 {
        let message = Message::bytes(r#"{"total":"5","items":[{"sku":"x"}]}"#);
        let reply: serde_json::Value = send(&sink, &message).await.unwrap().json().unwrap();
        assert_eq!(reply["number"], "5");
    }
    // The file with the service, the one it imports, and the calls.
    assert_eq!(paths(&server), [V1, V1, "/shop.v1.Orders/Find", "/shop.v1.Orders/Find"]);
    assert!(server.requests().iter().all(|(_, headers)| headers["authorization"] == "t"));
    assert!(sink.is_repeatable(), "annotated, and known now");
}

#[tokio::test]
async fn v1alpha_is_asked_where_v1_is_not_there() {
    let server = reflecting(V1ALPHA).await;
    let sink = sink(&server);
    let reply: serde_json::Value =
        send(&sink, &Message::bytes(r#"{"total":"5"}"#)).await.unwrap().json().unwrap();
    assert_eq!(reply["number"], "5");
    assert_eq!(paths(&server), [V1, V1ALPHA, V1ALPHA, "/shop.v1.Orders/Place"]);
}

#[tokio::test]
async fn fifty_sends_share_one_fetch() {
    let server = reflecting(V1).await;
    let sink = sink(&server);
    let mut sends = tokio::task::JoinSet::new();
    for number in 0..50 {
        let sink = sink.clone();
        sends.spawn(async move {
            let message = Message::json(&serde_json::json!({ "total": number })).unwrap();
            send(&sink, &message).await.map(|_| ())
        });
    }
    while let Some(done) = sends.join_next().await {
        done.unwrap().unwrap();
    }
    let paths = paths(&server);
    assert_eq!(paths.iter().filter(|path| *path == V1).count(), 2);
    assert_eq!(paths.len(), 52);
}

#[tokio::test]
async fn the_types_may_be_fetched_ahead() {
    let server = reflecting(V1).await;
    let sink = sink(&server);
    sink.load_schema().await.unwrap();
    sink.load_schema().await.unwrap();
    assert_eq!(paths(&server), [V1, V1]);
    // Nothing to fetch, nobody asked.
    server.place().build().unwrap().load_schema().await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_missing_service_or_method_is_said_with_what_is_there() {
    let server = reflecting(V1).await;
    for (method, expected) in [
        ("shop.v1.Order/Place", "did you mean shop.v1.Orders?"),
        ("bank.v1.Accounts/Open", "shop.v1.Orders"),
        ("shop.v1.Orders/Plcae", "did you mean Place?"),
        ("shop.v1.Orders/Watch", "streaming"),
    ] {
        let sink = server.method(method).schema(Schema::reflection()).build().unwrap();
        let error = send(&sink, &Message::bytes("{}")).await.expect_err(method);
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(paths(&server).iter().all(|path| path == V1));
}

#[tokio::test]
async fn a_server_without_reflection_is_unsupported() {
    for answer in [unimplemented, || crate::server::page(404, &[], "nothing here")] {
        let server = crate::server::always(answer).await;
        let error = send(&sink(&server), &Message::bytes("{}")).await.expect_err("no types");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unsupported, Effect::None));
        assert!(error.to_string().contains("descriptor set"), "{error}");
        assert_eq!(paths(&server), [V1, V1ALPHA]);
    }
}

#[tokio::test]
async fn a_fetch_that_failed_is_tried_again_at_the_next_send() {
    let healthy = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&healthy);
    let server = Server::start(move |request| {
        let healthy = switch.load(Ordering::Relaxed);
        Box::pin(async move {
            match request.uri().path() {
                V1 if healthy => reflect(V1, request).await,
                V1 => raw(&[("grpc-status", "14")], "", &[]),
                _ => echo(request).await,
            }
        })
    })
    .await;
    let sink = sink(&server);
    let error = send(&sink, &Message::bytes("{}")).await.expect_err("not healthy");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::None));
    healthy.store(true, Ordering::Relaxed);
    send(&sink, &Message::bytes("{}")).await.unwrap();
}

#[tokio::test]
async fn a_fetch_that_stalls_is_a_timeout_without_effect() {
    let server = Server::start(|_| Box::pin(std::future::pending())).await;
    let sink = server.place().schema(Schema::reflection()).timeout(Duration::from_millis(500));
    let error = send(&sink.build().unwrap(), &Message::bytes("{}")).await.expect_err("a timeout");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::None));
}

#[tokio::test]
async fn what_is_no_answer_of_a_reflection_service_is_a_protocol_error() {
    // Nothing, no message, a message without an answer, and a file that is no file.
    let file = b"\x22\x04\x0a\x02\xff\xff";
    for body in [&b""[..], b"\xff", b"\x0a\x00", file] {
        let body = if body.is_empty() { bytes::Bytes::new() } else { frame(body) };
        let server =
            crate::server::always(move || raw(&[], body.clone(), &[("grpc-status", "0")])).await;
        let error = send(&sink(&server), &Message::bytes("{}")).await.expect_err("no types");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::None));
    }
}

/// A reflection service (v1) that answers each request with these files.
async fn telling(files: fn(&str) -> Vec<FileDescriptorProto>) -> Server {
    Server::start(move |request| {
        Box::pin(async move {
            if request.uri().path() != V1 {
                return echo(request).await;
            }
            let mut body = request.into_body().collect().await.unwrap().to_bytes();
            let mut answer = BytesMut::new();
            while body.has_remaining() {
                assert_eq!(body.get_u8(), 0, "not compressed");
                let length = body.get_u32() as usize;
                let asked = pb::ServerReflectionRequest::decode(body.split_to(length)).unwrap();
                let name = match asked.message_request.unwrap() {
                    MessageRequest::FileByFilename(name) => name,
                    MessageRequest::FileContainingSymbol(name) => name,
                    other => panic!("{other:?}"),
                };
                let file_descriptor_proto =
                    files(&name).iter().map(|file| file.encode_to_vec()).collect();
                let response = pb::FileDescriptorResponse { file_descriptor_proto };
                let response = pb::ServerReflectionResponse {
                    message_response: Some(MessageResponse::FileDescriptorResponse(response)),
                    ..Default::default()
                };
                answer.extend(frame(&response.encode_to_vec()));
            }
            raw(&[], answer.freeze(), &[("grpc-status", "0")])
        })
    })
    .await
}

fn compiled() -> Vec<FileDescriptorProto> {
    FileDescriptorSet::decode(descriptor_set()).unwrap().file
}

#[tokio::test]
async fn a_server_that_tells_all_files_at_once_is_asked_once() {
    let server = telling(|_| compiled()).await;
    send(&sink(&server), &Message::bytes(r#"{"total":1}"#)).await.unwrap();
    assert_eq!(paths(&server), [V1, "/shop.v1.Orders/Place"]);
}

#[tokio::test]
async fn editions_of_a_server_are_refused() {
    let server = telling(|_| {
        let mut files = compiled();
        files.last_mut().unwrap().syntax = Some("editions".into());
        files
    })
    .await;
    let error = send(&sink(&server), &Message::bytes("{}")).await.expect_err("not supported");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None));
    assert!(error.to_string().contains("editions"), "{error}");
}

#[tokio::test]
async fn imports_without_end_come_to_an_end() {
    let server = telling(|name| {
        vec![FileDescriptorProto {
            name: Some(name.to_owned()),
            dependency: vec![format!("{name}x")],
            ..Default::default()
        }]
    })
    .await;
    let error = send(&sink(&server), &Message::bytes("{}")).await.expect_err("no types");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::None));
    assert!(error.to_string().contains("without end"), "{error}");
}

#[tokio::test]
async fn a_file_under_another_name_is_not_asked_for_again_and_again() {
    let server = telling(|_| {
        let order = "shop/v1/orders.proto";
        compiled().into_iter().filter(|file| file.name() == order).collect()
    })
    .await;
    let error = send(&sink(&server), &Message::bytes("{}")).await.expect_err("no types");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::None));
    assert!(server.requests().len() <= 3, "{:?}", server.requests().len());
}

#[tokio::test]
async fn a_timeout_beyond_the_clock_is_no_reason_to_panic() {
    let server = reflecting(V1).await;
    let sink = server.place().schema(Schema::reflection()).timeout(Duration::MAX).build().unwrap();
    sink.load_schema().await.unwrap();
    send(&sink, &Message::bytes("{}")).await.unwrap();
    drop(sink.health().await);
}

#[tokio::test]
async fn a_server_cannot_fill_the_memory() {
    fn imports(count: u32) -> Vec<String> {
        (0..count).map(|n| n.to_string()).collect()
    }
    fn file(name: &str, package: String, dependency: Vec<String>) -> Vec<FileDescriptorProto> {
        let (name, package) = (Some(name.to_owned()), Some(package));
        vec![FileDescriptorProto { name, package, dependency, ..Default::default() }]
    }
    // Each answer is small enough, all of them are not.
    let large = telling(|name| match name.parse::<u32>() {
        Ok(_) => file(name, "x".repeat(1 << 20), Vec::new()),
        Err(_) => file(name, String::new(), imports(20)),
    });
    let many = telling(|name| file(name, String::new(), imports(5_000)));
    for server in [large.await, many.await] {
        let error = send(&sink(&server), &Message::bytes("{}")).await.expect_err("too much");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::TooLarge, Effect::None), "{error}");
    }
}

#[tokio::test]
async fn what_reflection_says_repeats_nothing_of_the_credentials() {
    let server = crate::server::always(|| {
        let error_message = "no: s3cret-token".to_owned();
        let failure = pb::ErrorResponse { error_code: 13, error_message };
        let answer = MessageResponse::ErrorResponse(failure);
        let answer =
            pb::ServerReflectionResponse { message_response: Some(answer), ..Default::default() };
        raw(&[], frame(&answer.encode_to_vec()), &[("grpc-status", "0")])
    })
    .await;
    let sink = server.place().auth(Bearer::new(Secret::new("s3cret-token")));
    let error = sink.schema(Schema::reflection()).build().unwrap().load_schema().await.unwrap_err();
    assert_eq!(error.excerpt(), Some("no: ***"));
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}
