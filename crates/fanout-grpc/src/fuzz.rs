//! What must hold for any bytes from a server, a file or a caller: run by `cargo fuzz`, and over its seeds
//! as tests.

use std::sync::LazyLock;
use std::time::Duration;

use fanout::{Effect, Error, ErrorKind, RetryAdvice};
use serde_json::Value;

use crate::classify::{Hints, Pushback, classify_status, retry_info};
use crate::request::MethodName;
use crate::schema::{Descriptors, Method, Schema};
use crate::transcode::{to_json, to_wire};

/// A `grpc-retry-pushback-ms` in the first line, a `grpc-status-details-bin` in the rest.
pub fn hints(data: &[u8]) {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let pushback = str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
    let info = retry_info(lines.next().unwrap_or_default());
    let pushback = match Pushback::parse(pushback) {
        Pushback::After(delay) => {
            let ms: Result<u64, _> = pushback.parse();
            assert_eq!(ms.map(Duration::from_millis), Ok(delay));
            Some(Pushback::After(delay))
        }
        Pushback::Forbidden => {
            assert!(pushback.parse::<u64>().is_err(), "{pushback}");
            (!pushback.is_empty()).then_some(Pushback::Forbidden)
        }
    };
    let mut hints = Hints::new();
    if let Some(pushback) = pushback {
        hints = hints.with_pushback(pushback);
    }
    if let Some(delay) = info {
        hints = hints.with_retry_info(delay);
    }
    for code in 1..=17 {
        let error_of = |hints| classify_status(code, hints).expect("no success");
        let (plain, error) = (error_of(&Hints::new()), error_of(&hints));
        assert_eq!(error.kind(), plain.kind(), "{code}");
        // What nobody would try again, nobody tries again because of a delay; what is forbidden is so.
        let retried = |error: &Error| {
            use RetryAdvice::{After, Backoff, Exactly};
            matches!(error.advice(), Backoff | After(_) | Exactly(_))
        };
        assert!(!retried(&error) || retried(&plain), "{code} {error:?}");
        assert!(!retried(&error) || pushback != Some(Pushback::Forbidden), "{code} {error:?}");
        assert_ne!(error.advice(), RetryAdvice::After(Duration::ZERO), "{code}");
    }
}

/// A JSON payload: what is taken survives the way there and back, what is not is said without a value.
pub fn json(data: &[u8]) {
    let of = &orders().input;
    match to_wire(data, of) {
        Ok(wire) => {
            let Some(first) = to_json(&wire, of, true) else {
                let depth = data.iter().filter(|byte| b"{[".contains(byte)).count();
                assert!(depth > 48, "encoded, and then no message");
                return;
            };
            same_again(&first, orders(), true);
        }
        Err(error) => refused(&error),
    }
    if let Ok(mut value) = serde_json::from_slice::<Value>(data) {
        mask(&mut value);
        if let Err(error) = to_wire(value.to_string().as_bytes(), of) {
            let shown = format!("{error} {error:?} {error:#?}");
            assert!(!shown.contains(SECRET) && !shown.contains(NUMBER), "{shown}");
        }
    }
}

/// The bytes of a reply: what is shown of them is JSON that says the same.
pub fn wire(data: &[u8]) {
    if let Some(json) = to_json(data, &orders().output, true) {
        same_again(&json, orders(), false);
    }
}

/// A descriptor set, from a file and from a server's reflection: what is taken can be used.
pub fn descriptors(data: &[u8]) {
    let set = Schema::descriptor_set(data);
    if let Err(error) = &set {
        refused(error);
    }
    let file = Descriptors::of_files(std::iter::once(data)).ok();
    let set = match set {
        Ok(Schema::Descriptors(descriptors)) => Some(descriptors),
        _ => None,
    };
    for descriptors in [set, file].into_iter().flatten() {
        for name in descriptors.unary_methods() {
            let Ok(name) = MethodName::parse(&name) else { continue };
            match descriptors.method(&name) {
                Ok(method) => use_it(&method),
                Err(error) => refused(&error),
            }
        }
    }
}

fn use_it(method: &Method) {
    for payload in [&b"{}"[..], b"{\"a\":1}", b"[1]", b"\"1s\"", b""] {
        if let Err(error) = to_wire(payload, &method.input) {
            refused(&error);
        }
    }
    for reply in [&b""[..], b"\x08\x01", b"\x0a\x02\x08\x01", b"\x12\x00"] {
        // A type of a stranger need not have a JSON form.
        let _unwritable = to_json(reply, &method.output, method.output_has_any).is_none();
    }
}

/// JSON that we wrote is read by us, and written the same again.
fn same_again(json: &[u8], method: &Method, input: bool) {
    let of = if input { &method.input } else { &method.output };
    let text = || String::from_utf8_lossy(json);
    let mut value: Value = serde_json::from_slice(json).expect("what we write is JSON");
    let wire = to_wire(json, of).unwrap_or_else(|error| panic!("{error}: {}", text()));
    let again = to_json(&wire, of, true).unwrap_or_else(|| panic!("not again: {}", text()));
    let mut again: Value = serde_json::from_slice(&again).expect("what we write is JSON");
    // The library joins the paths of a mask with commas, and reads no empty ones.
    for value in [&mut value, &mut again] {
        forget_masks(value);
    }
    assert_eq!(again, value);
}

fn forget_masks(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_masks),
        Value::Object(members) => {
            members.remove("mask");
            members.values_mut().for_each(forget_masks);
        }
        _ => {}
    }
}

fn refused(error: &Error) {
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None), "{error}");
    assert_eq!(error.advice(), RetryAdvice::Never, "{error}");
}

/// Puts the same secret in place of every text and number.
fn mask(value: &mut Value) {
    match value {
        Value::String(text) => SECRET.clone_into(text),
        Value::Number(number) => *number = NUMBER.parse().expect("a number"),
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(members) => members.values_mut().for_each(mask),
        Value::Null | Value::Bool(_) => {}
    }
}

/// `shop.v1.Orders/Place` of `tests/proto`.
fn orders() -> &'static Method {
    static ORDERS: LazyLock<Method> = LazyLock::new(|| {
        let set = include_bytes!("../../../fuzz/corpus/grpc_descriptors/orders");
        let name = MethodName::parse("shop.v1.Orders/Place").expect("a name");
        match Schema::descriptor_set(set) {
            Ok(Schema::Descriptors(descriptors)) => descriptors.method(&name).expect("a method"),
            other => panic!("{other:?}"),
        }
    });
    &ORDERS
}

/// In nothing that is said about a payload otherwise.
const SECRET: &str = "s3cr3tc4n4ry";
const NUMBER: &str = "918273645.5";

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn hints_hold_for_their_seeds() {
        replay("grpc_hints", super::hints);
    }

    #[test]
    fn json_holds_for_its_seeds() {
        replay("grpc_json", super::json);
    }

    #[test]
    fn wire_holds_for_its_seeds() {
        replay("grpc_wire", super::wire);
    }

    #[test]
    fn descriptors_hold_for_their_seeds() {
        replay("grpc_descriptors", super::descriptors);
    }
}
