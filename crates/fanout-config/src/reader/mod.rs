//! The parsed file: tables and entries that know their line and the name of their key.
//!
//! Written by hand above the parser's tree rather than derived, because the messages of a derived reader
//! quote whatever value they did not expect, and in this file that may be a credential.

mod files;
mod list;
mod secret;
mod source;
mod value;
mod variables;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(crate) use self::files::why;
pub(crate) use self::list::{Pair, Value};
pub(crate) use self::source::{Place, Source, Text};
pub(crate) use self::variables::Environment;
use crate::ConfigError;
use crate::words::{key, suggest};

/// A table of the file.
#[derive(Clone)]
pub(crate) struct Table<'a> {
    pub(crate) place: Place<'a>,
    entries: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    pub(crate) fn root(source: &'a Source<'a>, entries: &'a DeTable<'a>) -> Self {
        Self { place: Place { source, path: String::new(), offset: 0 }, entries }
    }

    /// The entries in the order of the file.
    pub(crate) fn entries(&self) -> Vec<Entry<'a>> {
        let mut entries: Vec<_> =
            self.entries.iter().map(|(name, value)| self.entry(name, value)).collect();
        entries.sort_by_key(|entry| entry.place.offset);
        entries
    }

    pub(crate) fn get(&self, name: &str) -> Option<Entry<'a>> {
        let (name, value) = self.entries.get_key_value(name)?;
        Some(self.entry(name, value))
    }

    /// Refuses every key that is not among `known`.
    pub(crate) fn allow(&self, known: &[&str]) -> Result<(), ConfigError> {
        match self.entries().into_iter().find(|entry| !known.contains(&entry.name)) {
            Some(entry) => Err(entry.unknown(known)),
            None => Ok(()),
        }
    }

    fn entry(
        &self,
        name: &'a Spanned<toml::de::DeString<'a>>,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Entry<'a> {
        let (offset, name) = (name.span().start, &**name.get_ref());
        let path = match &*self.place.path {
            "" => key(name),
            path => format!("{path}.{}", key(name)),
        };
        let place = Place { source: self.place.source, path, offset };
        Entry { place, name, value: value.get_ref() }
    }
}

/// A key with its value.
#[derive(Clone)]
pub(crate) struct Entry<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) name: &'a str,
    value: &'a DeValue<'a>,
}

impl<'a> Entry<'a> {
    pub(crate) fn error(&self, problem: impl Into<String>) -> ConfigError {
        self.place.error(problem)
    }

    pub(crate) fn unknown(&self, known: &[&str]) -> ConfigError {
        let help = suggest(self.name, "the keys here are", known.iter().copied());
        self.error("there is no such key").with_help(help)
    }

    /// Says what is there by its type, and what should be there.
    pub(crate) fn unexpected(&self, help: impl Into<String>) -> ConfigError {
        self.error(format!("this is {}", kind(self.value))).with_help(help)
    }

    pub(crate) fn is_text(&self, text: &str) -> bool {
        self.value
            .as_str()
            .is_some_and(|written| self.place.text(written).is_ok_and(|value| &*value == text))
    }

    /// Looks up all variables in it, so that all that are missing are known.
    ///
    /// Returns an error for what is written wrong; what is missing is booked.
    pub(crate) fn look_up(&self) -> Result<(), ConfigError> {
        match self.value {
            DeValue::Table(entries) => {
                let table = Table { place: self.place.clone(), entries };
                table.entries().iter().try_for_each(Self::look_up)
            }
            DeValue::Array(values) => {
                values.iter().try_for_each(|value| self.item(value).look_up())
            }
            DeValue::String(text) => match self.place.text(text) {
                Err(error) if !self.place.is_booked(&error) => Err(error),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    pub(crate) fn as_flag(&self) -> Option<bool> {
        self.value.as_bool()
    }

    pub(crate) fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    pub(crate) fn table(&self) -> Result<Table<'a>, ConfigError> {
        match self.value {
            DeValue::Table(entries) => Ok(Table { place: self.place.clone(), entries }),
            _ => Err(self.unexpected(format!("write a table, as in [{}]", self.place.path))),
        }
    }
}

/// What a value is, never what it says.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date or a time of day",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
