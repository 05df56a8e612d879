//! The `fanout` command: `demo`, `send` and `sandbox`.

mod args;
mod demo;
mod exit;
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
    let cli = Cli::parse();
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
    // One thread is plenty for a handful of sends, and starts fastest.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start the runtime: {error}")))?;
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Demo => demo::run().await,
            Command::Send(args) => send::run(&args).await,
            Command::Sandbox(args) => sandbox::run(args).await.map(|()| exit::SATISFIED),
        }
    });
    // A name that is still being looked up would hold the process for as long as that takes.
    runtime.shutdown_background();
    outcome
}
