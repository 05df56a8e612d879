//! `[routes.NAME]`: the sinks that a message goes to, and when that counts as done.

use std::time::Duration;

use fanout::policy::{
    FanOutPolicy, OnAmbiguous, Rest, all, all_settled, fallback, first, hedged, majority, quorum,
    race, sequential,
};

use crate::check::Spread;
use crate::reader::{Entry, Place, Table};
use crate::sink::Destination;
use crate::words::{listed, suggest, time};
use crate::{ConfigError, keys};

/// What a file says about one route.
pub(crate) struct Route<'a> {
    pub(crate) name: &'a str,
    pub(crate) place: Place<'a>,
    /// Positions among the destinations.
    pub(crate) sinks: Vec<usize>,
    pub(crate) mirrors: Vec<usize>,
    pub(crate) policy: Box<dyn FanOutPolicy>,
    pub(crate) spread: Spread,
    /// `None`: lifted.
    pub(crate) deadline: Option<Duration>,
    pub(crate) rest: Option<Rest>,
}

/// Reads one table.
pub(crate) fn read<'a>(
    entry: &Entry<'a>,
    destinations: &[Destination<'_>],
) -> Result<Route<'a>, ConfigError> {
    if entry.name.trim().is_empty() || entry.name.contains(char::is_control) {
        return Err(entry
            .error("this is no name for a route")
            .with_help("a name is not empty and has no control characters"));
    }
    let table = entry.table()?;
    let own: Vec<_> = keys::POLICY.iter().map(|(key, _)| *key).collect();
    table.allow(&[keys::ROUTE, &own].concat())?;

    let mut taken = Vec::new();
    let Some(list) = table.get("sinks") else {
        return Err(entry.error("the route has no sinks").with_help(EXAMPLE));
    };
    let sinks = names(&list, destinations, &mut taken)?;
    if sinks.is_empty() {
        return Err(list.error("the list is empty").with_help(EXAMPLE));
    }
    let mirrors = match table.get("mirrors") {
        Some(list) => names(&list, destinations, &mut taken)?,
        None => Vec::new(),
    };
    let policy = policy(&table, sinks.len())?;
    let spread = spread(&table)?;
    let deadline = deadline(&table, sinks.iter().map(|sink| &destinations[*sink]))?;
    let rest = table.get("rest").map(|entry| entry.choice(&RESTS)).transpose()?;
    let place = entry.place.clone();
    Ok(Route { name: entry.name, place, sinks, mirrors, policy, spread, deadline, rest })
}

/// Whether the policy gives the message to a second sink although the first may have it.
fn spread(table: &Table<'_>) -> Result<Spread, ConfigError> {
    let Some(entry) = table.get("policy") else { return Ok(Spread::Meant) };
    Ok(match entry.choice(&POLICIES)? {
        "first" => Spread::First,
        "race" => Spread::Race,
        "hedged" => Spread::Hedged,
        "fallback" if table.get("on_ambiguous").is_some_and(|entry| entry.is_text("proceed")) => {
            Spread::Proceeds
        }
        _ => Spread::Meant,
    })
}

