//! The policy as it is written on the command line.

use std::str::FromStr;
use std::time::Duration;

use fanout::policy::{
    FanOutPolicy, OnAmbiguous, all, all_settled, fallback, first, hedged, majority, quorum, race,
    sequential,
};

use crate::exit::Failure;
use crate::send::data::parse_duration;

/// What `--policy` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyName {
    All,
    AllFailFast,
    AllSettled,
    First,
    Race,
    Quorum(usize),
    Majority,
    Fallback,
    Hedged(Duration),
    Sequential,
}

impl PolicyName {
    /// Makes the policy, with what belongs to it alone.
    pub(crate) fn build(
        self,
        min_success: Option<usize>,
        on_ambiguous: Option<OnAmbiguous>,
    ) -> Result<Box<dyn FanOutPolicy>, Failure> {
        if min_success.is_some() && self != Self::AllSettled {
            return Err(Failure::new("--min-success belongs to --policy all_settled")
                .hint("`--policy quorum:2` decides as soon as two sinks took the message"));
        }
        if on_ambiguous.is_some() && self != Self::Fallback {
            return Err(Failure::new("--on-ambiguous belongs to --policy fallback"));
        }
        Ok(match self {
            Self::All => Box::new(all()),
            Self::AllFailFast => Box::new(all().fail_fast()),
            // From a shell, "nobody got it" must not look like success.
            Self::AllSettled => Box::new(all_settled().min_success(min_success.unwrap_or(1))),
            Self::First => Box::new(first()),
            Self::Race => Box::new(race()),
            Self::Quorum(needed) => Box::new(quorum(needed)),
            Self::Majority => Box::new(majority()),
            Self::Fallback => Box::new(fallback(on_ambiguous.ok_or_else(ask_about_duplicates)?)),
            Self::Hedged(delay) => Box::new(hedged(delay)),
            Self::Sequential => Box::new(sequential()),
        })
    }
}

impl std::fmt::Display for PolicyName {
    /// Writes what [`FromStr`] reads.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::AllFailFast => f.write_str("all:fail-fast"),
            Self::AllSettled => f.write_str("all_settled"),
            Self::First => f.write_str("first"),
            Self::Race => f.write_str("race"),
            Self::Quorum(needed) => write!(f, "quorum:{needed}"),
            Self::Majority => f.write_str("majority"),
            Self::Fallback => f.write_str("fallback"),
            Self::Hedged(delay) => write!(f, "hedged:{}ms", delay.as_millis()),
            Self::Sequential => f.write_str("sequential"),
        }
    }
}

impl FromStr for PolicyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let policy = match (name.replace('-', "_").as_str(), argument) {
            ("all", None) => Self::All,
            ("all", Some("fail-fast" | "fail_fast")) => Self::AllFailFast,
            ("all_settled", None) => Self::AllSettled,
            ("first" | "any", None) => Self::First,
            ("race", None) => Self::Race,
            ("quorum", Some(needed)) => {
                let needed = needed.parse().ok().filter(|needed| *needed > 0);
                Self::Quorum(needed.ok_or("say how many must take it, as in quorum:2")?)
            }
            ("quorum", None) => return Err("say how many must take it, as in quorum:2".into()),
            ("majority", None) => Self::Majority,
            ("fallback", None) => Self::Fallback,
            ("hedged", Some(delay)) => Self::Hedged(parse_duration(delay)?),
            ("hedged", None) => return Err("say how long to wait, as in hedged:500ms".into()),
            ("sequential", None) => Self::Sequential,
            ("all", Some(_)) => return Err("only all:fail-fast is known".into()),
            (
                "all_settled" | "first" | "any" | "race" | "majority" | "fallback" | "sequential",
                _,
            ) => {
                return Err(format!("{name} takes nothing after a colon"));
            }
            _ => return Err(format!("the policies are {NAMES}")),
        };
        Ok(policy)
    }
}

/// `fallback` has no default here: either answer is wrong for somebody's message.
fn ask_about_duplicates() -> Failure {
    Failure::new("--policy fallback needs --on-ambiguous stop or --on-ambiguous proceed").hint(
        "When the first target times out, it may have applied the message all the same. Going on\n  \
         to the next one may then do it twice: two payments, two text messages.\n    \
         stop     do not go on unless the message was surely not applied\n    \
         proceed  go on, because doing it twice is harmless for this message",
    )
}

const NAMES: &str = "all, all:fail-fast, all_settled, first, race, quorum:N, majority, fallback, \
                     hedged:DELAY and sequential";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "all",
            "all:fail-fast",
            "all_settled",
            "first",
            "race",
            "quorum:2",
            "majority",
            "fallback",
            "hedged:500ms",
            "sequential",
        ] {
            assert_eq!(text.parse::<PolicyName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_name_is_understood_and_leads_to_its_policy() {
        let cases = [
            ("all", "all"),
            ("all:fail-fast", "all"),
            ("all_settled", "all_settled"),
            ("all-settled", "all_settled"),
            ("first", "first"),
            ("any", "first"),
            ("race", "race"),
            ("quorum:2", "quorum"),
            ("majority", "majority"),
            ("hedged:500ms", "hedged"),
            ("sequential", "sequential"),
        ];
        for (text, expected) in cases {
            let name: PolicyName = text.parse().unwrap();
            assert_eq!(name.build(None, None).unwrap().name(), expected, "{text}");
        }
        let fallback: PolicyName = "fallback".parse().unwrap();
        assert_eq!(fallback.build(None, Some(OnAmbiguous::Stop)).unwrap().name(), "fallback");
        let hedged: PolicyName = "hedged:1.5s".parse().unwrap();
        assert_eq!(hedged, PolicyName::Hedged(Duration::from_millis(1500)));
    }

    #[test]
    fn what_is_not_understood_is_explained() {
        for (text, part) in [
            ("quorum", "quorum:2"),
            ("quorum:0", "quorum:2"),
            ("quorum:x", "quorum:2"),
            ("hedged", "hedged:500ms"),
            ("first:2", "nothing after a colon"),
            ("all:fast", "all:fail-fast"),
            ("everyone", "sequential"),
            ("", "sequential"),
        ] {
            let error = text.parse::<PolicyName>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn fallback_without_an_answer_explains_the_duplicate_risk() {
        let failure = PolicyName::Fallback.build(None, None).unwrap_err().to_string();
        assert!(failure.contains("twice") && failure.contains("proceed"), "{failure}");
    }

    #[test]
    fn options_of_another_policy_are_refused() {
        assert!(PolicyName::All.build(Some(1), None).is_err());
        assert!(PolicyName::All.build(None, Some(OnAmbiguous::Stop)).is_err());
        assert!(PolicyName::AllSettled.build(Some(2), None).is_ok());
    }
}
