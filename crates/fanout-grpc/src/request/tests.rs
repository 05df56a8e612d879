//! Names, metadata and timeouts by table.

use super::*;

#[test]
fn a_method_is_named_in_full() {
    let name = MethodName::parse("shop.v1.Orders/Place").unwrap();
    assert_eq!((name.service(), name.method()), ("shop.v1.Orders", "Place"));
    assert_eq!(name.path().as_str(), "/shop.v1.Orders/Place");
    assert_eq!(MethodName::parse("/shop.v1.Orders/Place").unwrap(), name);
    assert!(MethodName::parse("Orders/Place").is_ok());
    for bad in [
        "", "/", "a", "a/", "/a", "a/b/c", "a b/c", "a/b?c", "a..b/c", "1a/b", "a/é", "a/b\n",
        "//b",
    ] {
        let error = MethodName::parse(bad).expect_err(bad);
        assert_eq!(error.kind(), ErrorKind::Build);
    }
}

fn added(name: &str, value: &str) -> Result<(String, String), Error> {
    let mut headers = HeaderMap::new();
    add(&mut headers, name, value)?;
    let (name, value) = headers.iter().next().expect("one");
    assert!(value.is_sensitive());
    Ok((name.to_string(), value.to_str().expect("text").to_owned()))
}

#[test]
fn metadata_is_checked_and_normalised() {
    let fine = [
        ("X-Tenant", "blue", "x-tenant", "blue"),
        ("a_b.c-1", " ~", "a_b.c-1", " ~"),
        ("authorization", "Bearer t", "authorization", "Bearer t"),
        ("key-bin", "aGk=", "key-bin", "aGk"),
        ("key-bin", "aGk", "key-bin", "aGk"),
        ("key-bin", "", "key-bin", ""),
    ];
    for (name, value, expected_name, expected_value) in fine {
        let expected = (expected_name.to_owned(), expected_value.to_owned());
        assert_eq!(added(name, value).expect(name), expected);
    }
    let refused = [
        ("grpc-timeout", "1S", "reserved"),
        ("Grpc-Status", "0", "reserved"),
        (":path", "/", "reserved"),
        ("te", "trailers", "reserved"),
        ("Content-Type", "text/plain", "reserved"),
        ("user-agent", "x", "reserved"),
        ("host", "x", "reserved"),
        ("", "x", "no metadata name"),
        ("a b", "x", "no metadata name"),
        ("a\r\nb", "x", "no metadata name"),
        ("é", "x", "no metadata name"),
        ("a!", "x", "no metadata name"),
        ("x-a", "s3cret\r\nb: c", "printable ASCII"),
        ("x-a", "s3crét", "printable ASCII"),
        ("x-bin", "s3cret!", "base64"),
    ];
    for (name, value, expected) in refused {
        let error = added(name, value).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert!(!format!("{error:?}").contains("s3cr"), "{error:?}");
    }
}

#[test]
fn the_message_replaces_what_the_sink_always_sends() {
    let mut fixed = HeaderMap::new();
    add(&mut fixed, "x-a", "sink").unwrap();
    add(&mut fixed, "x-b", "sink").unwrap();
    let message: Metadata = [("x-a", "1"), ("X-A", "2")].into_iter().collect();
    let headers = headers(&fixed, &message, 1, None, Duration::from_secs(3)).unwrap();
    let values =
        |name| headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(values("x-a"), ["1", "2"]);
    assert_eq!(values("x-b"), ["sink"]);
    assert_eq!(values("grpc-timeout"), ["3000000u"]);
    assert!(values("grpc-previous-rpc-attempts").is_empty());
}

#[test]
fn later_attempts_say_how_many_came_before() {
    let headers =
        headers(&HeaderMap::new(), &Metadata::default(), 3, None, Duration::from_secs(1)).unwrap();
    assert_eq!(headers["grpc-previous-rpc-attempts"], "2");
}

#[test]
fn timeouts_have_at_most_eight_digits() {
    let cases = [
        (Duration::ZERO, "1u"),
        (Duration::from_nanos(1), "1u"),
        (Duration::from_nanos(1_500), "1u"),
        (Duration::from_millis(1), "1000u"),
        (Duration::from_micros(99_999_999), "99999999u"),
        (Duration::from_secs(100), "100000m"),
        (Duration::from_secs(100_000), "100000S"),
        (Duration::from_secs(100_000_000), "1666666M"),
        (Duration::from_secs(6_000_000_000), "1666666H"),
        (Duration::MAX, "99999999H"),
    ];
    for (duration, expected) in cases {
        assert_eq!(timeout_value(duration), expected, "{duration:?}");
    }
}

#[test]
fn the_answers_metadata_is_text_and_without_the_status() {
    let mut head = HeaderMap::new();
    head.insert("x-a", HeaderValue::from_static("1"));
    head.insert("grpc-encoding", HeaderValue::from_static("identity"));
    let mut tail = HeaderMap::new();
    tail.insert("x-bin", HeaderValue::from_static("aGk"));
    tail.insert("grpc-status", HeaderValue::from_static("0"));
    tail.insert("x-raw", HeaderValue::from_bytes(b"\xff").unwrap());
    let metadata = metadata([&head, &tail].into_iter());
    let pairs: Vec<_> = metadata.iter().collect();
    assert_eq!(pairs, [("x-a", "1"), ("x-bin", "aGk"), ("x-raw", "\u{fffd}")]);
}

#[test]
fn a_key_is_written_as_http_writes_it_and_stands_alone() {
    let message = fanout::Message::bytes("x");
    let key = fanout::Attempt::first("orders", &message).idempotency_key();
    let second = Duration::from_secs(1);
    let written = headers(&HeaderMap::new(), &Metadata::default(), 2, Some(key), second).unwrap();
    assert_eq!(written["idempotency-key"], format!("\"{key}\""));
    let own: Metadata = [("Idempotency-Key", "s3cret")].into_iter().collect();
    let error = headers(&HeaderMap::new(), &own, 1, Some(key), second).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Build);
    assert!(!format!("{error} {error:?}").contains("s3cret"));
    let kept = headers(&HeaderMap::new(), &own, 1, None, second).unwrap();
    assert_eq!(kept["idempotency-key"], "s3cret");
}
