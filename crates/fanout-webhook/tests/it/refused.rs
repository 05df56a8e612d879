//! What a verifier refuses, and how it says so.

use std::time::{Duration, UNIX_EPOCH};

use fanout_webhook::{SignErrorKind, Signer, Verifier, VerifyErrorKind};

use crate::{BODY, ID, OTHER, SECONDS, SECRET, at, given, signed, verified};

const RIGHT: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

#[test]
fn each_header_must_be_there_once() {
    let verifier = Verifier::new(SECRET).unwrap();
    let signed = signed(SECRET);
    for (position, (name, value)) in signed.pairs().into_iter().enumerate() {
        let check = |pairs: Vec<(&str, &str)>, kind| {
            let error = verifier.verify_at(pairs, BODY, at(SECONDS)).unwrap_err();
            assert_eq!((error.kind(), error.header()), (kind, Some(name)), "{error}");
            assert!(error.to_string().ends_with(name), "{error}");
        };
        let mut missing = signed.pairs().to_vec();
        missing.remove(position);
        check(missing, VerifyErrorKind::MissingHeader);
        let mut empty = signed.pairs().to_vec();
        empty[position].1 = "";
        check(empty, VerifyErrorKind::MissingHeader);
        // Another spelling of the name is the same header, and the same value is one too many as well.
        let upper = name.to_uppercase();
        for second in [value, "", "x"] {
            let mut twice = signed.pairs().to_vec();
            twice.push((&upper, second));
            check(twice, VerifyErrorKind::DuplicateHeader);
        }
    }
    let nothing: [(&str, &str); 0] = [];
    let error = verifier.verify_at(nothing, BODY, at(SECONDS)).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::MissingHeader);
}

#[test]
fn names_are_the_same_in_any_case_and_others_do_not_matter() {
    let signed = signed(SECRET);
    let upper = signed.pairs().map(|(name, value)| (name.to_uppercase(), value.to_owned()));
    let others = [("Host", "h"), ("webhook", "x"), ("webhook-ids", "x"), ("Host", "h")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let all = others.into_iter().chain(upper);
    Verifier::new(SECRET).unwrap().verify_at(all, BODY, at(SECONDS)).unwrap();
}

#[test]
fn headers_come_as_frameworks_have_them() {
    let signed = signed(SECRET);
    let mut headers = http::HeaderMap::new();
    for (name, value) in signed.pairs() {
        headers.append(name, value.parse().unwrap());
    }
    let verifier = Verifier::new(SECRET).unwrap();
    verifier.verify_at(&headers, BODY, at(SECONDS)).unwrap();
    headers.append(fanout_webhook::ID, "msg_2".parse().unwrap());
    let error = verifier.verify_at(&headers, BODY, at(SECONDS)).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::DuplicateHeader);
}

#[test]
fn a_time_is_refused_outside_the_tolerance_and_only_there() {
    let verifier = Verifier::new(SECRET).unwrap();
    let signed = signed(SECRET);
    let check = |verifier: &Verifier, now, expected: Option<VerifyErrorKind>| {
        let found = verifier.verify_at(signed.pairs(), BODY, now).map_err(|error| error.kind());
        assert_eq!(found.err(), expected, "{now:?}");
    };
    use VerifyErrorKind::{TooNew, TooOld};
    check(&verifier, at(SECONDS + 300), None);
    check(&verifier, at(SECONDS + 300) + Duration::from_millis(999), None);
    check(&verifier, at(SECONDS + 301), Some(TooOld));
    check(&verifier, at(SECONDS - 300), None);
    check(&verifier, at(SECONDS - 301), Some(TooNew));
    check(&verifier, UNIX_EPOCH, Some(TooNew));
    check(&verifier, UNIX_EPOCH - Duration::from_secs(1), Some(TooNew));
    let strict = verifier.clone().tolerance(Duration::ZERO);
    check(&strict, at(SECONDS), None);
    check(&strict, at(SECONDS + 1), Some(TooOld));
    check(&strict, at(SECONDS - 1), Some(TooNew));
    let endless = verifier.tolerance(Duration::MAX);
    check(&endless, at(0), None);
    check(&endless, at(u32::MAX.into()), None);
    // By the system's clock, that was long ago.
    let error = strict.verify(signed.pairs(), BODY).unwrap_err();
    assert_eq!(error.kind(), TooOld);
}

#[test]
fn a_time_that_is_none_is_refused_before_anything_is_computed() {
    for time in ["hello", "-1", "+1614265330", "01614265330", "1614265330.0", " 1614265330", "９"]
    {
        let error = given(SECRET, [ID.as_bytes(), time.as_bytes(), b"v1,x"], BODY).unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::MalformedTimestamp, "{time}");
    }
    // What no clock can tell, and what is no text.
    let largest = u64::MAX.to_string();
    let far = [largest.as_bytes(), b"9223372036854775808"];
    for time in far {
        let error = given(SECRET, [ID.as_bytes(), time, b"v1,x"], BODY).unwrap_err();
        let kinds = [VerifyErrorKind::MalformedTimestamp, VerifyErrorKind::TooNew];
        assert!(kinds.contains(&error.kind()), "{error}");
    }
    let error = given(SECRET, [ID.as_bytes(), b"\xff", b"v1,x"], BODY).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::MalformedTimestamp);
}