/// Finds the sinks of a list. `taken` has those that the route has already.
fn names(
    list: &Entry<'_>,
    destinations: &[Destination<'_>],
    taken: &mut Vec<usize>,
) -> Result<Vec<usize>, ConfigError> {
    let mut positions = Vec::new();
    for (name, place) in list.texts("[\"billing\", \"audit\"]")? {
        let found = destinations.iter().position(|destination| destination.name == &*name);
        let Some(position) = found else {
            let known = destinations.iter().map(|destination| destination.name);
            let help = if name.is_foreign() {
                format!("the sinks are {}", listed(known))
            } else {
                suggest(&name, "the sinks are", known)
            };
            let problem = format!("there is no sink \"{}\"", name.shown());
            return Err(place.error(problem).with_help(help));
        };
        if taken.contains(&position) {
            return Err(place
                .error(format!("the sink \"{}\" is in this route already", name.shown()))
                .with_help("a route sends to each of its sinks once: name it once"));
        }
        taken.push(position);
        positions.push(position);
    }
    Ok(positions)
}

fn policy(table: &Table<'_>, sinks: usize) -> Result<Box<dyn FanOutPolicy>, ConfigError> {
    let entry = table.get("policy");
    let name = match &entry {
        Some(entry) => entry.choice(&POLICIES)?,
        None => "all",
    };
    for (key, policies) in keys::POLICY.iter().copied() {
        if let Some(entry) = table.get(key)
            && !policies.contains(&name)
        {
            let policies = listed(policies.iter().copied());
            return Err(entry
                .error(format!("this key means nothing to the policy {name}"))
                .with_help(format!("it belongs to {policies}")));
        }
    }
    let missing = |key: &str, problem: &str, help: &str| {
        let place = entry.as_ref().map_or(&table.place, |entry| &entry.place);
        place.error(format!("the policy {name} needs {key}: {problem}")).with_help(help)
    };
    let at_most = |entry: &Entry<'_>, least| {
        let needed = entry.count(least, u64::MAX)?;
        usize::try_from(needed).ok().filter(|needed| *needed <= sinks).ok_or_else(|| {
            let there = if sinks == 1 { "one sink".to_owned() } else { format!("{sinks} sinks") };
            entry
                .error(format!("{needed} must take the message, and the route has {there}"))
                .with_help(format!("write at most {sinks}; mirrors do not count"))
        })
    };
    let fail_fast = table.get("fail_fast").map(|entry| entry.flag()).transpose()?.unwrap_or(false);
    let haste = |policy: fanout::policy::All| if fail_fast { policy.fail_fast() } else { policy };
    Ok(match name {
        "all_settled" => {
            let least = table.get("min_success").map(|entry| at_most(&entry, 0)).transpose()?;
            // As on the command line: "nobody got it" must not look like success.
            Box::new(haste(all_settled().min_success(least.unwrap_or(1))))
        }
        "first" => Box::new(first()),
        "race" => Box::new(race()),
        "quorum" => match table.get("k") {
            Some(entry) => Box::new(quorum(at_most(&entry, 1)?)),
            None => return Err(missing("k", "how many must take the message", "write k = 2, say")),
        },
        "majority" => Box::new(majority()),
        "fallback" => match table.get("on_ambiguous") {
            Some(entry) => Box::new(fallback(entry.choice(&AMBIGUOUS)?)),
            None => {
                return Err(missing(
                    "on_ambiguous",
                    "going on after a timeout may do it twice, as two payments or two text messages",
                    "write on_ambiguous = \"stop\" to go on only when the message was surely not \
                     applied, or \"proceed\" where twice is harmless",
                ));
            }
        },
        "hedged" => match table.get("delay") {
            Some(entry) => Box::new(hedged(entry.duration()?)),
            None => {
                let help = "write delay = \"500ms\", say";
                return Err(missing("delay", "how long to wait before the next sink", help));
            }
        },
        "sequential" => Box::new(sequential()),
        _ => Box::new(haste(all())),
    })
}

/// Reads the deadline, and checks that the times that its sinks ask for fit into it.
fn deadline<'d>(
    table: &Table<'_>,
    destinations: impl Iterator<Item = &'d Destination<'d>>,
) -> Result<Option<Duration>, ConfigError> {
    let entry = table.get("deadline");
    let deadline = match &entry {
        Some(entry) if entry.is_text("off") => return Ok(None),
        Some(entry) => entry.duration()?,
        None => DEADLINE,
    };
    let place = entry.as_ref().map_or(&table.place, |entry| &entry.place);
    for limit in destinations.flat_map(|destination| &destination.numbers.limits) {
        if limit.value > deadline {
            let default = if entry.is_some() { "" } else { ", which is the default" };
            let (deadline, value) = (time(deadline), time(limit.value));
            let (inner, line) = (limit.place.path(), limit.place.line());
            let problem = format!(
                "the deadline is {deadline}{default}, shorter than {inner} ({value}, line {line})"
            );
            let help = format!("write deadline = \"{value}\" or more, or make the other shorter");
            return Err(place.error(problem).with_help(help));
        }
    }
    Ok(Some(deadline))
}

const POLICIES: [(&str, &str); 9] = [
    ("all", "all"),
    ("all_settled", "all_settled"),
    ("first", "first"),
    ("race", "race"),
    ("quorum", "quorum"),
    ("majority", "majority"),
    ("fallback", "fallback"),
    ("hedged", "hedged"),
    ("sequential", "sequential"),
];

const AMBIGUOUS: [(&str, OnAmbiguous); 2] =
    [("stop", OnAmbiguous::Stop), ("proceed", OnAmbiguous::Proceed)];

const RESTS: [(&str, Rest); 3] =
    [("drain", Rest::Drain), ("detach", Rest::Detach), ("cancel", Rest::Cancel)];

const EXAMPLE: &str = "write sinks = [\"billing\", \"audit\"], say";

/// What a fan-out has when nothing is said.
const DEADLINE: Duration = Duration::from_secs(35);
