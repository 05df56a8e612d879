//! The first line of the file: where its messages were sent, without what is secret about that.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where messages were sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Says what kind of file this is: `undelivered`.
    fanout: Kind,
    version: Version,
    /// The names of the required sinks, in order.
    pub(crate) sinks: Vec<String>,
    /// The names of the headers that every message was sent with. Their values may be credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) headers: Vec<String>,
    #[serde(flatten)]
    pub(crate) targets: Targets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Undelivered,
}

/// Only ever one so far; a file of another is refused, not misread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Version {
    #[serde(rename = "1")]
    One,
}

/// A route of a file, or what the arguments said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Targets {
    Route { config: PathBuf, route: String },
    To(Box<To>),
}

/// What the arguments said about targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct To {
    pub(crate) to: Vec<RecordedTarget>,
    pub(crate) policy: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_success: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on_ambiguous: Option<String>,
    pub(crate) method: String,
    pub(crate) timeout_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deadline_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_cert: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) descriptor_set: Option<PathBuf>,
    #[serde(default)]
    pub(crate) allow_plaintext: bool,
}

/// A target, without its query, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordedTarget {
    pub(crate) name: String,
    pub(crate) url: String,
    /// Whether the URL had a query, so that it has to be given again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) had_query: bool,
}

impl Origin {
    pub(crate) fn new(sinks: Vec<String>, headers: Vec<String>, targets: Targets) -> Self {
        Self { fanout: Kind::Undelivered, version: Version::One, sinks, headers, targets }
    }
}
