//! The conformance suite against the engine and each transport; `cargo xtask conformance` runs it.

#![expect(clippy::print_stdout, reason = "a command line talks to a person")]

use std::env;
use std::panic;
use std::process::ExitCode;

use fanout_conformance::{CaseOutcome, SuiteResult};
use fanout_tests::bindings::suites;
use fanout_tests::table::{Cell, Table};

#[tokio::main]
async fn main() -> ExitCode {
    // Some cases panic on purpose, and what a failed one panicked with is in its result.
    panic::set_hook(Box::new(|_| {}));
    let filter = env::args().nth(1).unwrap_or_default();
    let mut table = Table::default();
    let mut notes = Vec::new();
    for (subject, suite) in suites() {
        let result: SuiteResult = suite.only(&filter).await;
        for case in result.results() {
            let cell = match &case.outcome {
                CaseOutcome::Passed => Cell::Passed,
                CaseOutcome::Failed(_) => Cell::Failed,
                CaseOutcome::NotSupported(_) => Cell::NotSupported,
            };
            table.add(case.rule.id, subject, cell);
            if cell != Cell::Passed {
                notes.push(format!("{subject}: {case}"));
            }
        }
    }
    for note in notes {
        println!("{note}");
    }
    print!("\n{table}");
    if table.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
