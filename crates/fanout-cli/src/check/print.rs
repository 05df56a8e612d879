//! What `check` found, for people.

use fanout_config::{Finding, Level, Target, Twice};

use super::Outcome;
use crate::table::{Mark, grid};
use crate::ui::{BAD, GOOD, STRONG, UNSURE, printable, say, width};

pub(super) fn outcome(outcome: &Outcome<'_>, offline: bool) {
    let width = width();
    let warnings = outcome.warnings.iter().map(|warning| printable(&warning.to_string()));
    let warnings: Vec<_> =
        warnings.map(|warning| format!("{UNSURE}warning:{UNSURE:#} {warning}")).collect();
    let mut parts = Vec::new();
    if !warnings.is_empty() {
        parts.push(warnings.join("\n"));
    }
    parts.extend(sinks(&outcome.sinks, width));
    let routes = outcome.routes.iter().filter(|(_, twice)| !twice.is_empty());
    parts.extend(routes.map(|(name, twice)| route(name, twice, width)));
    parts.push(summary(outcome, offline));
    say(&parts.join("\n\n"));
}

/// One row for each finding; of a sink without any, one that says so.
fn sinks(sinks: &[(&Target, Vec<Finding>)], width: usize) -> Option<String> {
    let mut rows = Vec::new();
    for (target, findings) in sinks {
        let mut name = printable(target.name());
        for finding in findings {
            let mark = match finding.level() {
                Level::Good => Mark::Good,
                Level::Warning => Mark::Unsure,
                Level::Failed => Mark::Bad,
                _ => Mark::Dim,
            };
            rows.push(vec![
                std::mem::take(&mut name),
                finding.check().to_owned(),
                mark.around(finding.level().as_str()),
                printable(finding.detail()),
            ]);
        }
    }
    (!rows.is_empty()).then(|| grid(&["sink", "check", "result", "detail"], rows, width))
}

fn route(name: &str, twice: &[Twice], width: usize) -> String {
    let rows = twice.iter().map(|path| {
        let sinks: Vec<_> = path.sinks().iter().map(|sink| printable(sink)).collect();
        vec![sinks.join(", "), printable(path.why())]
    });
    let name = printable(name);
    let table = grid(&["sinks", "how"], rows.collect(), width);
    format!("{STRONG}{name}{STRONG:#} may have one message applied twice:\n{table}")
}

fn summary(outcome: &Outcome<'_>, offline: bool) -> String {
    let findings = || outcome.sinks.iter().flat_map(|(_, findings)| findings);
    let count = |level| findings().filter(|finding| finding.level() == level).count();
    let (failed, warned) = (count(Level::Failed), count(Level::Warning) + outcome.warnings.len());
    let some = |number: usize, what: &str| match number {
        1 => format!("one {what}"),
        number => format!("{number} {what}s"),
    };
    let file = printable(&outcome.file);
    let contact = if offline { "not contacted" } else { "contacted" };
    let sinks = format!("{}, {contact}", some(outcome.sinks.len(), "sink"));
    let verdict = match (failed, warned) {
        (0, 0) => format!("{GOOD}all is well{GOOD:#}"),
        (0, warned) => format!("{UNSURE}{}{UNSURE:#}", some(warned, "warning")),
        (failed, 0) => format!("{BAD}{}{BAD:#}", some(failed, "failure")),
        (failed, warned) => format!(
            "{BAD}{}{BAD:#}, {UNSURE}{}{UNSURE:#}",
            some(failed, "failure"),
            some(warned, "warning")
        ),
    };
    format!("{file}: {sinks}: {verdict}")
}
