//! `resilience = ...`: the numbers of the pipeline, from a profile and what is written.

use std::time::Duration;

use fanout::BuildError;
use fanout::resilience::Resilience;
use toml::{Table as Plain, Value};

use crate::ConfigError;
use crate::reader::{Entry, Place, Table};
use crate::words::time;

/// What a file says about the resilience of one sink.
pub(crate) struct Numbers<'a> {
    /// `None`: the sink is to be bare.
    pub(crate) settings: Option<Resilience>,
    /// How long one attempt may take.
    pub(crate) attempt: Duration,
    /// Whether there is another attempt after one that failed.
    pub(crate) repeats: bool,
    /// Whether there is one even after what may have been applied, if that is harmless.
    pub(crate) repeats_maybe: bool,
    /// Whether anything at all is written.
    pub(crate) is_written: bool,
    /// The profile that was chosen.
    pub(crate) profile: Profile,
    /// The times that were asked for, which everything around must leave room for.
    pub(crate) limits: Vec<Limit<'a>>,
}

/// A time that the file asks for.
pub(crate) struct Limit<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) value: Duration,
}

/// Where the defaults come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Default,
    Webhook,
    Llm,
    Strict,
}

impl Profile {
    fn settings(self) -> Resilience {
        match self {
            Self::Default => Resilience::default(),
            Self::Webhook => Resilience::webhook(),
            Self::Llm => Resilience::llm(),
            Self::Strict => Resilience::strict(),
        }
    }
}

/// Reads the numbers of `sink`, whose key `timeout` is the attempt timeout by another name.
pub(crate) fn read<'a>(sink: &Table<'a>) -> Result<Numbers<'a>, ConfigError> {
    let timeout = sink.get(TIMEOUT);
    let section = sink.get("resilience");
    match &section {
        Some(entry) if entry.as_flag() == Some(false) || entry.is_text("off") => {
            bare(timeout.as_ref())
        }
        Some(entry) if !entry.is_table() => {
            let what = "write a table, as in { max_attempts = 5 }; or \"off\", or false";
            Err(match entry.text("\"off\"") {
                Ok(text) if PROFILES.iter().any(|(name, _)| *name == &*text) => {
                    let text = text.shown();
                    entry
                        .error(format!("\"{text}\" is the name of a profile"))
                        .with_help(format!("write resilience = {{ profile = \"{text}\" }}"))
                }
                _ => entry.unexpected(what),
            })
        }
        Some(entry) => pipeline(&sink.place, timeout.as_ref(), Some(&entry.table()?)),
        None => pipeline(&sink.place, timeout.as_ref(), None),
    }
}

fn bare<'a>(timeout: Option<&Entry<'a>>) -> Result<Numbers<'a>, ConfigError> {
    let limits = timeout.map(limit).transpose()?.into_iter().collect::<Vec<_>>();
    Ok(Numbers {
        settings: None,
        attempt: limits.first().map_or(ATTEMPT, |limit| limit.value),
        repeats: false,
        repeats_maybe: false,
        is_written: true,
        profile: Profile::Default,
        limits,
    })
}

