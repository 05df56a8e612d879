//! Messages in messages in `google.protobuf.Any`: how deep may they go?
//!
//! The decoder bounds nesting, but the content of an `Any` is bytes to it, decoded anew when it is
//! written as JSON. A few megabytes hold a hundred thousand of them, one in the other, and writing
//! those would end the process for want of stack.

use std::collections::HashSet;

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _, Value};

/// Returns true when a message of this type can hold an `Any`, at any depth.
pub(crate) fn reaches_any(of: &MessageDescriptor) -> bool {
    let (mut left, mut seen) = (vec![of.clone()], HashSet::new());
    while let Some(message) = left.pop() {
        if message.full_name() == ANY {
            return true;
        }
        if seen.insert(message.full_name().to_owned()) {
            left.extend(message.fields().filter_map(|field| match field.kind() {
                Kind::Message(inner) => Some(inner),
                _ => None,
            }));
        }
    }
    false
}

/// Returns true when messages nest more than 100 deep, the contents of every `Any` included.
pub(crate) fn too_deep(message: &DynamicMessage) -> bool {
    deeper(message, DEEPEST)
}

fn deeper(message: &DynamicMessage, left: usize) -> bool {
    let Some(left) = left.checked_sub(1) else { return true };
    if message.descriptor().full_name() == ANY {
        return content(message).is_some_and(|content| deeper(&content, left));
    }
    message.fields().any(|(_, value)| value_deeper(value, left))
}

fn value_deeper(value: &Value, left: usize) -> bool {
    match value {
        Value::Message(message) => deeper(message, left),
        Value::List(items) => items.iter().any(|item| value_deeper(item, left)),
        Value::Map(entries) => entries.values().any(|item| value_deeper(item, left)),
        _ => false,
    }
}

/// Decodes what an `Any` holds. What cannot be decoded cannot be written either, and goes no deeper.
fn content(any: &DynamicMessage) -> Option<DynamicMessage> {
    let (url, bytes) = (any.get_field_by_number(1)?, any.get_field_by_number(2)?);
    let name = url.as_str()?.rsplit('/').next()?;
    let of = any.descriptor().parent_pool().get_message_by_name(name)?;
    DynamicMessage::decode(of, bytes.as_bytes()?.clone()).ok()
}

const ANY: &str = "google.protobuf.Any";
/// As deep as the decoder goes by itself.
const DEEPEST: usize = 100;
