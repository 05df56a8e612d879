//! Everything that came out, and whether a canary is in it.

use std::error::Error as _;
use std::fmt::Debug;

use fanout::{Error, Report};

use super::canaries::Canaries;

/// Looks at outputs as they come.
pub(crate) struct Outputs<'c> {
    canaries: &'c Canaries,
    pub(crate) paths: usize,
    pub(crate) looked_at: usize,
    pub(crate) bytes: usize,
    pub(crate) kinds: std::collections::BTreeSet<&'static str>,
    pub(crate) leaks: Vec<String>,
}

impl<'c> Outputs<'c> {
    pub(crate) fn new(canaries: &'c Canaries) -> Self {
        Self {
            canaries,
            paths: 0,
            looked_at: 0,
            bytes: 0,
            kinds: Default::default(),
            leaks: Vec::new(),
        }
    }

    pub(crate) fn text(&mut self, path: &str, what: &str, text: &str) {
        self.looked_at += 1;
        self.bytes += text.len();
        for (place, form) in self.canaries.found(text) {
            let at: String = text.chars().take(600).collect();
            self.leaks.push(format!("{path}: {what} shows the {place} ({form}): {at}"));
        }
    }

    pub(crate) fn debug(&mut self, path: &str, value: &impl Debug) {
        self.text(path, "{:?}", &format!("{value:?}"));
        self.text(path, "{:#?}", &format!("{value:#?}"));
    }

    pub(crate) fn error(&mut self, path: &str, error: &Error) {
        self.kinds.insert(error.kind().as_str());
        self.debug(path, error);
        error.notices().for_each(|notice| self.text(path, "a notice", notice));
        self.text(path, "the chain", &error.to_chain());
        self.text(path, "the excerpt", error.excerpt().unwrap_or_default());
        self.text(path, "the JSON", &serde_json::to_string(error).expect("errors serialise"));
        let mut cause = error.source();
        while let Some(error) = cause {
            self.text(path, "a cause", &error.to_string());
            self.debug(path, &error);
            cause = error.source();
        }
    }

    /// All that a report can say, and what its error says.
    pub(crate) fn report(&mut self, path: &str, report: Report) {
        self.paths += 1;
        self.text(path, "the table", &report.to_string());
        self.text(path, "the JSON", &serde_json::to_string(&report).expect("reports serialise"));
        self.debug(path, &report);
        let token = report.resend_token();
        self.text(path, "the token", &serde_json::to_string(&token).expect("tokens serialise"));
        self.debug(path, &token);
        for (name, notice) in report.api_notices() {
            self.text(path, name, &notice.to_string());
        }
        for delivery in report.deliveries() {
            self.debug(path, delivery.outcome());
            if let Some(error) = delivery.error() {
                self.error(path, error);
            }
            if let Some(receipt) = delivery.receipt() {
                self.debug(path, receipt);
                receipt.notices().for_each(|notice| self.text(path, "a notice", notice));
                if let Err(error) = receipt.json::<u64>() {
                    self.error(path, &error);
                }
            }
        }
        if let Err(unsatisfied) = report.into_result() {
            self.text(path, "the error", &unsatisfied.to_string());
            self.debug(path, &unsatisfied);
        }
    }
}
