//! What is kept of what the other side says, and how it reads.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// 2026-01-01, 2026-12-31 and a time between them.
const JANUARY: u64 = 1_767_225_600;
const DECEMBER: u64 = 1_798_675_200;
const BETWEEN: u64 = 1_780_000_000;

#[test]
fn it_reads_as_a_sentence_at_any_time() {
    let check = |notice: &ApiNotice, now: u64, expected: &str| {
        assert_eq!(notice.words(at(now)), expected);
    };
    let none = ApiNotice::new();
    let v1 = none.clone().with_version("v1");
    let since = v1.clone().with_deprecated_since(at(JANUARY));
    let both = since.clone().with_sunset(at(DECEMBER));
    check(&v1.clone().with_deprecated(), 0, "v1 is deprecated");
    check(&none.clone().with_deprecated(), 0, "the API is deprecated");
    check(&since, JANUARY - 1, "v1 is deprecated from 2026-01-01 on");
    check(&since, JANUARY, "v1 is deprecated since 2026-01-01");
    check(&both, BETWEEN, "v1 is deprecated since 2026-01-01, gone on 2026-12-31");
    check(&both, DECEMBER, "v1 is deprecated since 2026-01-01, was to be gone on 2026-12-31");
    let end = none.with_sunset(at(DECEMBER));
    check(&end, BETWEEN, "the API will be gone on 2026-12-31");
    check(&end, DECEMBER, "the API was to be gone on 2026-12-31");
    let all = both.with_successor("https://h/v2").with_documentation("https://h/docs");
    let expected = "v1 is deprecated since 2026-01-01, gone on 2026-12-31, \
                    successor https://h/v2, see https://h/docs";
    check(&all, BETWEEN, expected);
    assert_eq!(format!("{v1:>22}"), "  v1 announces nothing");
}

#[test]
fn the_end_is_reached_at_its_second() {
    let notice = ApiNotice::new().with_sunset(at(DECEMBER));
    assert!(!notice.has_ended(at(DECEMBER - 1)) && notice.has_ended(at(DECEMBER)));
    assert!(!ApiNotice::new().with_deprecated().has_ended(at(u64::from(u32::MAX))));
    assert_eq!(notice.sunset_day().as_deref(), Some("2026-12-31"));
}

#[test]
fn addresses_are_kept_without_what_may_be_secret_or_not_at_all() {
    let check = |url: &str, expected: Option<&str>| {
        let notice = ApiNotice::new().with_successor(url).with_documentation(url);
        assert_eq!(notice.successor(), expected, "{url:?}");
        assert_eq!(notice.documentation(), expected, "{url:?}");
    };
    check("https://h/v2?token=s3cret#s3cret", Some("https://h/v2"));
    check("HTTPS://u:s3cret@h:8443/v2", Some("https://h:8443/v2"));
    check("http://a@b@h", Some("http://h"));
    check("https://h/@/b", Some("https://h/@/b"));
    check("https://h/%1b", Some("https://h/%1b"));
    for odd in [
        "",
        "/v2",
        "h/v2",
        "//h/v2",
        "javascript:alert(1)",
        "javascript://h/",
        "file:///etc/passwd",
        "https://",
        "https:///v2",
        "https://u@/v2",
        "https://h/\u{1b}[2J",
        "https://h/a\nb",
        "https://h/a b",
        "https://h/\u{202e}gpj",
        "https://h\\@evil/",
        "https://h/>\"",
        "https://bücher.example/",
    ] {
        check(odd, None);
    }
    let longest = format!("https://h/{}", "x".repeat(502));
    check(&longest, Some(&longest));
    check(&format!("{longest}x"), None);
}

/// Found by a fuzzer: `https://`.example/` was shown, and is no URL to anybody.
#[test]
fn an_address_has_a_host_that_everybody_reads_alike() {
    let check = |url: &str, expected: Option<&str>| {
        assert_eq!(ApiNotice::new().with_successor(url).successor(), expected, "{url}");
    };
    for good in
        ["https://h:1/a", "http://[2001:db8::1]:8443/*", "https://x_y.example", "http://[::1]"]
    {
        check(good, Some(good));
    }
    for bad in
        ["`.example", "h:", "h:+1", "h:65536", "h:1:2", "[::1", "[x]", "a%2fb", ":1", "h/`", "***"]
    {
        check(&format!("https://{bad}"), None);
    }
    let notice = ApiNotice::new().with_successor("https://h/hooks/s3cret").with_sunset(at(1));
    let hidden = |text: &str| Some(text.replace("s3cret", "***"));
    assert_eq!(notice.rewrite(hidden).successor(), Some("https://h/hooks/***"));
}

#[test]
fn versions_and_times_that_cannot_be_shown_count_as_not_said() {
    for odd in ["", "v 1", "v\u{1b}1", "ü", &"x".repeat(65)] {
        assert_eq!(ApiNotice::new().with_version(odd).version(), None, "{odd:?}");
    }
    assert_eq!(ApiNotice::new().with_version(&"x".repeat(64)).version().map(str::len), Some(64));
    let before = UNIX_EPOCH - Duration::from_nanos(1);
    for odd in [before, at(253_402_300_800), at(1 << 50)] {
        let notice = ApiNotice::new().with_sunset(odd).with_deprecated_since(odd);
        assert_eq!((notice.sunset(), notice.deprecated_since()), (None, None), "{odd:?}");
        assert!(notice.is_deprecated(), "the fact stands");
    }
    for fine in [at(0), at(253_402_207_200)] {
        let notice = ApiNotice::new().with_sunset(fine + Duration::from_millis(999));
        assert_eq!(notice.sunset(), Some(fine));
    }
}

#[test]
fn the_json_has_what_is_known_and_times_of_rfc_3339() {
    let full = ApiNotice::new()
        .with_version("2024-10-21")
        .with_deprecated_since(at(1_688_169_599))
        .with_sunset(at(DECEMBER))
        .with_successor("https://h/v2?s3cret")
        .with_documentation("https://h/docs");
    let expected = serde_json::json!({
        "version": "2024-10-21",
        "deprecated": true,
        "deprecated_since": "2023-06-30T23:59:59Z",
        "sunset": "2026-12-31T00:00:00Z",
        "successor": "https://h/v2",
        "documentation": "https://h/docs",
    });
    assert_eq!(serde_json::to_value(full).unwrap(), expected);
    let bare = serde_json::to_value(ApiNotice::new().with_sunset(at(0))).unwrap();
    assert_eq!(bare, serde_json::json!({ "deprecated": false, "sunset": "1970-01-01T00:00:00Z" }));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_or_show_what_commands_a_terminal(
        version in ".*", url in "(https?://)?(.|[\\x00-\\x7f])*", seconds in any::<u64>(),
    ) {
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
        let notice = ApiNotice::new()
            .with_version(&version)
            .with_deprecated_since(time)
            .with_sunset(time)
            .with_successor(&url)
            .with_documentation(&url);
        let shown = format!("{notice} {}", serde_json::to_string(&notice).unwrap());
        prop_assert!(shown.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
        prop_assert!(shown.len() < 3_000);
        if let Some((_, query)) = url.split_once('?') {
            prop_assert!(query.len() < 8 || !shown.contains(query));
        }
    }
}
