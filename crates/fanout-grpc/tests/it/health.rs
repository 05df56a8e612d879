//! The health question, to servers that answer it in every way.

use fanout::{Effect, ErrorKind};
use fanout_grpc::Health;

use crate::server::{always, frame, raw};

#[tokio::test]
async fn what_the_server_says_is_told() {
    let ok = &[("grpc-status", "0")];
    for (body, expected) in [
        (&b"\x08\x01"[..], Health::Serving),
        (b"\x08\x02", Health::NotServing),
        (b"\x08\x03", Health::Unknown),
        (b"", Health::Unknown),
        (b"\x08\x63", Health::Unknown),
    ] {
        let server = always(move || raw(&[], frame(body), ok)).await;
        let sink = server.place().metadata("authorization", "t").build().unwrap();
        assert_eq!(sink.health().await.unwrap(), expected);
        let (path, headers) = &server.requests()[0];
        assert_eq!(path, "/grpc.health.v1.Health/Check");
        assert_eq!(headers["authorization"], "t");
    }
    let server = always(|| raw(&[("grpc-status", "5")], "", &[])).await;
    assert_eq!(server.place().build().unwrap().health().await.unwrap(), Health::Unknown);
}

#[tokio::test]
async fn a_server_without_a_health_service_is_unsupported() {
    let server = always(|| raw(&[("grpc-status", "12")], "", &[])).await;
    let error = server.place().build().unwrap().health().await.expect_err("no answer");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unsupported, Effect::None));
    let server = always(|| raw(&[], frame(b"\xff"), &[("grpc-status", "0")])).await;
    let error = server.place().build().unwrap().health().await.expect_err("no answer");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::None));
}
