//! `untrusted` and `guard`: where a sink may connect to, whatever its URL says.

use fanout::Error;
use fanout_net::Guard;

use crate::ConfigError;
use crate::keys;
use crate::reader::Table;

/// Reads both keys. `guard` alone is enough; `untrusted` alone asks for the standard guard.
pub(super) fn read(table: &Table<'_>) -> Result<Option<Guard>, ConfigError> {
    let untrusted = table.get("untrusted").map(|entry| entry.flag()).transpose()?;
    let Some(entry) = table.get("guard") else {
        return Ok((untrusted == Some(true)).then(Guard::new));
    };
    if untrusted == Some(false) {
        return Err(entry
            .error("the sink has a guard, and untrusted = false says that it needs none")
            .with_help("take one of the two keys away"));
    }
    let rules = entry.table()?;
    rules.allow(keys::GUARD)?;
    let guard = add(&rules, "allow", Guard::new(), Guard::allow)?;
    add(&rules, "deny", guard, Guard::deny).map(Some)
}

fn add(
    rules: &Table<'_>,
    key: &str,
    mut guard: Guard,
    rule: impl Fn(Guard, String) -> Result<Guard, Error>,
) -> Result<Guard, ConfigError> {
    let Some(entry) = rules.get(key) else { return Ok(guard) };
    for (text, place) in entry.texts(&format!("{key} = [\"10.0.0.0/8\", \"hooks.internal\"]"))? {
        guard = rule(guard, text.to_string()).map_err(|error| {
            // What the guard says shows the rule, and that may come from the environment.
            place.error(if text.is_foreign() {
                format!("\"{}\" is no rule of a guard", text.shown())
            } else {
                error.to_chain()
            })
        })?;
    }
    Ok(guard)
}
