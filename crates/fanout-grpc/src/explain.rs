//! Finds the field for which JSON does not fit a message, and says what it should have been.
//!
//! The mapping itself is the library's. To find the culprit, ever smaller pieces are offered to it
//! again; names of fields are shown, values never.

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
};
use serde_json::{Map, Value};

use crate::nearest::{listed, nearest};

/// Says which field of `value` does not fit `of`, and why; `None` when it cannot be told.
pub(crate) fn explain(value: &Value, of: &MessageDescriptor) -> Option<String> {
    message(value, of, &Path::default())
}

fn message(value: &Value, of: &MessageDescriptor, path: &Path) -> Option<String> {
    let Value::Object(members) = value else {
        return Some(path.must_be(&expected_message(of), value));
    };
    if special(of) || path.depth > DEEPEST {
        return (!path.is_root()).then(|| path.must_be(&expected_message(of), value));
    }
    for (name, member) in members {
        let Some(field) = of.get_field_by_json_name(name).or_else(|| of.get_field_by_name(name))
        else {
            if name.starts_with('[') {
                continue; // An extension.
            }
            return Some(unknown(name, of, path));
        };
        if !fits(of, name, member.clone()) {
            return Some(within(of, name, member, &field, &path.member(name)));
        }
    }
    two_of_one(members, of, path)
}

/// The value of one field does not fit: where in it?
fn within(
    of: &MessageDescriptor,
    name: &str,
    value: &Value,
    field: &FieldDescriptor,
    path: &Path,
) -> String {
    let kind = field.kind();
    if field.is_list() {
        let Value::Array(items) = value else {
            return path.must_be(&format!("a list; each item is {}", expected(&kind)), value);
        };
        let bad = |item: &Value| !fits(of, name, Value::Array(vec![item.clone()]));
        return match items.iter().enumerate().find(|(_, item)| bad(item)) {
            Some((index, item)) => single(item, &kind, &path.item(&index.to_string())),
            None => path.must_be("a list", value),
        };
    }
    if field.is_map() {
        let (Value::Object(entries), Kind::Message(entry)) = (value, kind) else {
            return path.must_be("an object", value);
        };
        let good = |key: &str, item: &Value| {
            fits(of, name, Value::Object(Map::from_iter([(key.to_owned(), item.clone())])))
        };
        let (key, kind) =
            (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        // The keys of a map are data: they are not shown.
        let path = path.item("*");
        return match entries.iter().find(|(key, item)| !good(key, item)) {
            Some((_, item)) if value_fits(&entry, item) => {
                format!("a key of `{path}` is not {}", expected(&key))
            }
            Some((_, item)) => single(item, &kind, &path),
            None => path.must_be("an object", value),
        };
    }
    single(value, &kind, path)
}

fn single(value: &Value, kind: &Kind, path: &Path) -> String {
    match (kind, value) {
        (Kind::Message(of), Value::Object(_)) => {
            message(value, of, path).unwrap_or_else(|| path.must_be(&expected(kind), value))
        }
        _ => path.must_be(&expected(kind), value),
    }
}

fn unknown(name: &str, of: &MessageDescriptor, path: &Path) -> String {
    let fields: Vec<_> = of.fields().map(|field| field.name().to_owned()).collect();
    let fields = || fields.iter().map(String::as_str);
    let what = format!("unknown field `{}` of {}", path.member(name), of.full_name());
    // The name as it is meant to look in JSON counts too, and first.
    let json: Vec<_> = of.fields().map(|field| field.json_name().to_owned()).collect();
    match nearest(name, json.iter().map(String::as_str).chain(fields())) {
        Some(near) => format!("{what}; did you mean `{near}`?"),
        None => format!("{what}; it has: {}", listed(fields())),
    }
}

/// Each member fits alone: then two of them exclude each other.
fn two_of_one(members: &Map<String, Value>, of: &MessageDescriptor, path: &Path) -> Option<String> {
    let given = |field: &FieldDescriptor| {
        [field.json_name(), field.name()]
            .iter()
            .any(|name| members.get(*name).is_some_and(|value| !value.is_null()))
    };
    for oneof in of.oneofs() {
        let fields: Vec<_> = oneof.fields().filter(given).collect();
        if let [first, second, ..] = fields.as_slice() {
            return Some(format!(
                "`{}` and `{}` exclude each other: only one of {} may be set",
                path.member(first.name()),
                path.member(second.name()),
                oneof.name()
            ));
        }
    }
    None
}

fn fits(of: &MessageDescriptor, name: &str, value: Value) -> bool {
    let object = Value::Object(Map::from_iter([(name.to_owned(), value)]));
    DynamicMessage::deserialize(of.clone(), object).is_ok()
}

fn value_fits(entry: &MessageDescriptor, value: &Value) -> bool {
    fits(entry, entry.map_entry_value_field().name(), value.clone())
}

/// Messages with a JSON form of their own.
fn special(of: &MessageDescriptor) -> bool {
    of.full_name().starts_with("google.protobuf.")
        && DescriptorPool::global().get_message_by_name(of.full_name()).is_some()
}

fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Double | Kind::Float => "a number".into(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "a whole number of 32 bits".into(),
        Kind::Uint32 | Kind::Fixed32 => "a whole number of 32 bits, not negative".into(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            "a whole number of 64 bits, or a string that holds one".into()
        }
        Kind::Uint64 | Kind::Fixed64 => {
            "a whole number of 64 bits, not negative, or a string that holds one".into()
        }
        Kind::Bool => "true or false".into(),
        Kind::String => "a string".into(),
        Kind::Bytes => "a string of base64".into(),
        Kind::Message(of) => expected_message(of),
        Kind::Enum(of) => expected_enum(of),
    }
}

