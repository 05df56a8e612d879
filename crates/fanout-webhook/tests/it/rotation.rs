//! Several keys at once.

use fanout_webhook::{KeyErrorKind, Signer, Verifier, VerifyErrorKind};

use crate::{BODY, OTHER, SECONDS, SECRET, at, signed, verified};

#[test]
fn each_key_adds_its_signature_in_order() {
    let (first, second) = (signed(SECRET), signed(OTHER));
    let expected = format!("{} {}", first.signature(), second.signature());
    let one_text = format!(" {SECRET}\n\t{OTHER}\r\n");
    assert_eq!(signed(&one_text).signature(), expected);
    let signer = Signer::new(SECRET).unwrap().key(OTHER).unwrap();
    let together = signer.sign_at(first.id(), BODY, at(SECONDS)).unwrap();
    assert_eq!(together.signature(), expected);
}

#[test]
fn a_receiver_that_knows_one_of_two_keys_is_content() {
    let both = format!("{SECRET} {OTHER}");
    for keys in [SECRET, OTHER, &both] {
        verified(keys, &signed(&both), BODY).unwrap();
        verified(&both, &signed(keys), BODY).unwrap();
    }
    let third = "whsec_bm90IHRoZSBvbGQgb25lLCBidXQgdGhlIG5ldyBvbmU=";
    let error = verified(third, &signed(&both), BODY).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::NoMatch);
    let verifier = Verifier::new(third).unwrap().key(OTHER).unwrap();
    verifier.verify_at(signed(&both).pairs(), BODY, at(SECONDS)).unwrap();
}

#[test]
fn one_bad_key_among_good_ones_is_an_error() {
    for (keys, kind) in [
        (format!("{SECRET} whsec_AAAA"), KeyErrorKind::Length),
        (format!("{SECRET},{OTHER}"), KeyErrorKind::Encoding),
        (String::new(), KeyErrorKind::Missing),
        (" \n".to_owned(), KeyErrorKind::Missing),
    ] {
        assert_eq!(Signer::new(keys.as_str()).unwrap_err().kind(), kind);
        assert_eq!(Verifier::new(keys.as_str()).unwrap_err().kind(), kind);
        assert_eq!(Signer::new(SECRET).unwrap().key(keys).unwrap_err().kind(), kind);
    }
}

#[cfg(feature = "ed25519")]
#[test]
fn shared_and_private_keys_go_together() {
    let signer = Signer::new(SECRET).unwrap().key(crate::PRIVATE).unwrap();
    let both = signer.sign_at("msg_1", BODY, at(SECONDS)).unwrap();
    assert!(both.signature().starts_with("v1,"));
    assert!(both.signature().contains(" v1a,"));
    let public = signer.public_keys();
    assert_eq!(public.len(), 1);
    for keys in [SECRET, &public[0], &format!("{OTHER} {}", public[0])] {
        verified(keys, &both, BODY).unwrap();
    }
    // A shared secret proves nothing to one who trusts the private key alone.
    let error = verified(&public[0], &signed(SECRET), BODY).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::NoMatch);
}

#[cfg(not(feature = "ed25519"))]
#[test]
fn without_the_feature_other_versions_are_passed_over() {
    let mixed = format!("v1a,{} {}", "A".repeat(86) + "==", signed(SECRET).signature());
    let values = [crate::ID.as_bytes(), b"1614265330", mixed.as_bytes()];
    crate::given(SECRET, values, BODY).unwrap();
}

#[cfg(feature = "secret")]
#[test]
fn keys_in_a_file_follow_the_file_and_survive_a_bad_one() {
    use std::fs;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    fs::write(&path, SECRET).unwrap();
    let secret = fanout::Secret::from_file(&path).unwrap();
    let signer = Signer::new(secret.clone()).unwrap();
    let verifier = Verifier::new(secret.clone()).unwrap();
    let check = |text: &str, good: &str| {
        fs::write(&path, text).unwrap();
        secret.check_now();
        let now = signer.sign_at(crate::ID, BODY, at(SECONDS)).unwrap();
        assert_eq!(now, signed(good));
        verifier.verify_at(signed(good).pairs(), BODY, at(SECONDS)).unwrap();
    };
    check(&format!("{OTHER}\n{SECRET}\n"), &format!("{OTHER} {SECRET}"));
    check(OTHER, OTHER);
    verifier.verify_at(signed(SECRET).pairs(), BODY, at(SECONDS)).unwrap_err();
    check("no key at all", OTHER);
    check("", OTHER);
    check(SECRET, SECRET);

    let error = Signer::new(fanout::Secret::new("s3cret")).unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Form);
    let shown = format!("{error} {error:?} {signer:?} {verifier:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("MfKQ"), "{shown}");
}
