//! The keys of an HTTP sink.

use fanout::Idempotency;
use fanout_http::{HttpSink, HttpSinkBuilder, Redirects};

use super::{Common, bad_address, pairs, version, wrong};
use crate::clients::{Clients, is_loopback};
use crate::reader::{Entry, Place, Table};
use crate::{ConfigError, keys, words};

pub(super) fn build(
    address: &Entry<'_>,
    table: &Table<'_>,
    common: Common,
    clients: &mut Clients,
) -> Result<HttpSink, ConfigError> {
    let url = address.text("http = \"https://api.example.com/v1/data\"")?;
    let method = table.get("method");
    let written = method.as_ref().map(|entry| entry.text("method = \"PUT\"")).transpose()?;
    let method_name = written.as_deref().unwrap_or("POST");
    let connect_timeout =
        table.get("connect_timeout").map(|entry| Ok((entry.duration()?, entry))).transpose()?;
    if let Some((value, entry)) = &connect_timeout
        && *value > common.timeout
    {
        let (value, timeout) = (words::time(*value), words::time(common.timeout));
        return Err(entry
            .error(format!("{value} is longer than the whole attempt may take ({timeout})"))
            .with_help("connecting is part of an attempt: make it shorter, or timeout longer"));
    }
    let connect_timeout = connect_timeout.map(|(value, _)| value);

    let mut builder = HttpSink::request(method_name, &*url).timeout(common.timeout);
    if let Some(mode) = common.idempotency {
        builder = builder.idempotency(mode);
    }
    if common.allow_plaintext {
        builder = builder.allow_plaintext();
    }
    let bytes = |name| table.get(name).map(|entry| entry.count(0, MOST_BYTES)).transpose();
    if let Some(bytes) = bytes("max_request_body")? {
        builder = builder.max_request_body(size(bytes));
    }
    if let Some(bytes) = bytes("max_receipt_body")? {
        builder = builder.max_receipt_body(size(bytes));
    }
    if let Some(entry) = table.get("redirects") {
        builder = builder.redirects(redirects(&entry)?);
    }
    for pair in pairs(table, "query")? {
        builder = builder.query(pair.name, &*pair.value);
    }
    // Alone against a URL that is surely good, so that what is wrong is said at its own line.
    let probe = |place: &Place<'_>, add: &dyn Fn(HttpSinkBuilder) -> HttpSinkBuilder| {
        let built = add(HttpSink::post("http://localhost/")).build();
        built.map(drop).map_err(|error| wrong(place, &error))
    };
    if let Some(entry) = &method
        && HttpSink::request(method_name, "http://localhost/").build().is_err()
    {
        return Err(entry
            .error("this is no method that a message can be sent with")
            .with_help("write one like POST, PUT, PATCH, DELETE or GET, in capital letters"));
    }
    for pair in pairs(table, "headers")? {
        let mode = common.idempotency.unwrap_or(Idempotency::Method);
        probe(&pair.place, &|b| b.idempotency(mode).header(pair.name, &*pair.value))?;
        builder = builder.header(pair.name, &*pair.value);
    }
    if let Some(entry) = table.get("content_type") {
        let value = entry.text("content_type = \"application/json\"")?;
        probe(&entry.place, &|b| b.content_type(&*value))?;
        builder = builder.content_type(&*value);
    }
    if let Some(entry) = table.get("version") {
        let version = version::read(&entry)?;
        // With and without the placeholder: whether the address has it is said of the address.
        let place = |url| HttpSink::post(url).api_version(version.clone()).build();
        place("http://localhost/{version}")
            .or_else(|_| place("http://localhost/"))
            .map_err(|error| wrong(&entry.place, &error))?;
        builder = builder.api_version(version);
    }
    let client = clients
        .http(is_loopback(&url), connect_timeout, common.guard)
        .map_err(|error| wrong(&address.place, &error))?;
    builder.client(&client).build().map_err(|error| bad_address(address, &url, &error))
}

/// `"same_origin"`, or a table that says how many as well.
fn redirects(entry: &Entry<'_>) -> Result<Redirects, ConfigError> {
    if !entry.is_table() {
        return entry.choice(&REDIRECTS);
    }
    let table = entry.table()?;
    table.allow(&keys::REDIRECTS)?;
    let Some(follow) = table.get("follow") else {
        return Err(entry
            .error("the table does not say which are followed")
            .with_help("write redirects = { follow = \"same_origin\", max = 3 }"));
    };
    let follow = follow.choice(&REDIRECTS)?;
    Ok(match table.get("max") {
        Some(max) => follow.max(u32::try_from(max.count(1, MOST_REDIRECTS)?).unwrap_or(u32::MAX)),
        None => follow,
    })
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// 1 TiB: far beyond what fits, and small enough for every computation.
const MOST_BYTES: u64 = 1 << 40;

const REDIRECTS: [(&str, Redirects); 3] = [
    ("none", Redirects::none()),
    ("same_origin", Redirects::same_origin()),
    ("any_origin", Redirects::any_origin()),
];

/// As many as browsers follow.
const MOST_REDIRECTS: u64 = 20;
