//! Signatures that others made.

use fanout_webhook::{Signer, VerifyErrorKind};

#[cfg(feature = "ed25519")]
use crate::PRIVATE;
use crate::{BODY, ID, SECONDS, SECRET, at, given, signed, verified};

/// In the tests of all libraries of the specification (standard-webhooks/standard-webhooks, `libraries/`).
#[test]
fn hmac_as_the_libraries_of_the_specification() {
    let signed = signed(SECRET);
    assert_eq!(signed.signature(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_eq!((signed.id(), signed.timestamp()), (ID, "1614265330"));
    let verified = verified(SECRET, &signed, BODY).unwrap();
    assert_eq!((verified.id(), verified.time()), (ID, at(SECONDS)));
}

/// RFC 4231 sections 4.2 to 4.7 are held by the crate `hmac`; here, that keys of each length that may be are
/// taken whole: computed by Python's `hmac` over `msg_1.1614265330.{}`.
#[test]
fn hmac_with_the_shortest_and_the_longest_secret() {
    for (secret, expected) in [
        (format!("whsec_{}", "YWFh".repeat(8)), SHORTEST),
        // The block of SHA-256 has 64 bytes: a longer secret would be hashed first.
        (format!("whsec_{}YQ==", "YWFh".repeat(21)), LONGEST),
    ] {
        let signed = Signer::new(secret).unwrap().sign_at("msg_1", b"{}", at(SECONDS)).unwrap();
        assert_eq!(signed.signature(), expected);
    }
}

/// `libraries/go/webhook_asymmetric_test.go` of the specification's repository.
#[cfg(feature = "ed25519")]
#[test]
fn ed25519_as_the_library_of_the_specification_for_go() {
    let signed = signed(PRIVATE);
    assert_eq!(
        signed.signature(),
        "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==",
    );
    let public = Signer::new(PRIVATE).unwrap().public_keys();
    verified(&public[0], &signed, BODY).unwrap();
}

/// The signature in the specification's example of headers; key, id, time and payload are those of the test
/// it comes from (svix/svix-webhooks, `test_asymmetric_key_signing`), where the key is a pair of 64 bytes.
#[cfg(feature = "ed25519")]
#[test]
fn ed25519_as_the_example_of_the_specification() {
    const PAIR: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
    let expected = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
    let signed = signed(PAIR);
    assert_eq!(signed.signature(), expected);
    assert_eq!(Signer::new(PAIR).unwrap().public_keys(), [PUBLIC]);
    verified(PUBLIC, &signed, BODY).unwrap();
}

/// Of the libraries' tests: signatures that fit nothing, among them one that fits.
#[test]
fn one_of_many_signatures_is_enough() {
    let right = signed(SECRET).signature().to_owned();
    let wrong = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    let many = format!("{wrong} {} {right} {wrong}", wrong.replace("v1", "v2"));
    given(SECRET, [ID.as_bytes(), b"1614265330", many.as_bytes()], BODY).unwrap();
    let none = format!("{wrong} {}", right.replace("v1,", "v2,"));
    let refused = given(SECRET, [ID.as_bytes(), b"1614265330", none.as_bytes()], BODY);
    assert_eq!(refused.unwrap_err().kind(), VerifyErrorKind::NoMatch);
}

const SHORTEST: &str = "v1,sNHVNR8dYK0CIQPSlwWV5em0JsHZyPt4jijf5uaXS8g=";
const LONGEST: &str = "v1,i6vfE5F4ccmkZrdAJJs/MQr37JNNuh46QiGTunRvCzM=";