fn expected_message(of: &MessageDescriptor) -> String {
    match of.full_name() {
        "google.protobuf.Timestamp" => "a time such as \"2026-01-31T12:00:00Z\"".into(),
        "google.protobuf.Duration" => "a duration such as \"1.5s\"".into(),
        "google.protobuf.FieldMask" => "a string of field names with commas".into(),
        "google.protobuf.Any" => "an object with \"@type\"".into(),
        "google.protobuf.ListValue" => "a list".into(),
        name if special(of) && name.ends_with("Value") => {
            of.get_field(1).map_or_else(|| "an object".into(), |field| expected(&field.kind()))
        }
        name => format!("an object ({name})"),
    }
}

fn expected_enum(of: &EnumDescriptor) -> String {
    let names: Vec<_> = of.values().map(|value| value.name().to_owned()).collect();
    format!("one of {}", listed(names.iter().map(String::as_str)))
}

/// Where in the JSON: `items[2].price`.
#[derive(Clone, Default)]
struct Path {
    text: String,
    depth: usize,
}

impl Path {
    fn member(&self, name: &str) -> Self {
        let dot = if self.is_root() { "" } else { "." };
        let mut name: String =
            name.chars().take(LONGEST_NAME).flat_map(char::escape_debug).collect();
        if name.is_empty() {
            name.push_str("\"\"");
        }
        Self { text: format!("{}{dot}{name}", self.text), depth: self.depth + 1 }
    }

    fn item(&self, index: &str) -> Self {
        Self { text: format!("{}[{index}]", self.text), depth: self.depth }
    }

    fn is_root(&self) -> bool {
        self.text.is_empty()
    }

    fn must_be(&self, expected: &str, found: &Value) -> String {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let place = if self.is_root() { "the payload".into() } else { format!("`{self}`") };
        // "must be a string, found a string" would read as a joke.
        format!(
            "{place} must be {expected}; found {found}{}",
            if expected.starts_with(found) { " that does not fit" } else { "" }
        )
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Each level offers its part of the payload again, so there is a bottom to it.
const DEEPEST: usize = 32;
const LONGEST_NAME: usize = 64;
