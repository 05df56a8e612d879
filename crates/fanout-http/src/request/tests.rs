//! Messages in, requests out; nothing is sent.

use fanout::Attempt;

use super::*;

fn template(method: Method) -> Template {
    let headers =
        [header("x-tenant", "blue").unwrap(), header("content-type", "text/csv").unwrap()];
    Template {
        method,
        endpoint: Endpoint::parse("https://api.example/v1?a=b").unwrap(),
        headers: headers.into_iter().collect(),
        compression: Compression::None,
        idempotency: Idempotency::Method,
        version: None,
        max_body: 16,
        redirects: Redirects::none(),
        #[cfg(feature = "webhook")]
        signer: None,
    }
}

fn key() -> IdempotencyKey {
    Attempt::first("sink", &Message::text("x")).idempotency_key()
}

fn headers_of(request: &Request<Bytes>) -> Vec<String> {
    let mut all: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    all.sort();
    all
}

#[test]
fn the_payload_is_the_exact_bytes_and_is_not_copied() {
    let message = Message::bytes(&b"\xff\0{"[..]);
    let request = template(Method::POST).request(&message, key()).unwrap();
    assert_eq!(request.body().as_ptr(), message.payload().as_ptr());
    assert_eq!(request.uri(), "https://api.example/v1?a=b");
    assert_eq!(headers_of(&request), ["content-type: text/csv", "x-tenant: blue"]);
}

#[test]
fn what_the_message_says_wins_over_what_the_sink_says() {
    let message = Message::json(&1)
        .unwrap()
        .with_metadata("X-Tenant", "red")
        .with_metadata("x-tag", "a")
        .with_metadata("x-tag", "ü");
    let request = template(Method::POST).request(&message, key()).unwrap();
    let expected = ["content-type: application/json", "x-tag: a", "x-tag: ü", "x-tenant: red"];
    assert_eq!(headers_of(&request), expected);
}

#[test]
fn without_content_there_is_no_content_type() {
    for method in [Method::GET, Method::HEAD, Method::DELETE] {
        let request = template(method).request(&Message::text(""), key()).unwrap();
        assert_eq!(headers_of(&request), ["x-tenant: blue"]);
    }
    let request = template(Method::POST).request(&Message::bytes(""), key()).unwrap();
    assert_eq!(headers_of(&request), ["content-length: 0", "x-tenant: blue"]);
}

