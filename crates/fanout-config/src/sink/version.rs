//! `version`: the version of the API, and where the API wants it.

use fanout_http::ApiVersion;

use crate::ConfigError;
use crate::keys;
use crate::reader::Entry;

/// Reads `{ path = "v1" }`, or `{ header = { name = "api-version", value = "2024-10-21" } }`.
pub(super) fn read(entry: &Entry<'_>) -> Result<ApiVersion, ConfigError> {
    if !entry.is_table() {
        return Err(entry.unexpected(HELP));
    }
    let table = entry.table()?;
    table.allow(keys::VERSION)?;
    let mut ways = table.entries().into_iter();
    let (Some(way), None) = (ways.next(), ways.next()) else {
        return Err(entry.error("this has to say one place for the version").with_help(HELP));
    };
    if way.name == "path" {
        return Ok(ApiVersion::path(way.text("path = \"v1\"")?.to_string()));
    }
    if !way.is_table() {
        return Err(way.unexpected(HELP));
    }
    let pair = way.table()?;
    pair.allow(keys::VERSION_PAIR)?;
    let part = |name: &str, example: &str| match pair.get(name) {
        Some(part) => Ok(part.text(example)?.to_string()),
        None => Err(way.error(format!("{name} is missing")).with_help(HELP)),
    };
    let (name, value) = (part("name", "name = \"api-version\"")?, part("value", "value = \"1\"")?);
    Ok(match way.name {
        "header" => ApiVersion::header(name, value),
        "query" => ApiVersion::query(name, value),
        "media_type" => ApiVersion::media_type(name, value),
        _ => ApiVersion::vendor_type(name, value),
    })
}

const HELP: &str = "write version = { path = \"v1\" }, or { header = { name = \"api-version\", value = \"1\" } }; \
                    beside header there are query, media_type and vendor_type";
