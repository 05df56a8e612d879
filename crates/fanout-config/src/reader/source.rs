//! The file's name and lines, places in it, and what its variables stand for.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Deref;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::variables::{self, Environment, Fault};
use crate::ConfigError;
use crate::words::shown;

/// The name of the file, where its lines begin, and where its variables come from.
pub(crate) struct Source<'e> {
    name: String,
    starts: Vec<usize>,
    /// Where relative paths begin.
    pub(super) directory: &'e Path,
    pub(super) environment: Environment<'e>,
    /// What works, and had better be otherwise.
    notes: RefCell<Vec<ConfigError>>,
    /// What was looked for and is not there: all of it is told at once.
    missing: RefCell<Vec<ConfigError>>,
}

impl<'e> Source<'e> {
    pub(crate) fn new(
        name: &str,
        text: &str,
        directory: &'e Path,
        environment: Environment<'e>,
    ) -> Self {
        let starts = text.match_indices('\n').map(|(index, _)| index + 1);
        Self {
            name: name.to_owned(),
            starts: std::iter::once(0).chain(starts).collect(),
            directory,
            environment,
            notes: RefCell::default(),
            missing: RefCell::default(),
        }
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

    /// Everything that was looked for and is not there, in the order of the file.
    pub(crate) fn missing(&self) -> Option<ConfigError> {
        let mut missing = self.missing.take();
        missing.sort_by_key(ConfigError::line);
        let mut missing = missing.into_iter();
        missing.next().map(|first| first.with_others(missing.collect()))
    }

    /// What works, and had better be otherwise, in the order of the file.
    pub(crate) fn notes(&self) -> Vec<ConfigError> {
        let mut notes = self.notes.take();
        notes.sort_by_key(ConfigError::line);
        notes
    }

    fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }
}

/// A place in the file: what an error is about.
#[derive(Clone)]
pub(crate) struct Place<'a> {
    pub(super) source: &'a Source<'a>,
    /// With the tables around it.
    pub(super) path: String,
    pub(super) offset: usize,
}

impl<'a> Place<'a> {
    pub(crate) fn error(&self, problem: impl Into<String>) -> ConfigError {
        self.source.error(problem).at_line(self.line()).of_key(self.path.clone())
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn line(&self) -> usize {
        self.source.line(self.offset)
    }

    /// Puts the values of variables into `written`, which stands here.
    pub(crate) fn text(&self, written: &'a str) -> Result<Text<'a>, ConfigError> {
        let value = match variables::expand(written, self.source.environment) {
            Ok(None) => Cow::Borrowed(written),
            Ok(Some(value)) => Cow::Owned(value),
            Err(Fault::Malformed(problem)) => {
                return Err(self.error(problem).with_help(
                    "write ${VARIABLE} or ${VARIABLE:-default}; a literal ${ is written $${",
                ));
            }
            Err(Fault::Missing(name)) => {
                let help = format!("set it in the environment, or write ${{{name}:-default}}");
                return Err(self.absent(unset(name), help));
            }
            Err(Fault::NotText(name)) => return Err(self.error(not_text(name))),
        };
        Ok(Text { written, value })
    }

    /// Notes what works, and had better be otherwise.
    pub(crate) fn note(&self, problem: &str, help: impl Into<String>) {
        let help = help.into();
        let note = self.error(problem);
        let note = if help.is_empty() { note } else { note.with_help(help) };
        self.source.notes.borrow_mut().push(note);
    }

    /// Whether anything that was looked for is missing, so that values may be no real ones.
    pub(crate) fn misses_something(&self) -> bool {
        !self.source.missing.borrow().is_empty()
    }

    /// Whether the error says that something is missing.
    pub(super) fn is_booked(&self, error: &ConfigError) -> bool {
        self.source.missing.borrow().contains(error)
    }

    /// Books that something from outside of the file is not there. The error that is returned is booked
    /// already: it says only that reading cannot go on here.
    pub(crate) fn absent(&self, problem: String, help: impl Into<String>) -> ConfigError {
        let error = self.error(problem).with_help(help);
        let mut missing = self.source.missing.borrow_mut();
        if !missing.contains(&error) {
            missing.push(error.clone());
        }
        error
    }
}

pub(super) fn unset(variable: &str) -> String {
    format!("the variable {} is not set", shown(variable))
}

pub(super) fn not_text(variable: &str) -> String {
    format!("the value of the variable {} is not UTF-8 text", shown(variable))
}

/// A text of the file with the values of its variables.
///
/// It is its value. An error never shows that, but what [is written](Self::shown) in the file.
#[derive(Clone)]
pub(crate) struct Text<'a> {
    written: &'a str,
    value: Cow<'a, str>,
}

impl Text<'_> {
    /// As it stands in the file, safe to show if nothing there is secret.
    pub(crate) fn shown(&self) -> String {
        shown(self.written)
    }

    /// Takes what the environment holds out of what somebody else says about the value.
    pub(crate) fn hide_in(&self, message: String) -> String {
        if !self.is_foreign() {
            return message;
        }
        let pieces = self.value.split(|c: char| !(c.is_alphanumeric() || "._-".contains(c)));
        let foreign = |piece: &&str| piece.len() > 3 && !self.written.contains(*piece);
        let pieces = pieces.filter(foreign).filter(|piece| !SCHEMES.contains(piece));
        pieces.fold(message, |message, piece| message.replace(piece, "…"))
    }

    /// Whether a part of it comes from the environment.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self.value, Cow::Owned(_))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.value
    }
}

/// Words that a message about a URL has of its own.
const SCHEMES: [&str; 4] = ["http", "https", "grpc", "grpcs"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_shows_nothing_of_the_environment() {
        let say = |written, value: &str| {
            let value = Cow::Owned(value.to_owned());
            Text { written, value }.hide_in("no hunter2.Pay at https://api, see http://".to_owned())
        };
        assert_eq!(
            say("${V}", "https://api/hunter2.Pay?x"),
            "no … at https://api, see http://",
            "and what is short enough to be anything stays"
        );
        assert_eq!(
            say("https://api/hunter2.Pay${V}", "https://api/hunter2.Pay"),
            "no hunter2.Pay at https://api, see http://",
            "what is written in the file may be shown"
        );
        let text = Text { written: "hunter2", value: Cow::Borrowed("hunter2") };
        assert_eq!(text.hide_in("hunter2".to_owned()), "hunter2");
    }
}
