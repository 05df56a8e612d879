//! Signatures: others verify what we sign, and we verify what they sign.

use std::time::{Duration, SystemTime};

use fanout::{Effect, ErrorKind, Message};
use fanout_http::{HttpSink, HttpSinkBuilder, HttpVersion, Signer};
use fanout_webhook::{Verifier, VerifyErrorKind};

use super::{client, send};
use crate::servers::certificates::Certificates;
use crate::servers::front::Via;
use crate::servers::script::Script;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const PRIVATE: &str = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=";
const OTHER_PRIVATE: &str = "whsk_V0VCSE9PS0FTWU1NRVRSSUNURVNUUFJJVkFURUtFWTE=";

/// What JSON parsers and careless readers would change.
const PAYLOADS: [&str; 5] = [
    r#"{"type":"order.paid","data":{"order":17}}"#,
    "{ \"b\" : 1.0,\r\n \"a\":\"\\u00e9\", \"c\": 12345678901234567890 }\n",
    "größe ✓ \u{0} 1.2.3",
    " ",
    "",
];

struct Receiver {
    script: Script,
    public: String,
}

impl Receiver {
    async fn start(via: Via) -> Self {
        let public = signer(PRIVATE).public_keys().remove(0);
        let script = Script::webhooks(via, [SECRET, PRIVATE, &public]).await;
        Self { script, public }
    }

    fn post(&self, path: &str) -> HttpSinkBuilder {
        let client = client(Certificates::new().authority(), HttpVersion::Negotiate);
        HttpSink::post(format!("http://127.0.0.1:{}{path}", self.script.port())).client(&client)
    }
}

fn signer(keys: &str) -> Signer {
    Signer::new(keys).expect("sound keys")
}

pub(crate) async fn they_verify_what_we_sign(via: Via) {
    let receiver = Receiver::start(via).await;
    let both = format!("{OTHER} {PRIVATE} {SECRET} {OTHER_PRIVATE}");
    for (path, key, other) in [("/hmac", SECRET, OTHER), ("/ed25519", PRIVATE, OTHER_PRIVATE)] {
        for payload in PAYLOADS {
            let message = Message::bytes(payload);
            for keys in [key, &both] {
                let sink = receiver.post(path).sign(signer(keys)).build().expect("a sound sink");
                let receipt = send(&sink, &message).await;
                receipt.unwrap_or_else(|error| panic!("{path} {payload:?}: {}", error.to_chain()));
            }
            let sink = receiver.post(path).sign(signer(other)).build().expect("a sound sink");
            let error = send(&sink, &message).await.expect_err("the key is another");
            assert_eq!((error.kind(), error.effect()), (ErrorKind::Unauthenticated, Effect::None));
            assert_eq!(error.excerpt(), Some("No matching signature found"));
        }
    }
}

pub(crate) async fn they_refuse_what_is_signed_too_early_or_too_late(via: Via) {
    let receiver = Receiver::start(via).await;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let now = SystemTime::now;
    for (time, reason) in [(now() - minutes(6), "too old"), (now() + minutes(6), "too new")] {
        let signer = signer(SECRET).clock(move || time);
        let sink = receiver.post("/hmac").sign(signer).build().expect("a sound sink");
        let error = send(&sink, &Message::text("hello")).await.expect_err("the time is wrong");
        assert!(error.excerpt().unwrap_or_default().contains(reason), "{error:?}");
    }
}

pub(crate) async fn we_verify_what_they_sign(via: Via) {
    let receiver = Receiver::start(via).await;
    for (path, key, other) in [
        ("/sign/hmac", SECRET, OTHER),
        ("/sign/ed25519", &receiver.public, &signer(OTHER_PRIVATE).public_keys()[0]),
    ] {
        let sink = receiver.post(path).build().expect("a sound sink");
        for payload in PAYLOADS {
            let receipt = send(&sink, &Message::bytes(payload)).await.expect("it is signed");
            let verify = |key: &str, body: &[u8]| {
                let verifier = Verifier::new(key).expect("a sound key");
                verifier.verify(receipt.metadata().iter(), body)
            };
            let verified = verify(key, receipt.body())
                .unwrap_or_else(|error| panic!("{path} {payload:?}: {error}"));
            let id = if via == Via::Node { "msg_from_node" } else { "msg_from_python" };
            assert_eq!(verified.id(), id);
            for refused in [verify(other, receipt.body()), verify(key, b"another body")] {
                assert_eq!(refused.expect_err(path).kind(), VerifyErrorKind::NoMatch);
            }
        }
    }
}
