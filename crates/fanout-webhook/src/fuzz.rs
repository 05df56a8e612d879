//! What must hold for any webhook: run by `cargo fuzz`, and over its seeds as tests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{ID, SIGNATURE, Signed, Signer, TIMESTAMP, Verifier, VerifyErrorKind};

/// An id, a timestamp and signatures, a line each, and a body in the rest: nobody without the key makes one
/// that verifies, what is signed verifies, and nothing of it can be changed.
pub fn webhook(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let [id, timestamp, signatures, body] = [line(), line(), line(), line()];
    let given = [(ID, id), (TIMESTAMP, timestamp), (SIGNATURE, signatures)];
    for (private, public) in KEYS {
        let signer = Signer::new(private).expect("a key");
        let verifier = Verifier::new(public).expect("a key");
        stranger(&signer, &verifier, given, body);
        let Ok(id) = str::from_utf8(id) else { continue };
        let time = NOW + id.len() as u64 % 300;
        let Ok(signed) = signer.sign_at(id, body, at(time)) else { continue };
        let verified = verifier.verify_at(signed.pairs(), body, at(NOW)).expect("it is genuine");
        assert_eq!((verified.id(), verified.time()), (id, at(time)));
        tampered(&signed, &verifier, timestamp, body);
    }
}

/// Whatever verifies was signed: by the key, with these very parts.
fn stranger(signer: &Signer, verifier: &Verifier, given: [(&str, &[u8]); 3], body: &[u8]) {
    let [(_, id), (_, timestamp), (_, signatures)] = given;
    let timestamp = str::from_utf8(timestamp).unwrap_or_default();
    // At the time that it names, so that this never is what is wrong with it.
    let now = at(timestamp.parse().unwrap_or(NOW).min(u64::from(u32::MAX)));
    match verifier.verify_at(given, body, now) {
        Ok(verified) => {
            assert_eq!(verified.id().as_bytes(), id);
            let signed = signer.sign_at(verified.id(), body, verified.time());
            // An id beyond ASCII is read and never written.
            let signed = signed.expect("it was signed, so it can be");
            assert_eq!(signed.timestamp(), timestamp);
            let signatures = String::from_utf8_lossy(signatures);
            assert!(signatures.split(' ').any(|one| one == signed.signature()), "{signatures}");
            for header in 0..3 {
                let twice = given.into_iter().chain([given[header]]);
                let refused = verifier.verify_at(twice, body, now).expect_err("twice");
                assert_eq!(refused.kind(), VerifyErrorKind::DuplicateHeader);
            }
        }
        Err(refused) => {
            let shown = format!("{refused} {refused:?}");
            assert!(shown.len() < 200 && !shown.contains(char::is_control), "{shown}");
        }
    }
}

/// One bit of each part, chosen by what nobody chose for that, and parts moved from one to the other.
fn tampered(signed: &Signed, verifier: &Verifier, chosen: &[u8], body: &[u8]) {
    let chosen = chosen.iter().fold(7_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(*byte));
    let parts = [signed.id(), signed.timestamp(), signed.signature()].map(str::as_bytes);
    let parts = [parts[0], parts[1], parts[2], body];
    // So that it is the signature that is wrong, and not the time.
    let at_any_time = verifier.clone().tolerance(Duration::MAX);
    let refuses = |parts: [&[u8]; 4], what: &str| {
        let headers = [(ID, parts[0]), (TIMESTAMP, parts[1]), (SIGNATURE, parts[2])];
        assert!(at_any_time.verify_at(headers, parts[3], at(NOW)).is_err(), "{what}: {parts:?}");
    };
    for changed in 0..parts.len() {
        let bits = parts[changed].len() * 8;
        if bits > 0 {
            let mut flipped = parts[changed].to_vec();
            flipped[chosen % bits / 8] ^= 1 << (chosen % 8);
            let mut other = parts;
            other[changed] = &flipped;
            refuses(other, "a bit");
            other[changed] = &parts[changed][..parts[changed].len() - 1];
            refuses(other, "cut");
        }
        let longer = [parts[changed], b"0"].concat();
        let mut other = parts;
        other[changed] = &longer;
        refuses(other, "longer");
    }
    // `id.timestamp.body` with the stops elsewhere.
    let moved = [b".".as_slice(), parts[1], b".", body].concat();
    refuses([parts[0], b"0", parts[2], &moved], "a part moved");
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A day of 2026: no property depends on the clock.
const NOW: u64 = 1_780_000_000;

/// What signs, and what verifies it. Known to everybody, and used nowhere else.
const KEYS: [(&str, &str); 2] = [
    ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
    // RFC 8032 section 7.1, test 1.
    (
        "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=",
        "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ),
];

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn webhook_holds_for_its_seeds() {
        replay("webhook", super::webhook);
    }
}
