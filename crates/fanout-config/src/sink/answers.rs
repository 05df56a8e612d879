//! The keys of an HTTP sink that say what its answers mean, and what is done about a redirect.

use fanout_http::{HttpSink, HttpSinkBuilder, Redirects};

use super::wrong;
use crate::reader::{Entry, Table};
use crate::{ConfigError, keys};

/// Puts what the table says about answers into the builder.
pub(super) fn set(
    mut builder: HttpSinkBuilder,
    table: &Table<'_>,
) -> Result<HttpSinkBuilder, ConfigError> {
    let lists: [(&str, Add); 3] = [
        ("success_on", |builder, codes| builder.success_on(codes)),
        ("never_on", |builder, codes| builder.never_on(codes)),
        ("retry_on", |builder, codes| builder.retry_on(codes)),
    ];
    for (key, add) in lists {
        let Some(entry) = table.get(key) else { continue };
        for (codes, place) in entry.codes("[409, \"5xx\", \"520-527\"]")? {
            // Alone, so that what is wrong is said at its own line.
            add(HttpSink::post("http://localhost/"), codes.to_string())
                .build()
                .map_err(|error| place.error(codes.hide_in(error.to_chain())))?;
            builder = add(builder, codes.to_string());
        }
    }
    let flags: [(&str, Turn); 3] = [
        ("trust_503", HttpSinkBuilder::trust_503),
        ("vendor_codes", HttpSinkBuilder::vendor_codes),
        ("rate_limit_fields", HttpSinkBuilder::rate_limit_fields),
    ];
    for (key, turn) in flags {
        if let Some(entry) = table.get(key) {
            builder = turn(builder, entry.flag()?);
        }
    }
    match table.get("redirects") {
        Some(entry) => redirects(builder, &entry),
        None => Ok(builder),
    }
}

type Add = fn(HttpSinkBuilder, String) -> HttpSinkBuilder;
type Turn = fn(HttpSinkBuilder, bool) -> HttpSinkBuilder;

/// `redirects = "same_origin"`, or `{ follow = "same_origin", max = 5 }`.
fn redirects(builder: HttpSinkBuilder, entry: &Entry<'_>) -> Result<HttpSinkBuilder, ConfigError> {
    if !entry.is_table() {
        return Ok(builder.redirects(entry.choice(&REDIRECTS)?));
    }
    let table = entry.table()?;
    table.allow(keys::REDIRECTS)?;
    let Some(follow) = table.get("follow") else {
        return Err(entry
            .error("the table does not say which are followed")
            .with_help("write redirects = { follow = \"same_origin\", max = 3 }"));
    };
    let mut redirects = follow.choice(&REDIRECTS)?;
    if let Some(max) = table.get("max") {
        let count = max.count(1, MOST_REDIRECTS)?;
        redirects = redirects.max(count.try_into().unwrap_or(u32::MAX));
    }
    HttpSink::post("http://localhost/")
        .redirects(redirects)
        .build()
        .map_err(|error| wrong(&entry.place, &error))?;
    Ok(builder.redirects(redirects))
}

const REDIRECTS: [(&str, Redirects); 3] = [
    ("none", Redirects::none()),
    ("same_origin", Redirects::same_origin()),
    ("any_origin", Redirects::any_origin()),
];

/// As many as browsers follow.
const MOST_REDIRECTS: u64 = 20;
