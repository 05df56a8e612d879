//! The keys of an HTTP sink.

use std::sync::Arc;

use fanout::Idempotency;
use fanout_http::auth::ApiKey;
use fanout_http::{Compression, HttpSink, HttpSinkBuilder, HttpVersion};

use super::{
    Common, answers, auth, bad_address, bytes, network, pairs, signing, tls, version, wrong,
};
use crate::ConfigError;
use crate::clients::{Clients, Way, is_loopback};
use crate::reader::{Entry, Place, Table, Value};
use crate::words;

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
    if let Some(bytes) = bytes(table, "max_request_body")? {
        builder = builder.max_request_body(bytes);
    }
    if let Some(bytes) = bytes(table, "max_receipt_body")? {
        builder = builder.max_receipt_body(bytes);
    }
    if let Some(entry) = table.get("compression") {
        builder = builder.compression(entry.choice(&COMPRESSIONS)?);
    }
    builder = answers::set(builder, table)?;
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
    for pair in pairs(table, "query")? {
        match pair.value {
            Value::Text(value) => builder = builder.query(pair.name, &*value),
            Value::Secret(secret) => {
                let key = ApiKey::query(pair.name, secret);
                probe(&pair.place, &|b| b.auth(key.clone()))?;
                builder = builder.auth(key);
            }
        }
    }
    for pair in pairs(table, "headers")? {
        let mode = common.idempotency.unwrap_or(Idempotency::Method);
        match pair.value {
            Value::Text(value) => {
                probe(&pair.place, &|b| b.idempotency(mode).header(pair.name, &*value))?;
                builder = builder.header(pair.name, &*value);
            }
            Value::Secret(secret) => {
                let key = ApiKey::header(pair.name, secret);
                probe(&pair.place, &|b| b.idempotency(mode).auth(key.clone()))?;
                builder = builder.auth(key);
            }
        }
    }
    if let Some(entry) = table.get("auth") {
        let credentials = auth::read(&entry, clients)?;
        probe(&entry.place, &|b| b.auth(Arc::clone(&credentials)))?;
        builder = builder.auth(credentials);
    }
    if let Some(entry) = table.get("signing") {
        let signer = signing::read(&entry)?;
        if table.get("compression").is_some_and(|entry| entry.is_text("gzip")) {
            return Err(entry.error("signed requests are not compressed").with_help(
                "receivers would not know which of the two bodies is signed: take one out",
            ));
        }
        builder = builder.sign(signer);
    }
    if let Some(entry) = table.get("content_type") {
        let value = entry.text("content_type = \"application/json\"")?;
        probe(&entry.place, &|b| b.content_type(&*value))?;
        builder = builder.content_type(&*value);
    }
    if let Some(entry) = table.get("host") {
        let host = entry.text("host = \"api.example.com\"")?;
        let built = HttpSink::post("http://localhost/").host(&*host).build();
        built.map_err(|error| bad_address(&entry, &host, &error))?;
        builder = builder.host(&*host);
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
    let http_version = match table.get("http_version") {
        Some(entry) => entry.choice(&VERSIONS)?,
        None => HttpVersion::Negotiate,
    };
    let guard = common.guard;
    let via = network::read(table, is_loopback(&url), guard.is_some())?;
    let tls = tls::read(table, &url)?;
    let max_response_head = common.max_response_head;
    let client = clients
        .client(Way { version: http_version, connect_timeout, max_response_head, via, tls, guard })
        .map_err(|error| wrong(&address.place, &error))?;
    builder.client(&client).build().map_err(|error| bad_address(address, &url, &error))
}

const COMPRESSIONS: [(&str, Compression); 2] =
    [("none", Compression::None), ("gzip", Compression::Gzip)];

const VERSIONS: [(&str, HttpVersion); 3] =
    [("negotiate", HttpVersion::Negotiate), ("1.1", HttpVersion::Http1), ("2", HttpVersion::Http2)];
