//! Versions in; URLs and headers out; nothing is sent.

use proptest::prelude::*;

use super::*;

fn url(version: &ApiVersion, url: &str) -> Result<String, Error> {
    let mut url = url.to_owned();
    version.check()?;
    in_url(Some(version), &mut url)?;
    Ok(url)
}

fn problem(error: &Error) -> String {
    assert_eq!(error.kind(), ErrorKind::Build);
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    error.to_string()
}

/// The headers of a sink with `own`, and of a message of `content_type` that it sends.
fn headers(
    version: &ApiVersion,
    own: &[(&str, &str)],
    message: &Message,
) -> Result<Vec<String>, Error> {
    version.check()?;
    let mut headers = HeaderMap::new();
    for (name, value) in own {
        let (name, value) = request::header(name, value)?;
        headers.append(name, value);
    }
    version.add_headers(&mut headers)?;
    if let Some(content_type) = message.content_type() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    }
    version.apply(&mut headers, message)?;
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let mut lines: Vec<_> = headers.iter().map(line).collect();
    lines.sort();
    Ok(lines)
}

#[test]
fn a_path_has_the_version_where_the_url_says() {
    let check = |given: &str, expected: &str| {
        assert_eq!(url(&ApiVersion::path("v2"), given).unwrap(), expected);
    };
    check("https://h/{version}/orders", "https://h/v2/orders");
    check("https://h:1/api-{version}?a=b", "https://h:1/api-v2?a=b");
    check("https://h/{version}/{version}", "https://h/v2/v2");
    for without in
        ["https://h/orders", "https://h", "https://h?v={version}", "https://{version}.h/"]
    {
        let error = url(&ApiVersion::path("v2"), without).unwrap_err();
        assert!(problem(&error).contains("write https://HOST/{version}/"), "{without}");
    }
}

#[test]
fn a_placeholder_that_nothing_fills_is_refused() {
    for version in [None, Some(ApiVersion::header("api-version", "1"))] {
        let mut given = "https://h/{version}/orders?s3cret".to_owned();
        let error = in_url(version.as_ref(), &mut given).unwrap_err();
        assert!(problem(&error).contains("names no API version"), "{error}");
    }
}

#[test]
fn a_query_gets_the_version_once() {
    let version = ApiVersion::query("api-version", "2024-10-21");
    let check = |given: &str, expected: &str| assert_eq!(url(&version, given).unwrap(), expected);
    check("https://h/orders", "https://h/orders?api-version=2024-10-21");
    check("https://h/orders?a=b", "https://h/orders?a=b&api-version=2024-10-21");
    check("https://h/?api=1&version=2", "https://h/?api=1&version=2&api-version=2024-10-21");
    for taken in
        ["https://h/?api-version=s3cret", "https://h/?a&api%2dversion", "https://h/?api-version"]
    {
        assert!(problem(&url(&version, taken).unwrap_err()).contains("already"), "{taken}");
    }
    let odd = ApiVersion::query("a&b=", "1");
    assert_eq!(url(&odd, "https://h/").unwrap(), "https://h/?a%26b%3D=1");
}

#[test]
fn a_header_has_the_version_and_no_other() {
    let version = ApiVersion::header("Api-Version", "2024-10-21");
    let message = Message::text("x").with_metadata("x-a", "b");
    let found = headers(&version, &[("x-tenant", "blue")], &message).unwrap();
    let content_type = format!("content-type: {}", message.content_type().unwrap());
    assert_eq!(found, ["api-version: 2024-10-21", &content_type, "x-tenant: blue"]);
    let error = headers(&version, &[("api-version", "s3cret")], &message).unwrap_err();
    assert!(problem(&error).ends_with("(header: api-version)"), "{error}");
    let error =
        headers(&version, &[], &message.with_metadata("API-version", "s3cret")).unwrap_err();
    assert!(problem(&error).ends_with("(header: api-version)"), "{error}");
}

#[test]
fn media_types_get_a_parameter() {
    let version = ApiVersion::media_type("version", "1");
    let check = |own: &[(&str, &str)], content_type: Option<&str>, expected: &[&str]| {
        let message = Message::bytes("x");
        let message = match content_type {
            Some(content_type) => message.with_content_type(content_type),
            None => message,
        };
        assert_eq!(headers(&version, own, &message).unwrap(), expected);
    };
    check(
        &[],
        Some("application/json"),
        &["accept: application/json; version=1", "content-type: application/json; version=1"],
    );
    check(&[("accept", "text/csv")], None, &["accept: text/csv; version=1"]);
    check(
        &[("content-type", "text/csv; charset=utf-8;")],
        None,
        &[
            "accept: application/json; version=1",
            "content-type: text/csv; charset=utf-8; version=1",
        ],
    );
    // Within a string it is no parameter.
    check(
        &[],
        Some("a/b; title=\"\\\";version=2\""),
        &[
            "accept: application/json; version=1",
            "content-type: a/b; title=\"\\\";version=2\"; version=1",
        ],
    );
    for accept in ["a/b, c/d", "a/b;q=0.5", "a/b; Version=2", ""] {
        let error = headers(&version, &[("accept", accept)], &Message::bytes("x")).unwrap_err();
        problem(&error);
    }
    let twice = [("accept", "a/b"), ("accept", "c/d")];
    problem(&headers(&version, &twice, &Message::bytes("x")).unwrap_err());
    for message in [
        Message::bytes("x").with_content_type("application/json;VERSION=2"),
        Message::bytes("x").with_metadata("Accept", "application/json; version=2"),
    ] {
        let error = headers(&version, &[], &message).unwrap_err();
        assert!(problem(&error).contains("which version of the API it means"), "{error}");
    }
}

