//! The keys of a gRPC sink.

use fanout::Idempotency;
use fanout_grpc::{GrpcSink, Schema};

use super::{Common, bad_address, pairs, wrong};
use crate::ConfigError;
use crate::clients::{Clients, is_loopback};
use crate::keys;
use crate::reader::{Entry, Table};

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
    if common.allow_plaintext {
        builder = builder.allow_plaintext();
    }
    let client = clients
        .grpc(is_loopback(server), common.guard)
        .map_err(|error| wrong(&address.place, &error))?;
    for pair in pairs(table, "metadata")? {
        GrpcSink::unary("http://localhost", "a.B/C")
            .client(&client)
            .idempotency(common.idempotency.unwrap_or(Idempotency::Method))
            .metadata(pair.name, &*pair.value)
            .build()
            .map_err(|error| wrong(&pair.place, &error))?;
        builder = builder.metadata(pair.name, &*pair.value);
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
    table.allow(&keys::SCHEMA)?;
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
