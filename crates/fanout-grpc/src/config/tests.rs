//! What can be built, and what is refused without I/O.

use super::*;
use crate::schema::tests::descriptors;

fn unary(endpoint: &str) -> GrpcSinkBuilder {
    GrpcSink::unary(endpoint, "shop.v1.Orders/Place")
}

fn refused(builder: GrpcSinkBuilder, expected: &str) {
    let error = builder.build().expect_err(expected);
    assert_eq!(error.kind(), ErrorKind::Build);
    let text = format!("{} {error:?}", error.to_chain());
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn the_schemes_of_grpc_are_those_of_http_and_shown_as_written() {
    for (url, expected) in [
        ("grpc://h:1", "grpc://h:1/"),
        ("GRPCS://h", "grpcs://h/"),
        ("http://[::1]:1/base", "http://[::1]:1/base"),
        ("https://h", "https://h/"),
    ] {
        let endpoint = endpoint(url).expect(url);
        assert_eq!(endpoint.to_string(), expected);
        let scheme = if endpoint.is_tls() { "https" } else { "http" };
        assert_eq!(endpoint.uri().scheme_str(), Some(scheme));
    }
}

#[test]
fn what_cannot_work_is_refused_at_once() {
    refused(unary("h:50051"), "grpc://");
    refused(unary("ftp://h/s3cret"), "grpc://");
    refused(unary("grpc://user:s3cret@h"), "user name or password");
    refused(unary("grpc://h/?s3cret"), "no query");
    refused(unary("grpc://"), "no host");
    refused(GrpcSink::unary("grpcs://h", "Place"), "package.Service/Method");
    refused(unary("grpcs://h").timeout(Duration::ZERO), "longer than zero");
    refused(unary("grpcs://h").metadata("grpc-timeout", "s3cret"), "reserved");
    refused(unary("grpcs://h").metadata("x", "s3cret\n"), "printable");
    refused(unary("grpcs://h").root_certificates("s3cret"), "");
    refused(unary("grpcs://h").client_identity("s3cret", "s3cret"), "");
    let client = Client::new();
    refused(unary("grpc://localhost").client(&client), "HTTP/2");
    unary("grpcs://h").client(&client).build().expect("it negotiates");
    let old = Client::builder().http_version(HttpVersion::Http1).build().expect("a client");
    refused(unary("grpcs://h").client(&old), "HTTP/2");
    refused(unary("grpcs://h").client(&client).root_certificates("x"), "on the shared client");
}

#[test]
fn plain_text_leaves_this_machine_only_when_allowed() {
    for url in ["grpc://h", "http://h", "grpc://127.1"] {
        refused(unary(url), "allow_plaintext");
        unary(url).allow_plaintext().build().expect("it is allowed");
    }
    refused(unary("grpc://h"), "use grpcs://");
    for url in ["grpc://localhost", "grpc://127.0.0.1:1", "http://[::1]", "grpcs://h", "https://h"]
    {
        unary(url).build().expect(url);
    }
}

#[test]
fn a_method_is_looked_up_in_the_descriptor_set_when_built() {
    let schema = || Schema::Descriptors(descriptors().clone());
    unary("grpcs://h").schema(schema()).build().expect("a sink");
    refused(
        GrpcSink::unary("grpcs://h", "shop.v1.Orders/Plcae").schema(schema()),
        "did you mean Place?",
    );
}

#[test]
fn only_an_annotated_method_is_repeatable() {
    use fanout::Sink as _;
    for (method, expected) in [("Place", false), ("Find", true), ("Cancel", true)] {
        let name = format!("shop.v1.Orders/{method}");
        let schema = Schema::Descriptors(descriptors().clone());
        let sink = GrpcSink::unary("grpcs://h", name.as_str()).schema(schema).build().unwrap();
        assert_eq!(sink.is_repeatable(), expected, "{method}");
        let blind = GrpcSink::unary("grpcs://h", name).build().unwrap();
        assert!(!blind.is_repeatable());
    }
}

#[test]
fn the_mode_decides_what_is_repeatable() {
    use fanout::Sink as _;
    for (mode, annotated, other) in [
        (Idempotency::Method, true, false),
        (Idempotency::Key, true, true),
        (Idempotency::Always, true, true),
        (Idempotency::Never, false, false),
    ] {
        for (method, expected) in [("Find", annotated), ("Place", other)] {
            let schema = Schema::Descriptors(descriptors().clone());
            let sink = GrpcSink::unary("grpcs://h", format!("shop.v1.Orders/{method}"));
            let sink = sink.schema(schema).idempotency(mode).build().unwrap();
            assert_eq!(sink.is_repeatable(), expected, "{mode} {method}");
        }
    }
    let keyed = || unary("grpcs://h").idempotency(Idempotency::Key);
    refused(keyed().metadata("Idempotency-Key", "s3cret"), "idempotency-key");
    unary("grpcs://h").metadata("idempotency-key", "mine").build().expect("another mode");
}

#[test]
fn debug_shows_no_secret() {
    let builder = unary("grpc://user:s3cret@h").metadata("authorization", "s3cret");
    assert!(!format!("{builder:?}").contains("s3cret"));
    let sink = unary("grpcs://h").metadata("authorization", "s3cret").build().unwrap();
    let text = format!("{sink:?}");
    assert!(!text.contains("s3cret"), "{text}");
    assert!(text.contains("authorization"), "{text}");
}

/// Holds `docs/numbers.md` against the code.
#[test]
fn the_defaults_are_those_of_the_documentation() {
    let builder = unary("grpcs://h");
    let text = include_str!("../../docs/numbers.md");
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), 3);
    for row in rows {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let found = match cells[1] {
            "timeout" => builder.timeout.as_secs(),
            "max_request" => builder.max_request as u64,
            "max_response" => builder.max_response as u64,
            other => panic!("{other}"),
        };
        assert_eq!(found.to_string(), cells[2], "{row}");
    }
}
