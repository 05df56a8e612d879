//! Which texts are keys, and which are not.

use super::*;

const BYTES_64: [u8; 64] = [0xa5; 64];

fn whsec(length: usize) -> String {
    format!("whsec_{}", BASE64.encode(vec![0xa5; length]))
}

fn check_signing(text: &str, expected: Result<&str, KeyErrorKind>) {
    let found = SigningKey::parse(text);
    assert_eq!(found.as_ref().map(SigningKey::version).map_err(KeyError::kind), expected, "{text}");
}

fn check_verifying(text: &str, expected: Result<&str, KeyErrorKind>) {
    let found = VerifyingKey::parse(text);
    let version = found.as_ref().map(VerifyingKey::version);
    assert_eq!(version.map_err(KeyError::kind), expected, "{text}");
}

#[test]
fn a_shared_secret_has_24_to_64_bytes() {
    for (length, is_key) in
        [(0, false), (1, false), (23, false), (24, true), (32, true), (64, true), (65, false)]
    {
        let expected = if is_key { Ok("v1") } else { Err(KeyErrorKind::Length) };
        check_signing(&whsec(length), expected);
        check_verifying(&whsec(length), expected);
    }
    check_signing(&whsec(10_000_000), Err(KeyErrorKind::Length));
    // What people lose when they copy.
    check_signing(whsec(25).trim_end_matches('='), Ok("v1"));
}

#[test]
fn what_is_no_key_is_refused() {
    let bare = BASE64.encode(BYTES_64);
    for (text, kind) in [
        (bare.as_str(), KeyErrorKind::Form),
        ("WHSEC_AAAA", KeyErrorKind::Form),
        ("v1,whsec_AAAA", KeyErrorKind::Form),
        ("whsec", KeyErrorKind::Form),
        ("whsec_", KeyErrorKind::Length),
        ("whsec_AAAA", KeyErrorKind::Length),
        ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7o!", KeyErrorKind::Encoding),
        ("whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7oD", KeyErrorKind::Encoding),
        ("whsec_größe", KeyErrorKind::Encoding),
    ] {
        check_signing(text, Err(kind));
        check_verifying(text, Err(kind));
    }
}

#[test]
fn no_error_shows_the_key() {
    for text in [
        "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "whsec_C2FVsBQIhrscChlQIMV+b5s!YspobC2F",
        "whsec_C2FVsBQI",
        "whsk_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "whpk_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    ] {
        for error in [SigningKey::parse(text).err(), VerifyingKey::parse(text).err()] {
            let error = error.expect("it is no key");
            let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
            for part in ["C2FVsBQI", "C2F", "33", "offset"] {
                assert!(!shown.contains(part), "{shown}");
            }
        }
    }
}

#[cfg(not(feature = "ed25519"))]
#[test]
fn without_the_feature_other_keys_are_refused() {
    let private = format!("whsk_{}", BASE64.encode([7; 32]));
    check_signing(&private, Err(KeyErrorKind::Unsupported));
    check_verifying(&private, Err(KeyErrorKind::CannotVerify));
    let public = format!("whpk_{}", BASE64.encode([7; 32]));
    check_verifying(&public, Err(KeyErrorKind::Unsupported));
    check_signing(&public, Err(KeyErrorKind::CannotSign));
}

#[cfg(feature = "ed25519")]
mod ed25519 {
    use super::*;

    #[test]
    fn a_private_key_is_a_seed_or_a_pair() {
        let pair = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).to_keypair_bytes();
        for (bytes, expected) in [
            (&pair[..32], Ok("v1a")),
            (&pair[..], Ok("v1a")),
            (&pair[..31], Err(KeyErrorKind::Length)),
            (&pair[..33], Err(KeyErrorKind::Length)),
            (&[], Err(KeyErrorKind::Length)),
            // Two halves that do not belong together.
            (&BYTES_64, Err(KeyErrorKind::Unsound)),
        ] {
            check_signing(&format!("{PRIVATE}{}", BASE64.encode(bytes)), expected);
        }
        let texts = [&pair[..32], &pair[..]].map(|bytes| {
            SigningKey::parse(&format!("{PRIVATE}{}", BASE64.encode(bytes))).expect("a key")
        });
        assert_eq!(texts[0].public(), texts[1].public());
    }

    #[test]
    fn a_public_key_is_a_point_that_someone_can_have_a_key_for() {
        let sound = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key();
        let mut identity = [0; 32];
        identity[0] = 1;
        for (bytes, expected) in [
            (&sound.as_bytes()[..], Ok("v1a")),
            (&sound.as_bytes()[..31], Err(KeyErrorKind::Length)),
            (&BYTES_64, Err(KeyErrorKind::Length)),
            // Points of small order: RFC 7748 section 6.1, RFC 8032 section 8.9.
            (&identity, Err(KeyErrorKind::Unsound)),
            (&[0; 32], Err(KeyErrorKind::Unsound)),
        ] {
            check_verifying(&format!("{PUBLIC}{}", BASE64.encode(bytes)), expected);
        }
    }

    #[test]
    fn each_key_is_for_its_own_end() {
        let key =
            SigningKey::parse(&format!("{PRIVATE}{}", BASE64.encode([7; 32]))).expect("a key");
        check_signing(&key.public().expect("it has one"), Err(KeyErrorKind::CannotSign));
        let private = format!("{PRIVATE}{}", BASE64.encode([7; 32]));
        check_verifying(&private, Err(KeyErrorKind::CannotVerify));
    }
}
