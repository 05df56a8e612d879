//! Whatever is changed on the way is refused.

use fanout_webhook::{Signer, VerifyErrorKind};
use proptest::prelude::*;

use crate::{SECONDS, SECRET, at, given};

/// The keys to sign and to verify with, one pair for each scheme.
fn schemes() -> Vec<(&'static str, String)> {
    #[allow(unused_mut, reason = "one feature adds to it")]
    let mut schemes = vec![(SECRET, SECRET.to_owned())];
    #[cfg(feature = "ed25519")]
    {
        let public = Signer::new(crate::PRIVATE).unwrap().public_keys();
        schemes.push((crate::PRIVATE, public[0].clone()));
    }
    schemes
}

/// `bytes` with one bit turned.
fn turned(bytes: &[u8], at: prop::sample::Index, bit: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = at.index(bytes.len());
    bytes[at] ^= 1 << (bit % 8);
    bytes
}

proptest! {
    #[test]
    fn what_was_signed_is_verified_and_nothing_near_it_is(
        id in "[!-\\-/-~]{1,40}",
        body in prop::collection::vec(any::<u8>(), 0..200),
        place in any::<prop::sample::Index>(),
        bit in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        for (private, public) in schemes() {
            let signed = Signer::new(private).unwrap().sign_at(&id, &body, at(SECONDS)).unwrap();
            let [id, time, signature] =
                [signed.id(), signed.timestamp(), signed.signature()].map(str::as_bytes);
            let verified = given(&public, [id, time, signature], &body).unwrap();
            prop_assert_eq!(verified.id().as_bytes(), id);
            prop_assert_eq!(verified.time(), at(SECONDS));

            let refused = |values: [&[u8]; 3], body: &[u8]| given(&public, values, body).is_err();
            prop_assert!(refused([&turned(id, place, bit), time, signature], &body));
            prop_assert!(refused([id, &turned(time, place, bit), signature], &body));
            prop_assert!(refused([id, time, &turned(signature, place, bit)], &body));
            if !body.is_empty() {
                prop_assert!(refused([id, time, signature], &turned(&body, place, bit)));
                prop_assert!(refused([id, time, signature], &body[..cut.index(body.len())]));
            }
            prop_assert!(refused([id, time, signature], &[&body[..], b"\0"].concat()));
            prop_assert!(refused([id, time, &signature[..cut.index(signature.len())]], &body));
            prop_assert!(refused([&id[..cut.index(id.len())], time, signature], &body));
            prop_assert!(refused([id, &time[..cut.index(time.len())], signature], &body));
            // What stands at the end of the one may not move to the front of the next.
            let moved = [time, b".", &body[..]].concat();
            prop_assert!(refused([id, time, signature], &moved));
        }
    }

    #[test]
    fn no_bytes_make_a_verifier_panic(
        values in prop::array::uniform3(prop::collection::vec(any::<u8>(), 0..80)),
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        for (_, public) in schemes() {
            let values = [&values[0][..], &values[1], &values[2]];
            prop_assert!(given(&public, values, &body).is_err());
            prop_assert!(given(&public, [values[0], b"1614265330", values[2]], &body).is_err());
            let signature = [b"v1a,", values[2], b" v1,", values[1]].concat();
            prop_assert!(given(&public, [b"msg_1", b"1614265330", &signature], &body).is_err());
        }
    }

    #[test]
    fn no_text_makes_the_reading_of_keys_panic(text in ".{0,120}", tail in "[A-Za-z0-9+/=]{0,120}") {
        for text in [text.clone(), format!("whsec_{tail}"), format!("whsk_{tail}"), format!("whpk_{tail}")] {
            let error = Signer::new(text.as_str()).err().map(|error| format!("{error} {error:?}"));
            if let (Some(error), true) = (error, tail.len() > 8) {
                prop_assert!(!error.contains(&tail));
            }
            let _either = fanout_webhook::Verifier::new(text.as_str()).is_ok();
        }
    }
}

#[test]
fn an_empty_body_is_signed_as_any_other() {
    for (private, public) in schemes() {
        let signed = Signer::new(private).unwrap().sign_at("msg_1", b"", at(SECONDS)).unwrap();
        let values = [signed.id(), signed.timestamp(), signed.signature()].map(str::as_bytes);
        given(&public, values, b"").unwrap();
        let error = given(&public, values, b" ").unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::NoMatch);
    }
}
