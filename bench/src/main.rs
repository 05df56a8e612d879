//! Measures what fanout costs beside doing the same by hand.
//!
//! `fanout-bench` prints the comparison; `fanout-bench run CONTESTANT WIDTH SENDS` is what it starts
//! under valgrind to count instructions. `fanout-bench resilient` prints the part about the
//! pipeline alone, and `fanout-bench storm` takes ten seconds and shows what a sink that
//! always fails does to the one beside it. `cargo xtask bench` builds and starts it.

#![expect(clippy::print_stdout, reason = "a program that prints its findings")]

mod dispatch;
mod instructions;
mod storm;

use std::process::ExitCode;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => {
            dispatch::compare();
            dispatch::compare_resilient();
        }
        ["resilient"] => dispatch::compare_resilient(),
        ["storm"] => storm::blow(),
        ["run", contestant, width, sends] => {
            let parsed = (dispatch::Contestant::named(contestant), width.parse(), sends.parse());
            let (Some(contestant), Ok(width), Ok(sends)) = parsed else {
                return usage();
            };
            dispatch::Bench::new(contestant, width).run(sends);
        }
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    println!("usage: fanout-bench [resilient | storm | run CONTESTANT WIDTH SENDS]");
    ExitCode::from(2)
}
