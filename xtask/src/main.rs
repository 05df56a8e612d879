//! `cargo xtask`: what contributors and CI run.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to a person")]

mod bench;
mod cargo;
mod check;
mod conformance;
mod interop;
mod steps;
mod test;
mod workspace;

use std::error::Error;
use std::process::ExitCode;

use lexopt::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the subcommand; false means that a step failed and that the summary has said so.
fn run() -> Result<bool> {
    let mut args = lexopt::Parser::from_env();
    let command = match args.next()? {
        Some(Value(command)) => command.string()?,
        Some(Long("help") | Short('h')) | None => {
            print!("{HELP}");
            return Ok(true);
        }
        Some(other) => return Err(other.unexpected().into()),
    };

    let mut names = Vec::new();
    let mut sink = None;
    while let Some(arg) = args.next()? {
        match arg {
            Long("help") | Short('h') => {
                print!("{HELP}");
                return Ok(true);
            }
            Long("sink") if command == "test" => sink = Some(args.value()?.string()?),
            Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }

    match (command.as_str(), names.as_slice()) {
        ("test", []) => test::run(None, sink.as_deref()),
        ("test", [filter]) => test::run(Some(filter), sink.as_deref()),
        ("check", only) => check::run(only),
        ("conformance", []) => conformance::run(None),
        ("conformance", [filter]) => conformance::run(Some(filter)),
        ("interop", []) => interop::run(None),
        ("interop", [filter]) => interop::run(Some(filter)),
        ("bench", []) => bench::run(),
        ("bench", _) => Err("`bench` takes no arguments".into()),
        ("test" | "conformance" | "interop", _) => Err("at most one filter".into()),
        (other, _) => Err(format!("no such command: {other}; try `cargo xtask --help`").into()),
    }
}

const HELP: &str = "\
What contributors and CI run.

Usage: cargo xtask <command>

  test [filter] [--sink http|grpc]
          Unit and integration tests of the whole workspace, doc tests, and every
          example program, which must end well within a minute.
          With a filter only the tests and examples whose name contains it; with
          --sink only the packages of that transport.

  check [step...]
          Formatting, clippy, docs, each published crate alone and with each of its
          features alone, licences and duplicates among the dependencies, and the
          small rules of this repository. With names only those steps:
          fmt, clippy, docs, alone, features, licenses, duplicates, tidy.

  conformance [filter]
          The published suite against the engine and each transport, as a table of
          rules by transports. With a filter only the rules whose name contains it.

  interop [filter]
          Sends to servers that this project did not write: nginx, Python's
          http.server and grpcio, Node. Installs what is missing and says so.

  bench
          What dispatch costs beside a bare join over the same sinks: time and
          allocations, and instructions where valgrind is installed.

Exit code: 0 all well, 1 something failed, 2 wrong usage or a broken set-up.
";
