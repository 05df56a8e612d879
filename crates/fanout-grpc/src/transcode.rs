//! JSON to protobuf and back, and what to say when the JSON does not fit.

use bytes::Bytes;
use fanout::{Error, ErrorKind};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::error::Category;

use crate::any::too_deep;
use crate::explain::explain;

/// Encodes a JSON payload as the message `of`.
pub(crate) fn to_wire(json: &[u8], of: &MessageDescriptor) -> Result<Bytes, Error> {
    let mut input = serde_json::Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize(of.clone(), &mut input)
        .and_then(|message| input.end().map(|()| message))
        .map_err(|error| misfit(json, of, &error))?;
    Ok(message.encode_to_vec().into())
}

/// Writes an encoded message `of` as JSON. `None` when the bytes are no such message, or hold what JSON
/// cannot (a timestamp beyond the year 9999, an `Any` of an unknown type) or what nests too deeply.
pub(crate) fn to_json(wire: &[u8], of: &MessageDescriptor, has_any: bool) -> Option<Bytes> {
    let message = DynamicMessage::decode(of.clone(), wire).ok()?;
    if has_any && too_deep(&message) {
        return None;
    }
    serde_json::to_vec(&message).ok().map(Bytes::from)
}

/// The errors of the parsers quote what they found, so what they say is not passed on.
fn misfit(json: &[u8], of: &MessageDescriptor, error: &serde_json::Error) -> Error {
    let at = |error: Error, place: &serde_json::Error| {
        error
            .with_context("line", place.line().to_string())
            .with_context("column", place.column().to_string())
    };
    let value = match serde_json::from_slice::<serde_json::Value>(json) {
        Ok(value) => value,
        Err(error) => {
            let message = match error.classify() {
                Category::Eof if json.trim_ascii().is_empty() => {
                    "the payload is empty; expected JSON"
                }
                Category::Eof => "the payload is not JSON: it ends too early",
                Category::Syntax | Category::Data | Category::Io => "the payload is not JSON",
            };
            return at(Error::new(ErrorKind::Build, message), &error);
        }
    };
    match explain(&value, of) {
        Some(reason) => Error::new(ErrorKind::Build, reason),
        None => {
            let message = format!("the JSON does not fit the message {}", of.full_name());
            at(Error::new(ErrorKind::Build, message), error)
        }
    }
}

#[cfg(test)]
mod tests;
