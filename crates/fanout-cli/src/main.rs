//! The `fanout` command: `demo`, `send`, `resend`, `check`, `sandbox`, and what a shell and `man` need of it.

mod args;
mod bulk;
mod check;
mod completions;
mod demo;
mod exit;
mod man;
mod policy;
mod sandbox;
mod send;
mod table;
mod ui;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::exit::Failure;

fn main() -> ExitCode {
    // Known before the arguments are read: help and errors about arguments have colours too.
    ui::colour(ui::asked_colour(std::env::args_os()));
    let cli = Cli::parse();
    ui::colour(cli.color);
    let outcome = run(cli);
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let red = ui::BAD.bold();
            ui::tell(&format!("{red}error:{red:#} {failure}"));
            ExitCode::from(exit::USAGE)
        }
    }
}

fn run(cli: Cli) -> Result<u8, Failure> {
    match cli.command {
        Command::Demo => wait_for(demo::run()),
        Command::Send(args) => wait_for(send::run(&args)),
        Command::Resend(args) => wait_for(bulk::resend::run(&args)),
        Command::Check(args) => wait_for(check::run(&args)),
        Command::Sandbox(args) => wait_for(sandbox::run(*args)),
        Command::Completions(args) => completions::run(&args).map(|()| exit::SATISFIED),
        Command::Man(args) => man::run(&args).map(|()| exit::SATISFIED),
    }
}

fn wait_for(work: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    // One thread is plenty for a handful of sends, and starts fastest.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start the runtime: {error}")))?;
    let outcome = runtime.block_on(work);
    // A name that is still being looked up would hold the process for as long as that takes.
    runtime.shutdown_background();
    outcome
}
