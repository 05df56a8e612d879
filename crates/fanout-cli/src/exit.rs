//! What the process ends with: the exit codes, and failures before anything was sent.

use std::fmt;

use fanout::{Delivery, Effect, Report, Role};

/// The policy held.
pub(crate) const SATISFIED: u8 = 0;
/// Many messages: it could not go on to the end. What was sent before stands, and is in the summary.
pub(crate) const STOPPED: u8 = 1;
/// Wrong usage, or something that cannot be set up. Nothing was sent.
pub(crate) const USAGE: u8 = 2;
/// The policy held, and a sink that counts failed all the same.
pub(crate) const SATISFIED_WITH_FAILURES: u8 = 3;
/// The policy did not hold, and what was not delivered was surely not applied.
pub(crate) const UNSATISFIED: u8 = 4;
/// The policy did not hold, and a sink that is not delivered may have applied the message: running
/// the same command again may do it twice.
pub(crate) const AMBIGUOUS: u8 = 5;
/// Ctrl-C came first; what every shell takes for it.
pub(crate) const INTERRUPTED: u8 = 130;

/// Returns the exit code for `report`. Mirrors do not matter.
pub(crate) fn code(report: &Report) -> u8 {
    let mut required = report.deliveries().iter().filter(|d| d.role() == Role::Required);
    if report.is_satisfied() {
        // Under the others a failed sink is the plan, not news: `first` needs one success.
        let counts_failures = matches!(report.policy(), "all_settled" | "quorum" | "majority");
        let failed = required.any(|delivery| delivery.error().is_some());
        return if counts_failures && failed { SATISFIED_WITH_FAILURES } else { SATISFIED };
    }
    let unknown = |d: &Delivery| !d.is_delivered() && d.effect() != Effect::None;
    if required.any(unknown) { AMBIGUOUS } else { UNSATISFIED }
}

/// Why nothing was sent, with a hint what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<fanout::Error> for Failure {
    fn from(error: fanout::Error) -> Self {
        Self::new(error.to_chain())
    }
}

impl From<fanout::BuildError> for Failure {
    fn from(error: fanout::BuildError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<fanout_config::ConfigError> for Failure {
    fn from(error: fanout_config::ConfigError) -> Self {
        let told = |error: &fanout_config::ConfigError| {
            let mut place = error.file().to_owned();
            if let Some(line) = error.line() {
                place.push_str(&format!(":{line}"));
            }
            if let Some(key) = error.key() {
                place.push_str(&format!(": {key}"));
            }
            format!("{place}: {}", error.problem())
        };
        let mut lines: Vec<_> = error.help().map(str::to_owned).into_iter().collect();
        lines.extend(error.others().iter().map(told));
        let failure = Self::new(told(&error));
        if lines.is_empty() { failure } else { failure.hint(lines.join("\n  ")) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use fanout::policy::{FanOutPolicy, all, all_settled, first, majority, quorum};
    use fanout::{Error, ErrorKind, FanOut, Message, Receipt, sink_fn};

    use super::*;

    /// The exit code of a send to sinks that end so, in order; the last one is a mirror.
    async fn ended(policy: impl FanOutPolicy + 'static, ends: &[Effect], mirror: Effect) -> u8 {
        let sink = |end: Effect| {
            sink_fn(move |_, _| async move {
                match end {
                    Effect::Done => Ok(Receipt::new()),
                    effect => Err(Error::new(ErrorKind::Upstream, "no").with_effect(effect)),
                }
            })
        };
        let mut builder = FanOut::builder(policy).mirror("mirror", sink(mirror));
        for (index, end) in ends.iter().enumerate() {
            builder = builder.sink(format!("sink {index}"), sink(*end));
        }
        let report = builder.build().unwrap().send(Message::text("x")).await;
        code(&report.settled().await)
    }

    #[tokio::test]
    async fn the_code_follows_the_verdict_and_what_may_have_been_applied() {
        use Effect::{Done, Maybe, None};

        assert_eq!(ended(all(), &[Done, Done], Done).await, SATISFIED);
        assert_eq!(ended(all(), &[Done, None], Done).await, UNSATISFIED);
        assert_eq!(ended(all(), &[Done, Maybe], Done).await, AMBIGUOUS);
        assert_eq!(ended(first(), &[None, Maybe, Done], Done).await, SATISFIED);
        assert_eq!(ended(first(), &[None, None], Done).await, UNSATISFIED);
    }

    #[tokio::test]
    async fn a_failure_that_the_policy_forgave_is_told() {
        use Effect::{Done, Maybe, None};

        let needed = || all_settled().min_success(1);
        assert_eq!(ended(needed(), &[Done, Done], Done).await, SATISFIED);
        assert_eq!(ended(needed(), &[Done, Maybe], Done).await, SATISFIED_WITH_FAILURES);
        assert_eq!(ended(needed(), &[None, None], Done).await, UNSATISFIED);
        assert_eq!(ended(quorum(1), &[None, Done], Done).await, SATISFIED_WITH_FAILURES);
        assert_eq!(ended(majority(), &[Done, Done, None], Done).await, SATISFIED_WITH_FAILURES);
    }

    #[tokio::test]
    async fn a_mirror_does_not_matter() {
        use Effect::{Done, Maybe, None};

        assert_eq!(ended(quorum(1), &[Done], Maybe).await, SATISFIED);
        assert_eq!(ended(all(), &[None], Maybe).await, UNSATISFIED);
    }
}
