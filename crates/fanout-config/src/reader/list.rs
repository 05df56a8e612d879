//! Entries that hold several values: a list of texts, a table of pairs.

use fanout::Secret;
use toml::Spanned;
use toml::de::DeValue;

use super::{Entry, Place, Table, Text, kind};
use crate::ConfigError;

impl<'a> Entry<'a> {
    /// A list of texts, each with the place where it stands.
    pub(crate) fn texts(&self, example: &str) -> Result<Vec<(Text<'a>, Place<'a>)>, ConfigError> {
        let help = || format!("write a list of texts, as in {example}");
        let DeValue::Array(values) = self.value else { return Err(self.unexpected(help())) };
        let text = |value: &'a Spanned<DeValue<'a>>| {
            let place = Place { offset: value.span().start, ..self.place.clone() };
            match value.get_ref() {
                DeValue::String(text) => Ok((place.text(text)?, place)),
                other => Err(place
                    .error(format!("the list has {} in it", kind(other)))
                    .with_help(help())),
            }
        };
        values.iter().map(text).collect()
    }

    /// Status codes: a number, a text, or a list of both.
    pub(crate) fn codes(&self, example: &str) -> Result<Vec<(Text<'a>, Place<'a>)>, ConfigError> {
        let code = |entry: Self| match entry.value {
            DeValue::String(text) => Ok((entry.place.text(text)?, entry.place)),
            DeValue::Integer(digits) if digits.radix() == 10 => {
                Ok((entry.place.text(digits.as_str())?, entry.place))
            }
            _ => Err(entry.unexpected(format!("write status codes, as in {example}"))),
        };
        self.one_or_more().into_iter().map(code).collect()
    }

    /// The values of a list; a value that is no list is one of one.
    pub(crate) fn one_or_more(&self) -> Vec<Self> {
        match self.value {
            DeValue::Array(values) => values.iter().map(|value| self.item(value)).collect(),
            _ => vec![self.clone()],
        }
    }

    /// One value of a list.
    pub(super) fn item(&self, value: &'a Spanned<DeValue<'a>>) -> Self {
        let place = Place { offset: value.span().start, ..self.place.clone() };
        Self { place, name: self.name, value: value.get_ref() }
    }

    /// A table of names and values; a value may be a list, and a secret that is named. Values are never
    /// shown.
    pub(crate) fn pairs(&self) -> Result<Vec<Pair<'a>>, ConfigError> {
        let DeValue::Table(entries) = self.value else {
            return Err(self.unexpected(format!(
                "write a table, as in {} = {{ name = \"value\" }}",
                self.name
            )));
        };
        let mut pairs = Vec::new();
        for entry in (Table { place: self.place.clone(), entries }).entries() {
            // `"Authorization: Bearer ..." = ""` has the secret in the name.
            if entry.name.contains([':', '=', ' ']) {
                let place = Place { offset: entry.place.offset, ..self.place.clone() };
                return Err(place
                    .error("a name in it has characters that no such name can have")
                    .with_help(format!("write {} = {{ Name = \"value\" }}", self.name)));
            }
            match entry.value {
                DeValue::String(value) => {
                    let place = entry.place.clone();
                    let value = Value::Text(place.text(value)?);
                    pairs.push(Pair { name: entry.name, value, place });
                }
                DeValue::Array(_) => {
                    for (value, place) in entry.texts("[\"one\", \"two\"]")? {
                        pairs.push(Pair { place, name: entry.name, value: Value::Text(value) });
                    }
                }
                DeValue::Table(_) => {
                    let value = Value::Secret(entry.secret()?);
                    pairs.push(Pair { place: entry.place.clone(), name: entry.name, value });
                }
                _ => {
                    return Err(entry
                        .unexpected("write the value as a text in quotes, as a list of them, or as { env = \"VARIABLE\" }"));
                }
            }
        }
        Ok(pairs)
    }
}

/// A name with one of its values, which may be a secret.
pub(crate) struct Pair<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) name: &'a str,
    pub(crate) value: Value<'a>,
}

/// A value of a pair.
pub(crate) enum Value<'a> {
    Text(Text<'a>),
    Secret(Secret),
}