#[test]
fn an_id_may_be_any_text_without_a_full_stop() {
    for id in ["größe ✓", "a b", "-", "0"] {
        // The signer itself writes visible ASCII only; another sender may do more.
        let error = Signer::new(SECRET).unwrap().sign_at(id, BODY, at(SECONDS));
        assert_eq!(error.is_ok(), id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
        let error = given(SECRET, [id.as_bytes(), b"1614265330", RIGHT.as_bytes()], BODY);
        assert_eq!(error.unwrap_err().kind(), VerifyErrorKind::NoMatch, "{id}");
    }
    for id in [&b"a.1"[..], b".", b"a\n", b"\0", b"\xff\xfe"] {
        let error = given(SECRET, [id, b"1614265330", RIGHT.as_bytes()], BODY).unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::MalformedId);
        assert_eq!(error.header(), Some("webhook-id"));
    }
    // Made by Python over `größe.1614265330.{"test": 2432232314}`.
    let verified = given(SECRET, ["größe".as_bytes(), b"1614265330", GROESSE], BODY).unwrap();
    assert_eq!(verified.id(), "größe");
}

/// A sender that lets full stops into ids signs one text for two messages.
#[test]
fn no_part_of_the_payload_passes_for_the_time() {
    let inner = format!("{}.{}", SECONDS, "{\"amount\":1000000}");
    let old = Signer::new(SECRET).unwrap().sign_at("msg_1", inner.as_bytes(), at(7)).unwrap();
    let values = [&b"msg_1.7"[..], b"1614265330", old.signature().as_bytes()];
    let error = given(SECRET, values, b"{\"amount\":1000000}").unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::MalformedId);
    let error = Signer::new(SECRET).unwrap().sign_at("msg_1.7", b"{}", at(7)).unwrap_err();
    assert_eq!(error.kind(), SignErrorKind::Id);
}

#[test]
fn what_is_no_signature_fits_nothing() {
    let (version, text) = RIGHT.split_once(',').unwrap();
    for header in [
        version.to_owned(),
        text.to_owned(),
        format!("{version},"),
        format!("{version}, {text}"),
        format!("{version},{text},"),
        format!("{version},{text}\n"),
        format!("{version}\t{text}"),
        format!(",{text}"),
        format!("V1,{text}"),
        format!("v2,{text}"),
        format!("v1a,{text}"),
        format!("v1,v1,{text}"),
        format!("v1,{}", text.trim_end_matches('=')),
        format!("v1,{text}="),
        // The same bytes in another spelling of base64: the last letter has bits to spare.
        format!("v1,{}", text.replace("OE=", "OF=")),
        format!("v1,{}", text.replace('+', "-").replace('/', "_")),
        format!("v1,{}", &text[..20]),
        format!("v1,{text}{text}"),
        format!("v1,{}", "A".repeat(1_000_000)),
        " ".repeat(100_000),
        "v1,,,,,,".to_owned(),
    ] {
        let shown = &header[..header.len().min(80)];
        let error = given(SECRET, [ID.as_bytes(), b"1614265330", header.as_bytes()], BODY);
        assert_eq!(error.expect_err(shown).kind(), VerifyErrorKind::NoMatch, "{shown}");
    }
    let error = given(SECRET, [ID.as_bytes(), b"1614265330", b"\xff"], BODY).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::NoMatch);
    // More spaces than needed are no harm.
    let spaced = format!("  v1,x   {RIGHT} ");
    given(SECRET, [ID.as_bytes(), b"1614265330", spaced.as_bytes()], BODY).unwrap();
}

#[test]
fn of_many_signatures_the_first_32_count() {
    let wrong = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= ";
    let check = |before: usize| {
        let header = format!("{}{RIGHT}", wrong.repeat(before));
        given(SECRET, [ID.as_bytes(), b"1614265330", header.as_bytes()], BODY).is_ok()
    };
    assert!(check(31));
    assert!(!check(32));
    assert!(!check(100_000));
}

#[test]
fn another_secret_fits_nothing_and_no_error_shows_one() {
    let signed = signed(SECRET);
    let error = verified(OTHER, &signed, BODY).unwrap_err();
    assert_eq!((error.kind(), error.header()), (VerifyErrorKind::NoMatch, None));
    let (signer, verifier) = (Signer::new(SECRET).unwrap(), Verifier::new(OTHER).unwrap());
    let keys = fanout_webhook::Keys::from(SECRET);
    let shown = format!("{error} {error:?} {signer:?} {verifier:?} {keys:?}");
    for part in ["MfKQ", "C2FV", "whsec", "g0hM"] {
        assert!(!shown.contains(part), "{shown}");
    }
    assert!(shown.contains("v1"), "{shown}");
}

#[test]
fn a_clock_before_1970_signs_nothing() {
    let signer = Signer::new(SECRET).unwrap().clock(|| UNIX_EPOCH - Duration::from_secs(1));
    assert_eq!(signer.sign(ID, BODY).unwrap_err().kind(), SignErrorKind::Clock);
    let signer = signer.clock(|| at(SECONDS) + Duration::from_millis(999));
    assert_eq!(signer.sign(ID, BODY).unwrap().signature(), RIGHT);
}

const GROESSE: &[u8] = b"v1,82f/qG/iPZIaQraIt4Y1SU1tvEYBbDMekoAQllxNLj4=";