#[test]
fn a_vendor_type_takes_the_place_of_the_plain_one() {
    let version = ApiVersion::vendor_type("application/vnd.example.{version}+json", "v3");
    let check = |content_type: &str, expected: &str| {
        let message = Message::bytes("x").with_content_type(content_type);
        let found = headers(&version, &[], &message).unwrap();
        let accept = "accept: application/vnd.example.v3+json".to_owned();
        assert_eq!(found, [accept, format!("content-type: {expected}")]);
    };
    check("application/json", "application/vnd.example.v3+json");
    check("Application/JSON; charset=utf-8", "application/vnd.example.v3+json; charset=utf-8");
    check("application/vnd.example.v3+json", "application/vnd.example.v3+json");
    check("text/csv", "text/csv");
    let other = Message::bytes("x").with_content_type("application/vnd.example.v2+json");
    problem(&headers(&version, &[], &other).unwrap_err());
    problem(&headers(&version, &[("accept", "a/b")], &Message::bytes("x")).unwrap_err());
    let message = Message::bytes("x").with_metadata("accept", "a/b");
    problem(&headers(&version, &[], &message).unwrap_err());
    let plain = ApiVersion::vendor_type("application/vnd.example-{version}", "3");
    let json = Message::bytes("x").with_content_type("application/json");
    let expected = ["accept: application/vnd.example-3", "content-type: application/json"];
    assert_eq!(headers(&plain, &[], &json).unwrap(), expected);
}

#[test]
fn nothing_can_be_slipped_in() {
    for odd in [
        "",
        ".",
        "..",
        "v1/../admin",
        "v1?x",
        "v1#",
        "v 1",
        "v1\r\nx: y",
        "v1;q=0",
        "v1,v2",
        "%2e",
        "\"1\"",
        "ü",
        "{version}",
        &"x".repeat(65),
    ] {
        for version in [
            ApiVersion::path(odd),
            ApiVersion::header("api-version", odd),
            ApiVersion::query("api-version", odd),
            ApiVersion::media_type("version", odd),
            ApiVersion::vendor_type("application/vnd.example.{version}", odd),
        ] {
            let error = version.check().expect_err(odd);
            assert!(problem(&error).contains("1 to 64"), "{error}");
        }
    }
    for name in [
        "",
        "host",
        "Content-Length",
        "authorization",
        "X-Api-Key",
        "accept",
        "Content-Type",
        "idempotency-key",
        "a b",
        "a\r\nb",
        "a:b",
    ] {
        problem(&ApiVersion::header(name, "1").check().expect_err(name));
    }
    for name in ["", "q", "Q", "a b", "a=b", "a;b", "a\r\nb", "ü"] {
        problem(&ApiVersion::media_type(name, "1").check().expect_err(name));
    }
    for template in [
        "",
        "{version}",
        "application/json",
        "application/{version}/{version}",
        "a/b;c={version}",
        "a b/{version}",
        "/{version}",
        "a/{version}\r\n",
        "a/{version},b/c",
    ] {
        problem(&ApiVersion::vendor_type(template, "1").check().expect_err(template));
    }
    problem(&ApiVersion::query("", "1").check().unwrap_err());
    assert!(ApiVersion::path("x".repeat(64)).check().is_ok());
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_or_break_a_line(
        version in "[a-z0-9.]{0,3}|.*", name in "[a-z-]{0,9}|.*", given in "(https?://)?([/?#&={}]|h|\\{version\\}|.)*",
        content_type in "[a-z/;=\"\\\\ ]*",
    ) {
        for api in [
            ApiVersion::path(&*version),
            ApiVersion::header(&*name, &*version),
            ApiVersion::query(&*name, &*version),
            ApiVersion::media_type(&*name, &*version),
            ApiVersion::vendor_type(&*name, &*version),
        ] {
            let message = Message::bytes("x").with_content_type(&*content_type);
            if let Ok(filled) = url(&api, &given) {
                let placed = matches!(api.place, Place::Path | Place::Query(_));
                prop_assert!(filled == given || placed);
            }
            if let Ok(lines) = headers(&api, &[], &message) {
                prop_assert!(lines.iter().all(|line| !line.contains(['\r', '\n'])));
            }
        }
    }
}
