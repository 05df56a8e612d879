//! Signing and verifying together: vectors of others, what is refused, rotation.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod refused;
mod rotation;
mod tampered;
mod vectors;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanout_webhook::{Signed, Signer, Verified, Verifier, VerifyError};

/// The secret of the tests of the specification's own libraries.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// The private key of the tests of its library for Go, and its public key.
#[cfg(feature = "ed25519")]
const PRIVATE: &str = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=";

const BODY: &[u8] = br#"{"test": 2432232314}"#;
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SECONDS: u64 = 1_614_265_330;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Signed now by `keys`, where now is [`SECONDS`].
fn signed(keys: &str) -> Signed {
    Signer::new(keys).unwrap().sign_at(ID, BODY, at(SECONDS)).unwrap()
}

/// Verified now by `keys`.
fn verified(keys: &str, signed: &Signed, body: &[u8]) -> Result<Verified, VerifyError> {
    Verifier::new(keys).unwrap().verify_at(signed.pairs(), body, at(SECONDS))
}

/// Verified now by `keys`, from values that no signer of ours would write.
fn given(
    keys: &str,
    [id, timestamp, signature]: [&[u8]; 3],
    body: &[u8],
) -> Result<Verified, VerifyError> {
    let pairs = [
        (fanout_webhook::ID, id),
        (fanout_webhook::TIMESTAMP, timestamp),
        (fanout_webhook::SIGNATURE, signature),
    ];
    Verifier::new(keys).unwrap().verify_at(pairs, body, at(SECONDS))
}
