//! The file's name and lines, and places in it.

use toml::Spanned;
use toml::de::DeTable;

use crate::ConfigError;

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
    pub(super) source: &'a Source,
    /// With the tables around it.
    pub(super) path: String,
    pub(super) offset: usize,
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