#[test]
fn what_would_break_the_framing_is_refused_by_name_and_without_its_value() {
    let names = RESERVED.iter().copied().chain(["Content-Length", "", "a b", "a:b", "a\r\nb", "ü"]);
    for name in names {
        let message = Message::bytes("x").with_metadata(name, "s3cret");
        let error = template(Method::POST).request(&message, key()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Build, "{name}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("s3cret") && !text.contains('\n'), "{text}");
        assert!(text.contains("header"), "{text}");
    }
    for value in ["s3cret\r\nx: y", "s3cret\n", "s3cret\0", "\x7fs3cret"] {
        let message = Message::bytes("x").with_metadata("x-a", value);
        let error = template(Method::POST).request(&message, key()).unwrap_err();
        assert!(error.to_string().ends_with("(header: x-a)"), "{error}");
        let message = Message::bytes("x").with_content_type(value);
        let error = template(Method::POST).request(&message, key()).unwrap_err();
        assert!(error.to_string().ends_with("(header: content-type)"), "{error}");
    }
}

#[test]
fn a_payload_up_to_the_limit_is_taken() {
    assert!(template(Method::POST).request(&Message::bytes(vec![0; 16]), key()).is_ok());
    let error = template(Method::POST).request(&Message::bytes(vec![0; 17]), key()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().ends_with("(payload: 17 bytes, limit: 16 bytes)"), "{error}");
}

#[test]
fn compressed_content_says_so_and_comes_back_the_same() {
    use std::io::Read as _;
    let template =
        Template { compression: Compression::Gzip, max_body: 5_000, ..template(Method::POST) };
    let message = Message::bytes(vec![b'x'; 5_000]);
    let request = template.request(&message, key()).unwrap();
    assert_eq!(request.headers()["content-encoding"], "gzip");
    assert!(request.body().len() < 100);
    let mut back = Vec::new();
    flate2::read::GzDecoder::new(&request.body()[..]).read_to_end(&mut back).unwrap();
    assert_eq!(&back, message.payload());
    // Nothing to compress, or compressed already.
    let request = template.request(&Message::bytes(""), key()).unwrap();
    assert!(!request.headers().contains_key("content-encoding"));
    let ready = message.with_metadata("content-encoding", "br");
    let request = template.request(&ready, key()).unwrap();
    assert_eq!(request.headers()["content-encoding"], "br");
    assert_eq!(request.body(), ready.payload());
}

#[cfg(feature = "zstd")]
#[test]
fn zstandard_comes_back_the_same() {
    let template = Template { compression: Compression::Zstd, ..template(Method::POST) };
    let request = template.request(&Message::bytes("xxxxxxxxxxxxxxxx"), key()).unwrap();
    assert_eq!(request.headers()["content-encoding"], "zstd");
    assert_eq!(zstd::bulk::decompress(request.body(), 99).unwrap(), b"xxxxxxxxxxxxxxxx");
}

#[test]
fn credentials_are_marked() {
    let (_, value) = header("Authorization", "Bearer s3cret").unwrap();
    assert!(value.is_sensitive());
    assert!(!header("x-tenant", "blue").unwrap().1.is_sensitive());
}

#[test]
fn query_pairs_are_encoded_and_joined() {
    let check = |url: &str, name: &str, value: &str, expected: &str| {
        let mut url = url.to_owned();
        add_query(&mut url, name, value);
        assert_eq!(url, expected);
        Endpoint::parse(&url).unwrap();
    };
    check("http://h/", "a", "b", "http://h/?a=b");
    check("http://h", "a", "b", "http://h?a=b");
    check("http://h/?", "a", "b", "http://h/?a=b");
    check("http://h/?x=y", "a b&", "ü=#\r\n", "http://h/?x=y&a%20b%26=%C3%BC%3D%23%0D%0A");
}

#[test]
fn the_key_is_a_quoted_string_in_its_own_mode_and_nowhere_in_the_others() {
    let message = Message::text("x");
    let attempt = Attempt::first("sink", &message);
    for mode in [Idempotency::Method, Idempotency::Always, Idempotency::Never] {
        let template = Template { idempotency: mode, ..template(Method::POST) };
        let request = template.request(&message, attempt.idempotency_key()).unwrap();
        assert!(!request.headers().contains_key(IDEMPOTENCY_KEY), "{mode}");
        let own = message.clone().with_metadata("Idempotency-Key", "mine");
        let request = template.request(&own, attempt.idempotency_key()).unwrap();
        assert_eq!(request.headers()[IDEMPOTENCY_KEY], "mine", "{mode}");
    }
    let template = Template { idempotency: Idempotency::Key, ..template(Method::POST) };
    let request = template.request(&message, attempt.idempotency_key()).unwrap();
    let field = request.headers()[IDEMPOTENCY_KEY].to_str().unwrap().to_owned();
    assert_eq!(field, format!("\"{}\"", attempt.idempotency_key()));
    let item: sfv::Item = sfv::Parser::new(&field).parse().unwrap();
    let text = item.bare_item.as_string().expect("a string of RFC 9651");
    assert_eq!(text.as_str(), attempt.idempotency_key().to_string());
    // The same message at the same sink: the same key. At another: another.
    let again = Attempt::first("sink", &message).idempotency_key();
    let other = Attempt::first("other", &message).idempotency_key();
    assert_eq!(template.request(&message, again).unwrap().headers()[IDEMPOTENCY_KEY], field);
    assert_ne!(template.request(&message, other).unwrap().headers()[IDEMPOTENCY_KEY], field);
}

#[test]
fn a_second_key_is_refused() {
    let template = Template { idempotency: Idempotency::Key, ..template(Method::POST) };
    let message = Message::text("x").with_metadata("Idempotency-Key", "s3cret");
    let error = template.request(&message, key()).unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, fanout::Effect::None));
    let text = format!("{error} {error:?}");
    assert!(text.contains("(header: idempotency-key)") && !text.contains("s3cret"), "{text}");
}