fn pipeline<'a>(
    sink: &Place<'a>,
    timeout: Option<&Entry<'a>>,
    section: Option<&Table<'a>>,
) -> Result<Numbers<'a>, ConfigError> {
    let written = |name: &str| section.and_then(|section| section.get(name));
    if let Some(section) = section {
        section.allow(&known())?;
    }
    let profile = match written("profile") {
        Some(entry) => entry.choice(&PROFILES)?,
        None => Profile::Default,
    };
    let mut numbers = plain(&profile.settings());
    for entry in section.map(Table::entries).unwrap_or_default() {
        if let Some(value) = value(&entry)? {
            numbers.insert(entry.name.to_owned(), value);
        }
    }

    // One limit with two names: what one of them says holds for the attempt as a whole.
    let attempt = match (timeout, written(ATTEMPT_TIMEOUT)) {
        (Some(_), Some(second)) => {
            return Err(second
                .error("the sink has a timeout already, and that is the same limit")
                .with_help("write one of the two"));
        }
        (Some(entry), None) => Some((TIMEOUT, entry.clone())),
        (None, entry) => entry.map(|entry| (ATTEMPT_TIMEOUT, entry)),
    };
    if let Some((_, entry)) = &attempt {
        let value = entry.duration()?;
        numbers.insert(ATTEMPT_TIMEOUT.to_owned(), seconds(value));
        // Nobody who asks for a longer attempt should have to know of the window.
        let least = value.saturating_mul(2);
        if written(WINDOW).is_none() && duration(&numbers, WINDOW) < least {
            numbers.insert(WINDOW.to_owned(), seconds(least));
        }
    }

    let attempt_place = attempt.as_ref().map(|(_, entry)| &entry.place);
    let settings: Resilience = numbers
        .clone()
        .try_into()
        .map_err(|_| sink.error("the numbers of its resilience are not possible"))?;
    settings.validate().map_err(|error| {
        let place = |setting: &str| match written(setting.trim_start_matches(TWICE)) {
            Some(entry) => Some(entry.place.clone()),
            None if setting.ends_with(ATTEMPT_TIMEOUT) => attempt_place.cloned(),
            None => None,
        };
        let name = |setting: &'static str| match &attempt {
            Some((name, _)) => setting.replace(ATTEMPT_TIMEOUT, name),
            None => setting.to_owned(),
        };
        impossible(&error, sink, place, name)
    })?;

    let mut limits = Vec::new();
    limits.extend(attempt.as_ref().map(|(_, entry)| limit(entry)).transpose()?);
    limits.extend(written(TOTAL_TIMEOUT).as_ref().map(limit).transpose()?);
    if profile == Profile::Llm && written(TOTAL_TIMEOUT).is_none() {
        // Who names this profile asks for its long times.
        let place = written("profile").map_or_else(|| sink.clone(), |entry| entry.place);
        limits.push(Limit { place, value: duration(&numbers, TOTAL_TIMEOUT) });
    }
    let repeats = numbers.get("max_attempts").and_then(Value::as_integer) != Some(1);
    let never = numbers.get("retry_maybe").and_then(Value::as_str) == Some("never");
    Ok(Numbers {
        settings: Some(settings),
        attempt: duration(&numbers, ATTEMPT_TIMEOUT),
        repeats,
        repeats_maybe: repeats && !never,
        is_written: section.is_some(),
        profile,
        limits,
    })
}

/// The value of one number as the settings read it; `None` for the profile, which is none.
fn value(entry: &Entry<'_>) -> Result<Option<Value>, ConfigError> {
    let name = entry.name;
    let integer = |count: u64| Value::Integer(count.try_into().unwrap_or(i64::MAX));
    Ok(Some(if DURATIONS.contains(&name) {
        seconds(entry.duration()?)
    } else if COUNTS.contains(&name) {
        let least = u64::from(name != "max_waiting");
        integer(entry.count(least, u32::MAX.into())?)
    } else if NUMBERS.contains(&name) {
        Value::Float(entry.number()?)
    } else {
        match name {
            "seed" => integer(entry.count(0, i64::MAX.cast_unsigned())?),
            "retry_maybe" => {
                let names = [("if_repeatable", "if_repeatable"), ("never", "never")];
                Value::String(entry.choice(&names)?.to_owned())
            }
            _ => return Ok(None),
        }
    }))
}

/// Says which number cannot be, at the line where it, or the one against it, is written.
fn impossible<'a>(
    error: &BuildError,
    sink: &Place<'a>,
    place: impl Fn(&str) -> Option<Place<'a>>,
    name: impl Fn(&'static str) -> String,
) -> ConfigError {
    match error {
        BuildError::TooShort { setting, value, inner, least } => {
            let own = place(setting);
            let default = if own.is_some() { "" } else { ", which is the default" };
            let own = own.or_else(|| place(inner)).unwrap_or_else(|| sink.clone());
            let (setting, inner) = (name(setting), name(inner));
            let (value, least) = (time(*value), time(*least));
            own.error(format!("{setting} is {value}{default}, shorter than {inner} ({least})"))
                .with_help(format!(
                    "make {setting} longer, or {} shorter",
                    inner.trim_start_matches(TWICE)
                ))
        }
        BuildError::OutOfRange { setting, value, range } => place(setting)
            .unwrap_or_else(|| sink.clone())
            .error(format!("{value} is out of range"))
            .with_help(format!("write a number {}", in_words(range))),
        other => sink.error(other.to_string()),
    }
}

