//! The keys of a gRPC sink.

use std::sync::Arc;

use fanout::Idempotency;
use fanout_grpc::auth::ApiKey;
use fanout_grpc::{Compression, GrpcSink, GrpcSinkBuilder, Schema};
use fanout_net::HttpVersion;

use super::{Common, auth, bad_address, bytes, network, pairs, tls, wrong};
use crate::ConfigError;
use crate::clients::{Clients, Way, is_loopback};
use crate::keys;
use crate::reader::{Entry, Place, Table, Value};

pub(super) fn build(
    address: &Entry<'_>,
    table: &Table<'_>,
    common: Common,
    schema: Schema,
    clients: &mut Clients,
) -> Result<GrpcSink, ConfigError> {
    let url = address.text("grpc = \"https://audit.example.com/audit.v1.Audit/Record\"")?;
    let Some((server, method)) = split_method(&url) else {
        return Err(address
            .error("the URL names no gRPC method")
            .with_help("write it as SCHEME://HOST:PORT/package.Service/Method, without a query"));
    };
    let mut builder = GrpcSink::unary(server, method).schema(schema).timeout(common.timeout);
    if let Some(mode) = common.idempotency {
        builder = builder.idempotency(mode);
    }
    if let Some(bytes) = bytes(table, "max_request")? {
        builder = builder.max_request(bytes);
    }
    if let Some(bytes) = bytes(table, "max_response")? {
        builder = builder.max_response(bytes);
    }
    if let Some(entry) = table.get("compression") {
        builder = builder.compression(entry.choice(&COMPRESSIONS)?);
    }
    if common.allow_plaintext {
        builder = builder.allow_plaintext();
    }
    let guard = common.guard;
    let via = network::read(table, is_loopback(server), guard.is_some())?;
    let way = Way {
        version: HttpVersion::Http2,
        connect_timeout: None,
        max_response_head: common.max_response_head,
        via,
        tls: tls::read(table, server)?,
        guard,
    };
    let client = clients.client(way).map_err(|error| wrong(&address.place, &error))?;
    // Alone against an address that is surely good, so that what is wrong is said at its own line.
    let probe = |place: &Place<'_>, add: &dyn Fn(GrpcSinkBuilder) -> GrpcSinkBuilder| {
        let builder = GrpcSink::unary("http://localhost", "a.B/C")
            .idempotency(common.idempotency.unwrap_or(Idempotency::Method));
        add(builder).build().map(drop).map_err(|error| wrong(place, &error))
    };
    for pair in pairs(table, "metadata")? {
        match pair.value {
            Value::Text(value) => {
                probe(&pair.place, &|b| b.metadata(pair.name, &*value))?;
                builder = builder.metadata(pair.name, &*value);
            }
            Value::Secret(secret) => {
                let key = ApiKey::header(pair.name, secret);
                probe(&pair.place, &|b| b.auth(key.clone()))?;
                builder = builder.auth(key);
            }
        }
    }
    if let Some(entry) = table.get("auth") {
        let credentials = auth::read(&entry, clients)?;
        probe(&entry.place, &|b| b.auth(Arc::clone(&credentials)))?;
        builder = builder.auth(credentials);
    }
    if let Some(entry) = table.get("authority") {
        let host = entry.text("authority = \"audit.example.com\"")?;
        let built = GrpcSink::unary("http://localhost", "a.B/C").authority(&*host).build();
        built.map_err(|error| bad_address(&entry, &host, &error))?;
        builder = builder.authority(&*host);
    }
    builder.client(&client).build().map_err(|error| bad_address(address, &url, &error))
}

pub(super) fn schema(table: &Table<'_>) -> Result<Schema, ConfigError> {
    let Some(entry) = table.get("schema") else { return Ok(Schema::reflection()) };
    if !entry.is_table() {
        let text = entry.text("schema = \"reflection\"")?;
        return match &*text {
            "reflection" => Ok(Schema::reflection()),
            "encoded" => Ok(Schema::Encoded),
            _ => {
                let names = ["reflection", "encoded", "{ descriptor_set = \"FILE\" }"];
                Err(entry.unknown_choice(&text, names))
            }
        };
    }
    let table = entry.table()?;
    table.allow(keys::SCHEMA)?;
    let Some(file) = table.get("descriptor_set") else {
        return Err(entry
            .error("the table is empty")
            .with_help("write schema = { descriptor_set = \"FILE\" }"));
    };
    let path = file.text("descriptor_set = \"audit.binpb\"")?;
    Schema::descriptor_set(file.place.read(&path)?).map_err(|error| wrong(&file.place, &error))
}

/// `https://host/package.Service/Method` in server and method.
fn split_method(url: &str) -> Option<(&str, &str)> {
    let start = url.find("://")? + 3;
    let slash = start + url[start..].find('/')?;
    let method = &url[slash + 1..];
    let parts: Vec<_> = method.split('/').collect();
    let whole = parts.len() == 2 && parts.iter().all(|part| !part.is_empty());
    (whole && !method.contains(['?', '#'])).then_some((&url[..slash], method))
}

const COMPRESSIONS: [(&str, Compression); 2] =
    [("none", Compression::None), ("gzip", Compression::Gzip)];
