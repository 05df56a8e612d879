//! The setting that says when a sink may be offered the same message again.

use serde::{Deserialize, Serialize};

/// Whether a sink may be offered the same message again when an earlier attempt
/// [may have been applied](crate::Effect::Maybe): what transports call their idempotency mode.
///
/// It decides what [`Sink::is_repeatable`](crate::Sink::is_repeatable) answers, and nothing else: an
/// attempt that surely had no effect may be repeated in every mode. In files the names are `method`,
/// `key`, `always` and `never`. Complete by definition, so it is an exhaustive enum.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Idempotency {
    /// Repeatable when the protocol says so of the method that is called: HTTP of `PUT` but not of
    /// `POST`, gRPC of a method that is annotated with an `idempotency_level`.
    Method,
    /// Repeatable, because every attempt carries the same
    /// [idempotency key](crate::Attempt::idempotency_key), by which the receiver drops duplicates.
    Key,
    /// Repeatable: the receiver makes no difference between once and twice.
    Always,
    /// Not repeatable, whatever the method is.
    Never,
}

impl Idempotency {
    /// Returns the name that files use: `method`, `key`, `always`, `never`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Key => "key",
            Self::Always => "always",
            Self::Never => "never",
        }
    }

    /// Returns whether a sink in this mode is repeatable, when its method by itself is or is not.
    pub fn is_repeatable(self, method_is: bool) -> bool {
        match self {
            Self::Method => method_is,
            Self::Key | Self::Always => true,
            Self::Never => false,
        }
    }
}

impl std::fmt::Display for Idempotency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Idempotency::*;

    #[test]
    fn the_method_counts_in_its_own_mode_alone() {
        for (mode, idempotent, other) in
            [(Method, true, false), (Key, true, true), (Always, true, true), (Never, false, false)]
        {
            assert_eq!((mode.is_repeatable(true), mode.is_repeatable(false)), (idempotent, other));
            assert_eq!(serde_json::to_string(&mode).unwrap(), format!("\"{mode}\""));
            let back: super::Idempotency = serde_json::from_str(&format!("\"{mode}\"")).unwrap();
            assert_eq!(back, mode);
        }
    }
}
