//! What is wrong with a file, where, and what to write instead.

use std::fmt;

/// Why a file cannot be used.
///
/// It names the file, the line and the key, says what was found there and what is allowed. It repeats
/// names and values of settings that cannot be secret; never a line of the file, a URL, a header, the
/// value of a variable, or anything else that could hold a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    file: String,
    line: Option<usize>,
    key: Option<String>,
    problem: String,
    help: Option<String>,
    others: Vec<ConfigError>,
}

impl ConfigError {
    pub(crate) fn new(file: &str, problem: impl Into<String>) -> Self {
        let (file, problem) = (file.to_owned(), problem.into());
        Self(Box::new(Inner { file, line: None, key: None, problem, help: None, others: vec![] }))
    }

    pub(crate) fn at_line(mut self, line: usize) -> Self {
        self.0.line = Some(line);
        self
    }

    pub(crate) fn of_key(mut self, key: impl Into<String>) -> Self {
        self.0.key = Some(key.into());
        self
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    pub(crate) fn with_others(mut self, others: Vec<Self>) -> Self {
        self.0.others = others;
        self
    }

    /// Returns the name of the file, as it was given.
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// Returns the line, counted from 1; none where the file as a whole is the matter.
    pub fn line(&self) -> Option<usize> {
        self.0.line
    }

    /// Returns the key with the tables that it is in, as `sinks.billing.timeout`.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// Returns what is wrong.
    pub fn problem(&self) -> &str {
        &self.0.problem
    }

    /// Returns what to write instead.
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Returns what else is missing, where this error is about something that is not set or not there:
    /// variables and files of secrets are all looked for before anything is said.
    pub fn others(&self) -> &[Self] {
        &self.0.others
    }
}

impl fmt::Display for ConfigError {
    /// `FILE:LINE: KEY: PROBLEM; HELP`, on one line, without the [others](Self::others).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file())?;
        if let Some(line) = self.line() {
            write!(f, ":{line}")?;
        }
        if let Some(key) = self.key() {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.problem())?;
        match self.help() {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ConfigError {}
