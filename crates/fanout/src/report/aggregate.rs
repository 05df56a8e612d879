//! Making one answer of several receipts, after everything happened.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Delivery, Error, ErrorKind, Receipt, Report, RetryAdvice};

/// What [`Report::merge_json`] does when two sinks answer with the same key. There is no default.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnConflict {
    /// Refuse, naming the key and the second sink, unless both values are equal.
    Error,
    /// Keep the value of the sink that was configured first.
    First,
    /// Keep the value of the sink that was configured last.
    Last,
}

impl Report {
    /// Returns the receipts of the required sinks that took the message, in configured order.
    pub fn collect(&self) -> Vec<(&str, &Receipt)> {
        self.required()
            .filter_map(|delivery| Some((delivery.sink(), delivery.receipt()?)))
            .collect()
    }

    /// Returns the required sink that took the message first.
    pub fn winner(&self) -> Option<&Delivery> {
        self.required()
            .filter(|delivery| delivery.is_delivered())
            .min_by_key(|delivery| delivery.rank)
    }

    /// Reads the answer of the sink `name` as JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when there is no such sink or it did not take the message;
    /// [`ErrorKind::Protocol`] when the answer is not whole or not the expected JSON.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let refuse = |message: &'static str| {
            Error::new(ErrorKind::Build, message).with_context("sink", name)
        };
        let delivery = self.get(name).ok_or_else(|| refuse("there is no such sink"))?;
        let receipt =
            delivery.receipt().ok_or_else(|| refuse("the sink did not take the message"))?;
        receipt.json().map_err(|error| error.with_context("sink", name))
    }

    /// Merges the JSON objects that the required sinks answered with into one, in configured order.
    ///
    /// Only top-level keys are merged. `on_conflict` says what happens when two sinks give different
    /// values to one key. An empty answer counts as an empty object.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] when an answer is not whole or not a JSON object;
    /// [`ErrorKind::Conflict`] when [`OnConflict::Error`] was asked for and two values differ.
    pub fn merge_json(&self, on_conflict: OnConflict) -> Result<Map<String, Value>, Error> {
        let mut merged = Map::new();
        for (sink, receipt) in self.collect() {
            if receipt.body().is_empty() && receipt.body_state() == crate::BodyState::Complete {
                continue;
            }
            let object: Map<String, Value> =
                receipt.json().map_err(|error| error.with_context("sink", sink))?;
            for (key, value) in object {
                match (merged.get(&key), on_conflict) {
                    (None, _) | (Some(_), OnConflict::Last) => {
                        merged.insert(key, value);
                    }
                    (Some(known), OnConflict::Error) if *known != value => {
                        return Err(Error::new(
                            ErrorKind::Conflict,
                            "two sinks gave one key different values",
                        )
                        .with_advice(RetryAdvice::Never)
                        .with_context("key", key)
                        .with_context("sink", sink));
                    }
                    (Some(_), OnConflict::Error | OnConflict::First) => {}
                }
            }
        }
        Ok(merged)
    }
}
