//! One line of the file: a message, and the sinks that miss it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fanout::{Delivery, Message, Outcome, Report, ResendToken};
use serde::{Deserialize, Serialize};

use crate::bulk::input::Place;

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The number of the record in its input, and the line there; in a resend those of before.
    pub(crate) record: u64,
    pub(crate) line: u64,
    /// Why the record was no message at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bad: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<KeptMessage>,
    /// The sinks that it is to be sent to again, and those that may have applied it without saying so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<Missing>,
    /// Where every sink stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resend: Option<ResendToken>,
}

/// A message, all of it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeptMessage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

/// A sink without the message, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Missing {
    sink: String,
    outcome: String,
    effect: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    attempts: u32,
    idempotency_key: String,
}

impl Entry {
    /// The line of a message that was not delivered to all.
    pub(crate) fn undelivered(place: Place, message: &Message, report: &Report) -> Self {
        let token = report.resend_token();
        let missing = token
            .sinks()
            .filter(|(_, standing)| {
                use fanout::Standing::{Ambiguous, Applied, Held, Unsent};
                matches!(standing, Unsent | Ambiguous | Held | Applied)
            })
            .filter_map(|(name, _)| report.get(name))
            .map(Missing::of)
            .collect();
        Self {
            record: place.number,
            line: place.line,
            bad: None,
            message: Some(KeptMessage::of(message.payload(), message.content_type())),
            missing,
            resend: Some(token),
        }
    }

    /// The line of a record that was no message.
    pub(crate) fn bad(place: Place, reason: String, payload: Option<&Bytes>) -> Self {
        Self {
            record: place.number,
            line: place.line,
            bad: Some(reason),
            message: payload.map(|payload| KeptMessage::of(payload, None)),
            missing: Vec::new(),
            resend: None,
        }
    }
}

impl Missing {
    fn of(delivery: &Delivery) -> Self {
        let error = delivery.error();
        let skipped = match delivery.outcome() {
            Outcome::Skipped(reason) => Some(reason.as_str().to_owned()),
            _ => None,
        };
        Self {
            sink: delivery.sink().to_owned(),
            outcome: delivery.outcome().as_str().to_owned(),
            effect: delivery.effect().as_str().to_owned(),
            kind: error.map(|error| error.kind().as_str().to_owned()),
            reason: error.map(fanout::Error::to_chain).or(skipped),
            attempts: delivery.attempts(),
            idempotency_key: delivery.idempotency_key().to_string(),
        }
    }
}

impl KeptMessage {
    fn of(payload: &Bytes, content_type: Option<&str>) -> Self {
        let text = std::str::from_utf8(payload).ok().map(str::to_owned);
        let encoded = text.is_none().then(|| STANDARD.encode(payload));
        let content_type = content_type.map(str::to_owned);
        Self { content_type, payload: text, payload_base64: encoded }
    }

    /// Makes the message that `token` is of.
    pub(crate) fn message(&self, token: &ResendToken) -> Result<Message, &'static str> {
        let payload = match (&self.payload, &self.payload_base64) {
            (Some(text), None) => Bytes::copy_from_slice(text.as_bytes()),
            (None, Some(text)) => {
                Bytes::from(STANDARD.decode(text).map_err(|_| "its payload is no base64")?)
            }
            _ => return Err("it has to have one payload"),
        };
        let message = Message::bytes(payload).with_id(token.message_id());
        Ok(match &self.content_type {
            Some(content_type) => message.with_content_type(content_type),
            None => message,
        })
    }
}

impl std::fmt::Debug for KeptMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptMessage")
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}
