//! Every path on which one message may be applied twice: pure.

use fanout::Idempotency;

use super::Target;

/// A path on which one message may be applied twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twice {
    kind: &'static str,
    sinks: Vec<String>,
    why: String,
}

/// Whether a policy gives the message to a second sink although the first may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// It does not; or each sink is meant to have it.
    Meant,
    First,
    Race,
    Hedged,
    /// `fallback` that goes on when it does not know.
    Proceeds,
}

/// What decides about the repetitions of one sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) mode: Idempotency,
    pub(crate) repeats: bool,
    pub(crate) repeats_maybe: bool,
    pub(crate) trusts_503: bool,
}

/// A sink of a route, as far as it matters here.
struct Seat<'a> {
    name: &'a str,
    /// With path and query, to be compared and never to be shown.
    address: String,
    facts: Facts,
    is_repeatable: bool,
}

impl Twice {
    pub(crate) fn all(spread: Spread, sinks: &[&Target], mirrors: &[&Target]) -> Vec<Self> {
        let seats = sinks.iter().chain(mirrors).map(|target| Seat {
            name: &target.name,
            address: target.address(),
            facts: target.facts,
            is_repeatable: target.is_repeatable(),
        });
        let seats: Vec<_> = seats.collect();
        paths(spread, sinks.len(), &seats)
    }

    /// Returns what kind of path it is: `policy`, `retry`, `trust_503` or `same_address`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Returns the sinks that it leads to.
    pub fn sinks(&self) -> &[String] {
        &self.sinks
    }

    /// Returns how it comes about, in words.
    pub fn why(&self) -> &str {
        &self.why
    }
}

/// All paths. The first `required` seats are those that count.
fn paths(spread: Spread, required: usize, seats: &[Seat<'_>]) -> Vec<Twice> {
    let mut paths = Vec::new();
    let names = |seats: &[&Seat<'_>]| seats.iter().map(|seat| seat.name.to_owned()).collect();
    let by_policy = match spread {
        _ if required < 2 => None,
        Spread::Meant => None,
        Spread::First => Some("first sends to all at once, and several may apply it"),
        Spread::Race => Some("race sends to all at once, and several may apply it"),
        Spread::Hedged => Some("hedged sends to the next while the one before it is still at work"),
        Spread::Proceeds => Some(
            "fallback goes on when it is not known whether the one before applied it \
             (on_ambiguous = \"proceed\")",
        ),
    };
    if let Some(why) = by_policy {
        let sinks = names(&seats[..required].iter().collect::<Vec<_>>());
        paths.push(Twice { kind: "policy", sinks, why: why.to_owned() });
    }
    for (position, seat) in seats.iter().enumerate() {
        let Facts { mode, repeats, repeats_maybe, trusts_503 } = seat.facts;
        let again = "an attempt that may have been applied is made again";
        let why = match mode {
            _ if !repeats_maybe || !seat.is_repeatable => None,
            Idempotency::Always => {
                Some(format!("{again}, as harmless there (idempotency = \"always\")"))
            }
            Idempotency::Key => Some(format!(
                "{again} with the same key: harmless if the server drops repeats by it"
            )),
            Idempotency::Method => {
                Some(format!("{again}: by its standard the method does no more when done twice"))
            }
            Idempotency::Never => None,
        };
        if let Some(why) = why {
            paths.push(Twice { kind: "retry", sinks: vec![seat.name.to_owned()], why });
        } else if repeats && trusts_503 {
            let why =
                "an attempt that ended with 503 is made again, taken as not applied (trust_503)";
            let (sinks, why) = (vec![seat.name.to_owned()], why.to_owned());
            paths.push(Twice { kind: "trust_503", sinks, why });
        }
        let before = &seats[..position];
        if before.iter().any(|other| other.address == seat.address) {
            continue;
        }
        let same: Vec<_> = seats.iter().filter(|other| other.address == seat.address).collect();
        if same.len() > 1 {
            let why = "they have one and the same address".to_owned();
            paths.push(Twice { kind: "same_address", sinks: names(&same), why });
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Facts =
        Facts { mode: Idempotency::Method, repeats: true, repeats_maybe: true, trusts_503: false };

    fn seat(name: &'static str, facts: Facts, is_repeatable: bool) -> Seat<'static> {
        Seat { name, address: name.to_owned(), facts, is_repeatable }
    }

    /// `kind: sinks` of each path.
    fn check(spread: Spread, required: usize, seats: &[Seat<'_>], expected: &[&str]) {
        let found: Vec<_> = paths(spread, required, seats)
            .iter()
            .map(|path| format!("{}: {}", path.kind(), path.sinks().join(" ")))
            .collect();
        assert_eq!(found, expected, "{spread:?}");
    }

    #[test]
    fn a_policy_that_lets_several_apply_it_is_a_path() {
        let seats = || [seat("a", QUIET, false), seat("b", QUIET, false), seat("m", QUIET, false)];
        for spread in [Spread::First, Spread::Race, Spread::Hedged, Spread::Proceeds] {
            check(spread, 2, &seats(), &["policy: a b"]);
            check(spread, 1, &seats(), &[]);
        }
        check(Spread::Meant, 2, &seats(), &[]);
    }

    #[test]
    fn a_retry_of_what_may_have_been_applied_is_a_path() {
        let one = |facts: Facts, is_repeatable, expected: &[&str]| {
            check(Spread::Meant, 1, &[seat("a", facts, is_repeatable)], expected);
        };
        for mode in [Idempotency::Always, Idempotency::Key, Idempotency::Method] {
            let facts = Facts { mode, ..QUIET };
            one(facts, true, &["retry: a"]);
            one(facts, false, &[]);
            one(Facts { repeats_maybe: false, ..facts }, true, &[]);
        }
        one(Facts { mode: Idempotency::Never, ..QUIET }, true, &[]);
        let trusting = Facts { trusts_503: true, ..QUIET };
        one(trusting, false, &["trust_503: a"]);
        one(trusting, true, &["retry: a"]);
        one(Facts { repeats: false, repeats_maybe: false, ..trusting }, false, &[]);
    }

    #[test]
    fn one_address_under_two_names_is_a_path() {
        let at =
            |name, address: &str| Seat { address: address.to_owned(), ..seat(name, QUIET, false) };
        let seats = [at("a", "x"), at("b", "y"), at("m", "x")];
        check(Spread::Meant, 2, &seats, &["same_address: a m"]);
    }
}
