//! `cargo xtask bench`: what fanout costs beside the same done by hand.

use crate::Result;
use crate::cargo::{cargo, run as run_command};

/// Builds the benchmark alone, so that no test feature of a dependency is unified into it, and runs it.
pub(crate) fn run() -> Result<bool> {
    run_command(&mut cargo(["run", "--release", "--package", "fanout-bench"]))?;
    Ok(true)
}
