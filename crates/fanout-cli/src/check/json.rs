//! What `check` found, for programs.

use std::time::SystemTime;

use fanout_config::{ConfigError, Finding, Level, Target, Twice};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Outcome;

pub(super) fn outcome(outcome: &Outcome<'_>) -> String {
    let route = |(name, twice): &(&str, Vec<Twice>)| {
        let path =
            |path: &Twice| json!({ "kind": path.kind(), "sinks": path.sinks(), "why": path.why() });
        json!({ "name": name, "twice": twice.iter().map(path).collect::<Vec<_>>() })
    };
    pretty(&json!({
        "file": outcome.file,
        "ok": outcome.worst() != Some(Level::Failed),
        "errors": [],
        "warnings": outcome.warnings.iter().map(fault).collect::<Vec<_>>(),
        "sinks": outcome.sinks.iter().map(|(target, found)| sink(target, found)).collect::<Vec<_>>(),
        "routes": outcome.routes.iter().map(route).collect::<Vec<_>>(),
    }))
}

/// Of a file that is not usable.
pub(super) fn faulty(error: &ConfigError) -> String {
    let errors: Vec<_> = std::iter::once(error).chain(error.others()).map(fault).collect();
    let file = error.file();
    pretty(
        &json!({ "file": file, "ok": false, "errors": errors, "warnings": [], "sinks": [], "routes": [] }),
    )
}

fn sink(target: &Target, findings: &[Finding]) -> Value {
    json!({
        "name": target.name(),
        "transport": target.transport(),
        "origin": target.origin(),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    let mut value = json!({
        "check": finding.check(),
        "level": finding.level().as_str(),
        "detail": finding.detail(),
    });
    if let Some(expires) = finding.expires() {
        value["expires"] = json!(moment(expires));
    }
    if let Some(api) = finding.api() {
        value["api"] = json!(api);
    }
    value
}

fn fault(error: &ConfigError) -> Value {
    json!({ "line": error.line(), "key": error.key(), "problem": error.problem(), "help": error.help() })
}

/// RFC 3339, in UTC.
fn moment(time: SystemTime) -> Option<String> {
    Timestamp::try_from(time).ok().map(|time| time.to_string())
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
