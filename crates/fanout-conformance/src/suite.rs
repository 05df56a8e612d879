//! Cases, how each ended, and the whole as a table.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use crate::arena::{self, Clock, Start};
use crate::fakes::Unplayable;

/// A rule, and the name of the case that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Rule {
    /// The name: `sink/one_call_one_attempt`.
    pub id: &'static str,
    /// What must hold, as one sentence.
    pub text: &'static str,
}

/// How a case ended.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseOutcome {
    /// The rule held.
    Passed,
    /// It did not: what was seen instead.
    Failed(String),
    /// The case could not be run, or the subject does not claim to keep the rule: why.
    NotSupported(String),
}

/// One case that was run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CaseResult {
    /// The rule that the case shows.
    pub rule: Rule,
    /// How it ended.
    pub outcome: CaseOutcome,
}

/// What came out of a suite.
#[must_use = "call `assert_passed`, or look at the results"]
#[derive(Clone, Debug)]
pub struct SuiteResult {
    subject: String,
    results: Vec<CaseResult>,
}

/// A suite that is about to run: await it.
#[must_use = "a suite runs when it is awaited"]
pub struct Suite {
    subject: String,
    cases: Vec<Case>,
}

pub(crate) struct Case {
    pub(crate) rule: Rule,
    pub(crate) clock: Clock,
    /// Why the case is not run, if it is not.
    pub(crate) waived: Option<String>,
    pub(crate) start: Start,
}

/// What a case returns: `Err` says why it did not pass.
pub(crate) type Outcome = Result<(), Stop>;

#[derive(Debug)]
pub(crate) enum Stop {
    Failed(String),
    NotSupported(String),
}

impl Suite {
    pub(crate) fn new(subject: impl Into<String>, cases: Vec<Case>) -> Self {
        Self { subject: subject.into(), cases }
    }

    /// Sets the name that results are shown under.
    pub fn named(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Returns the name that results are shown under.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Keeps the cases whose name contains `part`: `only("deadline")`, `only("sink/")`.
    pub fn only(mut self, part: &str) -> Self {
        self.cases.retain(|case| case.rule.id.contains(part));
        self
    }

    /// Adds the cases of another suite behind those of this one.
    pub fn and(mut self, other: Self) -> Self {
        self.cases.extend(other.cases);
        self
    }

    /// Returns the rules of the cases.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = Rule> {
        self.cases.iter().map(|case| case.rule)
    }

    /// Runs the suite outside of a runtime, blocking the thread.
    ///
    /// # Panics
    ///
    /// Inside an asynchronous context, where a thread must not be blocked: await the suite there.
    pub fn run(self) -> SuiteResult {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a bare runtime needs nothing of the system").block_on(self.into_future())
    }
}

impl IntoFuture for Suite {
    type Output = SuiteResult;
    type IntoFuture = Pin<Box<dyn Future<Output = SuiteResult> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut results = Vec::with_capacity(self.cases.len());
            for case in self.cases {
                let outcome = match case.waived {
                    Some(reason) => CaseOutcome::NotSupported(reason),
                    None => arena::run(case.clock, case.start).await.into(),
                };
                results.push(CaseResult { rule: case.rule, outcome });
            }
            SuiteResult { subject: self.subject, results }
        })
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("subject", &self.subject)
            .field("rules", &self.cases.iter().map(|case| case.rule.id).collect::<Vec<_>>())
            .finish()
    }
}

impl SuiteResult {
    /// Returns the name of what was judged.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns every case, in order.
    pub fn results(&self) -> &[CaseResult] {
        &self.results
    }

    /// Returns how the case `id` ended.
    pub fn get(&self, id: &str) -> Option<&CaseOutcome> {
        self.results.iter().find(|result| result.rule.id == id).map(|result| &result.outcome)
    }

    /// Returns how many cases passed, failed, and were not supported.
    pub fn counts(&self) -> (usize, usize, usize) {
        let mut counts = (0, 0, 0);
        for result in &self.results {
            match result.outcome {
                CaseOutcome::Passed => counts.0 += 1,
                CaseOutcome::Failed(_) => counts.1 += 1,
                CaseOutcome::NotSupported(_) => counts.2 += 1,
            }
        }
        counts
    }

    /// Returns the cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &CaseResult> {
        self.results.iter().filter(|result| matches!(result.outcome, CaseOutcome::Failed(_)))
    }

    /// Returns true when no case failed. Cases that are not supported do not count against it.
    pub fn is_passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// Ends quietly when no case failed and at least one passed.
    ///
    /// # Panics
    ///
    /// When a case failed, with a message that names each broken rule; and when no case passed at all,
    /// because then nothing was shown.
    #[track_caller]
    pub fn assert_passed(&self) {
        let failures: String = self.failures().map(|failure| format!("\n{failure}")).collect();
        assert!(failures.is_empty(), "{} breaks the contract:{failures}", self.subject);
        assert!(self.counts().0 > 0, "no case passed, so nothing was shown:\n{self}");
    }
}

impl fmt::Display for SuiteResult {
    /// Writes one line per case, and a summary line of counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.subject)?;
        for result in &self.results {
            writeln!(f, "  {result}")?;
        }
        let (passed, failed, not_supported) = self.counts();
        write!(f, "{passed} passed, {failed} failed, {not_supported} not supported")
    }
}

impl fmt::Display for CaseResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { id, text } = self.rule;
        match &self.outcome {
            CaseOutcome::Passed => write!(f, "{id}: passed"),
            CaseOutcome::Failed(what) => write!(f, "{id}: FAILED: {what}. The rule: {text}"),
            CaseOutcome::NotSupported(why) => write!(f, "{id}: not supported: {why}"),
        }
    }
}

impl From<Outcome> for CaseOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(()) => Self::Passed,
            Err(Stop::Failed(what)) => Self::Failed(what),
            Err(Stop::NotSupported(why)) => Self::NotSupported(why),
        }
    }
}

impl From<Unplayable> for Stop {
    fn from(unplayable: Unplayable) -> Self {
        Self::NotSupported(unplayable.to_string())
    }
}

/// Ends the case as failed unless the condition holds. The message says what was seen.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::suite::Stop::Failed(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;
