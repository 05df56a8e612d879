//! Sinks whose endpoint somebody else wrote.

use fanout::{Effect, Error, ErrorKind};
use fanout_grpc::{Client, GrpcSink, GrpcSinkBuilder, Guard, HttpVersion, Proxy, Schema};

use crate::server::{Server, failure, order, send};

fn client(guard: Option<Guard>) -> Client {
    let builder = Client::builder().proxy(Proxy::none()).http_version(HttpVersion::Http2);
    match guard {
        Some(guard) => builder.guard(guard).build().unwrap(),
        None => builder.build().unwrap(),
    }
}

#[track_caller]
fn refused(builder: GrpcSinkBuilder) -> Error {
    builder.build().map(|_| ()).expect_err("a refused endpoint")
}

#[tokio::test]
async fn a_refused_endpoint_is_an_error_before_anything_is_sent() {
    let server = Server::echo().await;
    for host in ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"] {
        let endpoint = format!("grpc://{host}:{}", server.port());
        let sink = GrpcSink::unary(endpoint, "shop.v1.Orders/Place").allow_plaintext();
        let error = refused(sink.client(&client(Some(Guard::new()))));
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Forbidden, Effect::None), "{error}");
    }
    assert!(server.requests().is_empty());
    let metadata = || GrpcSink::unary("grpcs://169.254.169.254", "a.B/C");
    metadata().build().unwrap();
    assert_eq!(refused(metadata().untrusted()).kind(), ErrorKind::Forbidden);
    metadata().guard(Guard::new().allow("169.254.0.0/16").unwrap()).build().unwrap();
}

#[test]
fn the_guard_is_the_clients() {
    let sink = || GrpcSink::unary("grpcs://hooks.example", "a.B/C");
    sink().client(&client(Some(Guard::new()))).untrusted().build().unwrap();
    for builder in
        [sink().client(&client(None)).untrusted(), sink().client(&client(None)).guard(Guard::new())]
    {
        let error = refused(builder);
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(error.message().contains("shared client"), "{error}");
    }
}

/// Reflection goes over the same client, before the call.
#[tokio::test]
async fn a_name_that_leads_inwards_is_refused_with_and_without_reflection() {
    use std::sync::Arc;

    struct Inwards;

    #[fanout::async_trait]
    impl fanout_grpc::Resolve for Inwards {
        async fn resolve(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            Ok(vec![std::net::Ipv4Addr::LOCALHOST.into()])
        }
    }

    let server = Server::echo().await;
    let endpoint = format!("grpc://hooks.example:{}", server.port());
    let sink = |guard: Guard| {
        let client = Client::builder().proxy(Proxy::none()).http_version(HttpVersion::Http2);
        let client = client.resolver(Arc::new(Inwards)).guard(guard).build().unwrap();
        GrpcSink::unary(&*endpoint, "shop.v1.Orders/Place").allow_plaintext().client(&client)
    };
    for schema in [Schema::reflection(), Schema::Encoded] {
        let error = failure(sink(Guard::new()).schema(schema)).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Forbidden, Effect::None), "{error}");
        assert!(error.to_string().contains("leads to a loopback address"), "{error}");
    }
    assert!(server.requests().is_empty());
    let allowed = sink(Guard::new().allow("hooks.example").unwrap()).build().unwrap();
    send(&allowed, &order("a", 1)).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}
