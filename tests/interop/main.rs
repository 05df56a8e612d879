//! The sinks against servers that this project did not write; `cargo xtask interop` runs it.

#![expect(clippy::print_stdout, reason = "a command line talks to a person")]

mod cases;
mod servers;

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use fanout_tests::table::{Cell, Table};

// One thread: a connection that a server has closed is seen to be closed before the next send, because
// tasks run in the order in which they are woken.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let filter = env::args().nth(1).unwrap_or_default();
    let mut table = Table::default();
    for case in cases::all() {
        let full = format!("{}::{}", case.name, case.server);
        if !full.contains(&filter) {
            continue;
        }
        let start = Instant::now();
        // A case fails by a panic, whose message the default hook prints.
        let passed = tokio::spawn((case.run)()).await.is_ok();
        let (cell, outcome) = if passed { (Cell::Passed, "ok") } else { (Cell::Failed, "FAILED") };
        println!("case {full} ... {outcome} ({:.1} s)", start.elapsed().as_secs_f64());
        table.add(case.name, case.server, cell);
    }
    print!("\n{table}");
    if table.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
