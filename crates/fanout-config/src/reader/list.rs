//! Entries that hold several values: a list of texts, a table of pairs.

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

    /// A table of names and values; a value may be a list. Values are never shown.
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
                    pairs.push(Pair { name: entry.name, value: place.text(value)?, place });
                }
                DeValue::Array(_) => {
                    for (value, place) in entry.texts("[\"one\", \"two\"]")? {
                        pairs.push(Pair { place, name: entry.name, value });
                    }
                }
                _ => {
                    return Err(entry
                        .unexpected("write the value as a text in quotes, or as a list of them"));
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
    pub(crate) value: Text<'a>,
}
