//! Entries that hold one value: a text, a choice, a time, a number.
//!
//! A number, `true` and `false` may come from the environment too: then they stand in quotes.

use std::time::Duration;

use jiff::SignedDuration;
use toml::de::DeValue;

use super::{Entry, Text};
use crate::ConfigError;
use crate::words::{key, listed, shown, suggest};

impl<'a> Entry<'a> {
    pub(crate) fn text(&self, example: &str) -> Result<Text<'a>, ConfigError> {
        match self.value {
            DeValue::String(text) => self.place.text(text),
            _ => Err(self.unexpected(format!("write a text in quotes, as in {example}"))),
        }
    }

    /// The text, if a variable is in it.
    fn variable(&self) -> Result<Option<Text<'a>>, ConfigError> {
        let DeValue::String(text) = self.value else { return Ok(None) };
        Ok(Some(self.place.text(text)?).filter(Text::is_foreign))
    }

    pub(crate) fn flag(&self) -> Result<bool, ConfigError> {
        let foreign = self.variable()?.and_then(|text| text.parse().ok());
        foreign.or(self.as_flag()).ok_or_else(|| self.unexpected("write true or false"))
    }

    /// One of the names.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let names = || choices.iter().map(|(name, _)| *name);
        let example = choices.first().map_or("", |(name, _)| name);
        let text = self.text(&format!("{} = \"{example}\"", key(self.name)))?;
        match choices.iter().find(|(name, _)| *name == &*text) {
            Some((_, choice)) => Ok(*choice),
            None => Err(self.unknown_choice(&text, names())),
        }
    }

    /// Says what is allowed in the place of `text`. Nothing is guessed from what the environment holds.
    pub(crate) fn unknown_choice<'c>(
        &self,
        text: &Text<'_>,
        names: impl IntoIterator<Item = &'c str>,
    ) -> ConfigError {
        let help = if text.is_foreign() {
            format!("allowed are {}", listed(names))
        } else {
            suggest(text, "allowed are", names)
        };
        self.error(format!("\"{}\" is not known", text.shown())).with_help(help)
    }

    /// A time with its unit, above zero and at most a year.
    pub(crate) fn duration(&self) -> Result<Duration, ConfigError> {
        let help = "write a number with its unit in quotes, as in \"10s\", \"500ms\" or \"1m 30s\"";
        let DeValue::String(text) = self.value else { return Err(self.unexpected(help)) };
        let text = self.place.text(text)?;
        let found = || format!("\"{}\"", text.shown());
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
        let (number, found) = match (self.value, self.variable()?) {
            (DeValue::Integer(digits), _) => {
                let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok();
                (number, shown(digits.as_str()))
            }
            (_, Some(text)) => (text.parse().ok(), format!("\"{}\"", text.shown())),
            _ => return Err(self.unexpected(help)),
        };
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(number),
            None => Err(self.error(format!("{found} is out of range")).with_help(help)),
        }
    }

    /// A number, whole or not.
    pub(crate) fn number(&self) -> Result<f64, ConfigError> {
        let number = match (self.value, self.variable()?) {
            (DeValue::Integer(digits), _) if digits.radix() == 10 => digits.as_str().parse().ok(),
            (DeValue::Float(digits), _) => digits.as_str().parse().ok(),
            (_, Some(text)) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.unexpected("write a number, as in 0.5"))
    }
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
