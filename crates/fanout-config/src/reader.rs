//! The parsed file: tables and entries that know their line and the name of their key.
//!
//! Written by hand above the parser's tree rather than derived, because the messages of a derived reader
//! quote whatever value they did not expect, and in this file that may be a credential.

use std::time::Duration;

use jiff::SignedDuration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::ConfigError;
use crate::words::{key, shown, suggest};

/// The name of the file, and where its lines begin.
pub(crate) struct Source {
    name: String,
    starts: Vec<usize>,
}

impl Source {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let starts = text.match_indices('\n').map(|(index, _)| index + 1);
        Self { name: name.to_owned(), starts: std::iter::once(0).chain(starts).collect() }
    }

    /// Parses the text into its root table.
    pub(crate) fn parse<'s>(text: &'s str) -> Result<Spanned<DeTable<'s>>, toml::de::Error> {
        DeTable::parse(text)
    }

    /// The parser's own message without the line that it would show.
    pub(crate) fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let message = ConfigError::new(&self.name, format!("not valid TOML: {}", error.message()));
        match error.span() {
            Some(span) => message.at_line(self.line(span.start)),
            None => message,
        }
    }

    pub(crate) fn error(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::new(&self.name, problem)
    }

    fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }
}

/// A place in the file: what an error is about.
#[derive(Clone)]
pub(crate) struct Place<'a> {
    source: &'a Source,
    /// With the tables around it.
    path: String,
    offset: usize,
}

impl Place<'_> {
    pub(crate) fn error(&self, problem: impl Into<String>) -> ConfigError {
        self.source.error(problem).at_line(self.line()).of_key(self.path.clone())
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn line(&self) -> usize {
        self.source.line(self.offset)
    }
}

/// A table of the file.
#[derive(Clone)]
pub(crate) struct Table<'a> {
    pub(crate) place: Place<'a>,
    entries: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    pub(crate) fn root(source: &'a Source, entries: &'a DeTable<'a>) -> Self {
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
        self.value.as_str() == Some(text)
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

    pub(crate) fn text(&self, example: &str) -> Result<&'a str, ConfigError> {
        match self.value {
            DeValue::String(text) => Ok(text),
            _ => Err(self.unexpected(format!("write a text in quotes, as in {example}"))),
        }
    }

    pub(crate) fn flag(&self) -> Result<bool, ConfigError> {
        self.as_flag().ok_or_else(|| self.unexpected("write true or false"))
    }

    /// One of the names.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let names = || choices.iter().map(|(name, _)| *name);
        let example = choices.first().map_or("", |(name, _)| name);
        let text = self.text(&format!("{} = \"{example}\"", key(self.name)))?;
        match choices.iter().find(|(name, _)| *name == text) {
            Some((_, choice)) => Ok(*choice),
            None => Err(self
                .error(format!("\"{}\" is not known", shown(text)))
                .with_help(suggest(text, "allowed are", names()))),
        }
    }

    /// A time with its unit, above zero and at most a year.
    pub(crate) fn duration(&self) -> Result<Duration, ConfigError> {
        let help = "write a number with its unit in quotes, as in \"10s\", \"500ms\" or \"1m 30s\"";
        let DeValue::String(text) = self.value else { return Err(self.unexpected(help)) };
        let found = || format!("\"{}\"", shown(text));
        let parsed = text.parse::<SignedDuration>().ok();
        match parsed.and_then(|duration| Duration::try_from(duration).ok()) {
            Some(Duration::ZERO) => Err(self
                .error(format!("{} is no time at all", found()))
                .with_help("write one that is longer than zero")),
            // Far more than anybody waits, and little enough to be added to any clock.
            Some(duration) if duration > YEAR => Err(self
                .error(format!("{} is longer than a year", found()))
                .with_help("write at most 365d")),
            Some(duration) => Ok(duration),
            None => Err(self.error(format!("{} is no length of time", found())).with_help(help)),
        }
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn count(&self, least: u64, most: u64) -> Result<u64, ConfigError> {
        let help = if most >= u64::from(u32::MAX) {
            format!("write a whole number, at least {least}")
        } else {
            format!("write a whole number from {least} to {most}")
        };
        let DeValue::Integer(digits) = self.value else { return Err(self.unexpected(help)) };
        let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok();
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(number),
            None => Err(self
                .error(format!("{} is out of range", shown(digits.as_str())))
                .with_help(help)),
        }
    }

    /// A number, whole or not.
    pub(crate) fn number(&self) -> Result<f64, ConfigError> {
        let number = match self.value {
            DeValue::Integer(digits) if digits.radix() == 10 => digits.as_str().parse().ok(),
            DeValue::Float(digits) => digits.as_str().parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.unexpected("write a number, as in 0.5"))
    }

    /// A list of texts, each with the place where it stands.
    pub(crate) fn texts(&self, example: &str) -> Result<Vec<(&'a str, Place<'a>)>, ConfigError> {
        let help = || format!("write a list of texts, as in {example}");
        let DeValue::Array(values) = self.value else { return Err(self.unexpected(help())) };
        let text = |value: &'a Spanned<DeValue<'a>>| {
            let place = Place { offset: value.span().start, ..self.place.clone() };
            match value.get_ref() {
                DeValue::String(text) => Ok((&**text, place)),
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
                    pairs.push(Pair { place: entry.place.clone(), name: entry.name, value });
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
    pub(crate) value: &'a str,
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

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