/// `(0, 1]` as `above 0 and at most 1`.
fn in_words(range: &str) -> String {
    let bounds = range.trim_matches(['(', '[', ']']).split_once(", ");
    match bounds {
        Some((least, most)) if range.starts_with('(') => {
            format!("above {least} and at most {most}")
        }
        Some((least, most)) => format!("from {least} to {most}"),
        None => format!("that is {range}"),
    }
}

fn limit<'a>(entry: &Entry<'a>) -> Result<Limit<'a>, ConfigError> {
    Ok(Limit { place: entry.place.clone(), value: entry.duration()? })
}

fn plain(settings: &Resilience) -> Plain {
    Plain::try_from(settings).expect("the settings are a table of plain values")
}

fn duration(numbers: &Plain, name: &str) -> Duration {
    let seconds = numbers.get(name).and_then(Value::as_float).unwrap_or_default();
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn seconds(duration: Duration) -> Value {
    Value::Float(duration.as_secs_f64())
}

fn known() -> Vec<&'static str> {
    [&["profile"][..], &DURATIONS, &COUNTS, &NUMBERS, &["retry_maybe", "seed"]].concat()
}

const PROFILES: [(&str, Profile); 4] = [
    ("default", Profile::Default),
    ("webhook", Profile::Webhook),
    ("llm", Profile::Llm),
    ("strict", Profile::Strict),
];

const DURATIONS: [&str; 10] = [
    ATTEMPT_TIMEOUT,
    TOTAL_TIMEOUT,
    "backoff_base",
    "throttle_base",
    "backoff_max",
    "max_server_delay",
    "budget_ttl",
    WINDOW,
    "breaker_open",
    "breaker_open_max",
];
const COUNTS: [&str; 5] =
    ["max_attempts", "breaker_consecutive", "breaker_min_calls", "max_in_flight", "max_waiting"];
const NUMBERS: [&str; 4] = ["budget_ratio", "budget_floor", "breaker_ratio", "rate_limit"];

/// How the settings call two attempts.
const TWICE: &str = "2 x ";

const TIMEOUT: &str = "timeout";
const ATTEMPT_TIMEOUT: &str = "attempt_timeout";
const TOTAL_TIMEOUT: &str = "total_timeout";
const WINDOW: &str = "breaker_window";

/// Of a bare sink; what the transports take by themselves.
const ATTEMPT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_number_of_the_pipeline_can_be_written() {
        let settings = Resilience::default().rate_limit(1.0).seed(1);
        let numbers = plain(&settings);
        let theirs: BTreeSet<_> = numbers.keys().map(String::as_str).collect();
        let ours: BTreeSet<_> = known().into_iter().filter(|key| *key != "profile").collect();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn the_numbers_of_the_complete_file_are_the_defaults_that_it_says_they_are() {
        let text = include_str!("../docs/fanout.toml");
        let source = crate::reader::Source::new("fanout.toml", text, Path::new(""), &|_| {
            Err(std::env::VarError::NotPresent)
        });
        let parsed = crate::reader::Source::parse(text).expect("it is TOML");
        let sinks = Table::root(&source, parsed.get_ref()).get("sinks").expect("it has sinks");
        let billing = sinks.table().expect("a table").get("billing").expect("it has this one");
        let section = billing.table().expect("a table").get("resilience").expect("it has one");
        let read = read(&billing.table().expect("a table")).expect("the numbers are possible");
        assert_eq!(read.settings, Some(Resilience::default()));
        let section = section.table().expect("a table");
        let written = |key: &&str| section.get(key).is_none();
        let missing: Vec<_> = known().into_iter().filter(written).collect();
        assert_eq!(
            missing,
            [ATTEMPT_TIMEOUT, "rate_limit", "seed"],
            "these are told in other ways"
        );
    }

    #[test]
    fn a_range_is_said_in_words() {
        assert_eq!(in_words("(0, 1]"), "above 0 and at most 1");
        assert_eq!(in_words("[0, 1e9]"), "from 0 to 1e9");
        assert_eq!(in_words("at most a few billion"), "that is at most a few billion");
    }
}
