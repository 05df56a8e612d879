//! `[sinks.NAME]`: one destination.

mod answers;
mod auth;
mod grpc;
mod guard;
mod http;
mod network;
mod oauth;
mod signing;
mod tls;
mod version;

use std::time::Duration;

use fanout::{Error, Idempotency, Sink};
use fanout_grpc::Schema;
use fanout_net::Guard;

use crate::check::{Facts, Target, Transport};
use crate::clients::Clients;
use crate::reader::{Entry, Pair, Place, Table, Text};
use crate::resilience::{self, Numbers, Profile};
use crate::words::listed;
use crate::{ConfigError, keys};

pub(crate) use self::oauth::Source;

/// A destination, without the resilience around it.
pub(crate) struct Destination<'a> {
    pub(crate) name: &'a str,
    pub(crate) place: Place<'a>,
    pub(crate) numbers: Numbers<'a>,
    /// Whether it takes JSON and nothing else.
    pub(crate) wants_json: bool,
    pub(crate) sink: Box<dyn Sink>,
    /// The same, to be looked at.
    pub(crate) target: Target,
}

/// Reads one table, and builds the sink.
pub(crate) fn read<'a>(
    entry: &Entry<'a>,
    clients: &mut Clients,
) -> Result<Destination<'a>, ConfigError> {
    let read = whole(entry, clients);
    if let (Err(_), Ok(table)) = (&read, entry.table()) {
        look_for_secrets(&table, clients);
    }
    read
}

/// Books what is missing behind the place where reading ended. What is written wrong there comes to light
/// when that place is right.
fn look_for_secrets(table: &Table<'_>, clients: &mut Clients) {
    for name in ["headers", "query", "metadata"] {
        drop(pairs(table, name));
    }
    drop(table.get("auth").map(|entry| auth::read(&entry, clients)));
    drop(table.get("signing").map(|entry| signing::read(&entry)));
}

fn whole<'a>(entry: &Entry<'a>, clients: &mut Clients) -> Result<Destination<'a>, ConfigError> {
    if entry.name.trim().is_empty() || entry.name.contains(char::is_control) {
        return Err(entry
            .error("this is no name for a sink")
            .with_help("a name is not empty and has no control characters"));
    }
    let table = entry.table()?;
    let address = address(&table)?;
    let numbers = resilience::read(&table)?;
    let idempotency = match table.get("idempotency") {
        Some(entry) => Some(entry.choice(&MODES)?),
        // What makes this profile one for webhooks.
        None if numbers.profile == Profile::Webhook => Some(Idempotency::Key),
        None => None,
    };
    let allow_plaintext = table.get("allow_plaintext").map_or(Ok(false), |entry| entry.flag())?;
    let guard = guard::read(&table)?;
    let max_response_head =
        table.get("max_response_head").map(|entry| entry.count(8 << 10, 1 << 20)).transpose()?;
    let max_response_head = max_response_head.and_then(|bytes| usize::try_from(bytes).ok());
    let timeout = numbers.attempt;
    let common = Common { timeout, idempotency, allow_plaintext, guard, max_response_head };
    let is_guarded = common.guard.is_some();
    let (wants_json, transport) = match address {
        Address::Http(url) => {
            (false, Transport::Http(Box::new(http::build(&url, &table, common, clients)?)))
        }
        Address::Grpc(url) => {
            let schema = grpc::schema(&table)?;
            let wants_json = !matches!(schema, Schema::Encoded);
            (wants_json, Transport::Grpc(grpc::build(&url, &table, common, schema, clients)?))
        }
    };
    let facts = Facts {
        mode: idempotency.unwrap_or(Idempotency::Method),
        repeats: numbers.repeats,
        repeats_maybe: numbers.repeats_maybe,
        trusts_503: table.get("trust_503").map_or(Ok(false), |entry| entry.flag())?,
    };
    let sink = transport.sink();
    let has_credentials = table.get("auth").is_some();
    let target = Target {
        name: entry.name.to_owned(),
        transport,
        facts,
        is_guarded,
        has_credentials,
        has_types: wants_json,
    };
    let (name, place) = (entry.name, entry.place.clone());
    Ok(Destination { name, place, numbers, wants_json, sink, target })
}

/// Where a sink sends to, and by what.
enum Address<'a> {
    Http(Entry<'a>),
    Grpc(Entry<'a>),
}

/// Finds the address, and refuses every key that is not for sinks of its kind.
fn address<'a>(table: &Table<'a>) -> Result<Address<'a>, ConfigError> {
    match (table.get("http"), table.get("grpc")) {
        (Some(http), Some(grpc)) => {
            let second = if http.place.line() > grpc.place.line() { http } else { grpc };
            Err(second
                .error("the sink has an address already")
                .with_help("a sink is either http or grpc; make two sinks of it"))
        }
        (None, None) => {
            table.allow(&[keys::HTTP, keys::GRPC, keys::SINK].concat())?;
            Err(table
                .place
                .error("the sink has no address")
                .with_help("write http = \"URL\", or grpc = \"URL/package.Service/Method\""))
        }
        (Some(address), None) => {
            allow(table, keys::HTTP, keys::GRPC, "gRPC")?;
            Ok(Address::Http(address))
        }
        (None, Some(address)) => {
            allow(table, keys::GRPC, keys::HTTP, "HTTP")?;
            Ok(Address::Grpc(address))
        }
    }
}

/// What both transports take.
struct Common {
    timeout: Duration,
    idempotency: Option<Idempotency>,
    allow_plaintext: bool,
    guard: Option<Guard>,
    max_response_head: Option<usize>,
}

fn pairs<'a>(table: &Table<'a>, name: &str) -> Result<Vec<Pair<'a>>, ConfigError> {
    table.get(name).map_or_else(|| Ok(Vec::new()), |entry| entry.pairs())
}

/// A number of bytes.
fn bytes(table: &Table<'_>, name: &str) -> Result<Option<usize>, ConfigError> {
    let Some(entry) = table.get(name) else { return Ok(None) };
    Ok(Some(usize::try_from(entry.count(0, MOST_BYTES)?).unwrap_or(usize::MAX)))
}

/// Refuses unknown keys; those of the other transport are told apart.
fn allow(
    table: &Table<'_>,
    own: &[&str],
    other: &[&str],
    other_name: &str,
) -> Result<(), ConfigError> {
    let known = [own, keys::SINK].concat();
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

const MODES: [(&str, Idempotency); 4] = [
    ("method", Idempotency::Method),
    ("key", Idempotency::Key),
    ("always", Idempotency::Always),
    ("never", Idempotency::Never),
];

/// 1 TiB: far beyond what fits, and small enough for every computation.
const MOST_BYTES: u64 = 1 << 40;
