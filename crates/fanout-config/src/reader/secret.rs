//! Entries that hold a secret: `{ env = "VAR" }`, `{ file = "path" }`, or a text.

use std::env::VarError;
use std::path::PathBuf;

use fanout::Secret;
use toml::de::DeValue;

use super::source::{not_text, unset};
use super::{Entry, variables};
use crate::{ConfigError, keys};

impl<'a> Entry<'a> {
    /// The secret that is, or is named, here. A text without a variable is noted: it is in the file for
    /// all to read.
    pub(crate) fn secret(&self) -> Result<Secret, ConfigError> {
        match self.value {
            DeValue::String(text) => {
                let text = self.place.text(text)?;
                if text.is_empty() {
                    return Err(self.error("the secret is empty").with_help(self.ways()));
                }
                if !text.is_foreign() {
                    self.place.note("a secret stands in the file", self.ways());
                }
                self.of(&text)
            }
            DeValue::Table(_) => self.named_secret(),
            _ => Err(self.unexpected(self.ways())),
        }
    }

    /// The file that the secret is in, if it is named here.
    pub(crate) fn path_of_secret(&self) -> Result<Option<PathBuf>, ConfigError> {
        let DeValue::Table(_) = self.value else { return Ok(None) };
        let Some(file) = self.table()?.get("file") else { return Ok(None) };
        let name = file.text("file = \"billing.token\"")?;
        Ok(Some(self.place.path_of(&name)))
    }

    fn named_secret(&self) -> Result<Secret, ConfigError> {
        let table = self.table()?;
        // The key itself may be the secret, as in `{ "Bearer abc" = "" }`: it is not repeated.
        if table.entries().iter().any(|entry| !keys::SECRET.contains(&entry.name)) {
            return Err(self.error("this names no place of a secret").with_help(self.ways()));
        }
        match (table.get("env"), table.get("file")) {
            (Some(env), None) => env.secret_of_variable(),
            (None, Some(file)) => file.secret_of_file(),
            _ => Err(self.error("this has to name one place of the secret").with_help(self.ways())),
        }
    }

    fn secret_of_variable(&self) -> Result<Secret, ConfigError> {
        let name = self.text("env = \"BILLING_TOKEN\"")?;
        if !variables::is_name(&name) {
            return Err(self
                .error("this is no name of a variable")
                .with_help("write env = \"BILLING_TOKEN\": letters, digits and _"));
        }
        let absent = |problem| {
            self.place.absent(problem, "set it in the environment");
            // Whatever else is missing is to be found too.
            Ok(Secret::new("missing"))
        };
        match (self.place.source.environment)(&name) {
            Ok(value) if value.is_empty() => {
                absent(format!("the variable {} is empty", name.shown()))
            }
            Ok(value) => self.of(&value),
            Err(VarError::NotPresent) => absent(unset(&name.shown())),
            Err(VarError::NotUnicode(_)) => Err(self.error(not_text(&name.shown()))),
        }
    }

    fn secret_of_file(&self) -> Result<Secret, ConfigError> {
        let name = self.text("file = \"billing.token\"")?;
        let path = self.place.path_of(&name);
        Secret::from_file(&path).or_else(|error| {
            // The path in full would show what variables hold.
            let begin = format!("the secret file {}: ", path.display());
            let why = error.message().strip_prefix(&*begin).unwrap_or("it is not usable");
            self.place.absent(
                format!("the file \"{}\" is no secret: {why}", name.shown()),
                "a relative path begins where this file is",
            );
            Ok(Secret::new("missing"))
        })
    }

    /// Found out now, not by the first send: nothing can carry a line break.
    fn of(&self, value: &str) -> Result<Secret, ConfigError> {
        if value.contains(char::is_control) {
            return Err(self.error("the secret has a line break or another control character"));
        }
        Ok(Secret::new(value))
    }

    fn ways(&self) -> String {
        let name = self.name;
        format!("write {name} = {{ env = \"VARIABLE\" }} or {name} = {{ file = \"PATH\" }}")
    }
}
