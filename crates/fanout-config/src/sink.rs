//! `[sinks.NAME]`: one destination.

use std::time::Duration;

use fanout::{Error, Idempotency, Sink};
use fanout_grpc::{GrpcSink, Schema};
use fanout_http::{HttpSink, HttpSinkBuilder};

use crate::ConfigError;
use crate::clients::{Clients, is_loopback};
use crate::reader::{Entry, Pair, Place, Table, Text};
use crate::resilience::{self, Numbers, Profile};
use crate::words::{self, listed};

/// A destination, without the resilience around it.
pub(crate) struct Destination<'a> {
    pub(crate) name: &'a str,
    pub(crate) place: Place<'a>,
    pub(crate) numbers: Numbers<'a>,
    /// Whether it takes JSON and nothing else.
    pub(crate) wants_json: bool,
    pub(crate) sink: Box<dyn Sink>,
}

/// Reads one table, and builds the sink.
pub(crate) fn read<'a>(
    entry: &Entry<'a>,
    clients: &mut Clients,
) -> Result<Destination<'a>, ConfigError> {
    if entry.name.trim().is_empty() || entry.name.contains(char::is_control) {
        return Err(entry
            .error("this is no name for a sink")
            .with_help("a name is not empty and has no control characters"));
    }
    let table = entry.table()?;
    let (wants_json, build): (_, Build<'_>) = match (table.get("http"), table.get("grpc")) {
        (Some(http), Some(grpc)) => {
            let second = if http.place.line() > grpc.place.line() { http } else { grpc };
            return Err(second
                .error("the sink has an address already")
                .with_help("a sink is either http or grpc; make two sinks of it"));
        }
        (None, None) => {
            let all: Vec<_> = [&HTTP[..], &GRPC, &COMMON].concat();
            table.allow(&all)?;
            return Err(table
                .place
                .error("the sink has no address")
                .with_help("write http = \"URL\", or grpc = \"URL/package.Service/Method\""));
        }
        (Some(address), None) => {
            allow(&table, &HTTP, &GRPC, "gRPC")?;
            (false, Box::new(move |table, common| http(&address, table, common, clients)))
        }
        (None, Some(address)) => {
            allow(&table, &GRPC, &HTTP, "HTTP")?;
            let schema = schema(&table)?;
            let wants_json = !matches!(schema, Schema::Encoded);
            (
                wants_json,
                Box::new(move |table, common| grpc(&address, table, common, schema, clients)),
            )
        }
    };
    let numbers = resilience::read(&table)?;
    let idempotency = match table.get("idempotency") {
        Some(entry) => Some(entry.choice(&MODES)?),
        // What makes this profile one for webhooks.
        None if numbers.profile == Profile::Webhook => Some(Idempotency::Key),
        None => None,
    };
    let allow_plaintext = table.get("allow_plaintext").map_or(Ok(false), |entry| entry.flag())?;
    let sink = build(&table, Common { timeout: numbers.attempt, idempotency, allow_plaintext })?;
    Ok(Destination { name: entry.name, place: entry.place.clone(), numbers, wants_json, sink })
}

type Build<'b> = Box<dyn FnOnce(&Table<'_>, Common) -> Result<Box<dyn Sink>, ConfigError> + 'b>;

/// What both transports take.
#[derive(Clone, Copy)]
struct Common {
    timeout: Duration,
    idempotency: Option<Idempotency>,
    allow_plaintext: bool,
}

fn http(
    address: &Entry<'_>,
    table: &Table<'_>,
    common: Common,
    clients: &mut Clients,
) -> Result<Box<dyn Sink>, ConfigError> {
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
    let client = clients
        .http(is_loopback(&url), connect_timeout)
        .map_err(|error| wrong(&address.place, &error))?;
    let sink =
        builder.client(&client).build().map_err(|error| bad_address(address, &url, &error))?;
    Ok(Box::new(sink))
}

fn grpc(
    address: &Entry<'_>,
    table: &Table<'_>,
    common: Common,
    schema: Schema,
    clients: &mut Clients,
) -> Result<Box<dyn Sink>, ConfigError> {
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
    let client =
        clients.grpc(is_loopback(server)).map_err(|error| wrong(&address.place, &error))?;
    for pair in pairs(table, "metadata")? {
        GrpcSink::unary("http://localhost", "a.B/C")
            .client(&client)
            .idempotency(common.idempotency.unwrap_or(Idempotency::Method))
            .metadata(pair.name, &*pair.value)
            .build()
            .map_err(|error| wrong(&pair.place, &error))?;
        builder = builder.metadata(pair.name, &*pair.value);
    }
    let sink =
        builder.client(&client).build().map_err(|error| bad_address(address, &url, &error))?;
    Ok(Box::new(sink))
}

fn schema(table: &Table<'_>) -> Result<Schema, ConfigError> {
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
    table.allow(&["descriptor_set"])?;
    let Some(file) = table.get("descriptor_set") else {
        return Err(entry
            .error("the table is empty")
            .with_help("write schema = { descriptor_set = \"FILE\" }"));
    };
    let path = file.text("descriptor_set = \"audit.binpb\"")?;
    Schema::descriptor_set(file.place.read(&path)?).map_err(|error| wrong(&file.place, &error))
}

fn pairs<'a>(table: &Table<'a>, name: &str) -> Result<Vec<Pair<'a>>, ConfigError> {
    table.get(name).map_or_else(|| Ok(Vec::new()), |entry| entry.pairs())
}

/// Refuses unknown keys; those of the other transport are told apart.
fn allow(
    table: &Table<'_>,
    own: &[&str],
    other: &[&str],
    other_name: &str,
) -> Result<(), ConfigError> {
    let known = [own, &COMMON].concat();
    let foreign = |entry: &Entry<'_>| other.contains(&entry.name) && !known.contains(&entry.name);
    if let Some(entry) = table.entries().into_iter().find(foreign) {
        return Err(entry
            .error(format!(
                "this key belongs to {other_name} sinks, and the address is of another kind"
            ))
            .with_help(format!("the keys here are {}", listed(known.iter().copied()))));
    }
    table.allow(&known)
}

/// What a transport says about its settings; it never repeats what may be secret.
fn wrong(place: &Place<'_>, error: &Error) -> ConfigError {
    place.error(error.to_chain())
}

/// What a transport says about an address, parts of which may come from the environment.
fn bad_address(address: &Entry<'_>, url: &Text<'_>, error: &Error) -> ConfigError {
    address.error(url.hide_in(error.to_chain()))
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

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

const MODES: [(&str, Idempotency); 4] = [
    ("method", Idempotency::Method),
    ("key", Idempotency::Key),
    ("always", Idempotency::Always),
    ("never", Idempotency::Never),
];

const COMMON: [&str; 4] = ["timeout", "idempotency", "resilience", "allow_plaintext"];
const HTTP: [&str; 8] = [
    "http",
    "method",
    "headers",
    "query",
    "content_type",
    "connect_timeout",
    "max_request_body",
    "max_receipt_body",
];
const GRPC: [&str; 3] = ["grpc", "schema", "metadata"];

/// 1 TiB: far beyond what fits, and small enough for every computation.
const MOST_BYTES: u64 = 1 << 40;
