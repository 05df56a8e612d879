//! Counting what happened, over all records and for each sink.

use std::collections::BTreeMap;

use fanout::{Delivery, Effect, FanOut, Outcome, Report, Role};

use crate::exit;

/// The counts of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Messages of which everything was delivered that the policy asks for, and nothing failed.
    pub(crate) delivered: u64,
    /// The policy held, and a sink failed that counts.
    pub(crate) partial: u64,
    /// The policy did not hold.
    pub(crate) unsatisfied: u64,
    /// It did not, and a sink may have applied the message all the same.
    pub(crate) ambiguous: u64,
    /// Records that were no messages.
    pub(crate) bad: u64,
    /// Records that an earlier run had done.
    pub(crate) earlier: u64,
    /// Of a resend: messages that were left as they were.
    pub(crate) left: u64,
    pub(crate) sinks: Vec<SinkTally>,
}

/// The counts of one sink.
#[derive(Clone, Debug)]
pub(crate) struct SinkTally {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) delivered: u64,
    /// Surely not applied.
    pub(crate) failed: u64,
    /// Perhaps applied, or applied without an answer.
    pub(crate) ambiguous: u64,
    /// Not sent to: the policy did without, or went no further.
    pub(crate) skipped: u64,
    /// How often it failed in which way.
    pub(crate) kinds: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Nothing happened yet at these sinks.
    pub(crate) fn new(fan_out: &FanOut) -> Self {
        let sink = |name: &str| SinkTally {
            name: name.to_owned(),
            role: fan_out.sink_role(name).unwrap_or(Role::Required),
            delivered: 0,
            failed: 0,
            ambiguous: 0,
            skipped: 0,
            kinds: BTreeMap::new(),
        };
        Self { sinks: fan_out.sinks().into_iter().map(sink).collect(), ..Self::default() }
    }

    /// Counts one message; of a resend, at the sinks that it was sent to. Returns what it means.
    pub(crate) fn add(&mut self, report: &Report, resent: Option<&[String]>) -> u8 {
        for delivery in report.deliveries() {
            if resent.is_some_and(|sinks| !sinks.iter().any(|sink| sink == delivery.sink())) {
                continue;
            }
            if let Some(sink) = self.sinks.iter_mut().find(|sink| sink.name == delivery.sink()) {
                sink.add(delivery);
            }
        }
        let code = exit::code(report);
        match code {
            exit::SATISFIED => self.delivered += 1,
            exit::SATISFIED_WITH_FAILURES => self.partial += 1,
            exit::AMBIGUOUS => self.ambiguous += 1,
            _ => self.unsatisfied += 1,
        }
        code
    }

    /// How many records were dealt with.
    pub(crate) fn records(&self) -> u64 {
        self.messages() + self.bad + self.earlier + self.left
    }

    /// How many messages were sent.
    pub(crate) fn messages(&self) -> u64 {
        self.delivered + self.partial + self.unsatisfied + self.ambiguous
    }

    /// The exit code of the whole: the worst of its messages. A bad record reached nobody.
    pub(crate) fn code(&self) -> u8 {
        if self.ambiguous > 0 {
            exit::AMBIGUOUS
        } else if self.unsatisfied + self.bad + self.left > 0 {
            exit::UNSATISFIED
        } else if self.partial > 0 {
            exit::SATISFIED_WITH_FAILURES
        } else {
            exit::SATISFIED
        }
    }
}

impl SinkTally {
    fn add(&mut self, delivery: &Delivery) {
        let kind = match delivery.outcome() {
            Outcome::Delivered(_) => {
                self.delivered += 1;
                return;
            }
            Outcome::Skipped(_) => {
                self.skipped += 1;
                return;
            }
            Outcome::Failed(error) => error.kind().as_str(),
            _ => "cancelled",
        };
        match delivery.effect() {
            Effect::None => self.failed += 1,
            Effect::Maybe | Effect::Done => self.ambiguous += 1,
        }
        *self.kinds.entry(kind).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_message_is_the_exit_code() {
        let code = |change: fn(&mut Tally)| {
            let mut tally = Tally { delivered: 9, ..Tally::default() };
            change(&mut tally);
            tally.code()
        };
        assert_eq!(code(|_| {}), 0);
        assert_eq!(code(|tally| tally.partial = 1), 3);
        assert_eq!(code(|tally| (tally.partial, tally.unsatisfied) = (1, 1)), 4);
        assert_eq!(code(|tally| tally.bad = 1), 4);
        assert_eq!(code(|tally| (tally.bad, tally.ambiguous) = (1, 1)), 5);
    }
}
