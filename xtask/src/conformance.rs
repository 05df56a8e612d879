//! `cargo xtask conformance`: the suite against the engine and each transport.

use std::process::Command;

use crate::Result;
use crate::cargo::{programs, run as run_command};
use crate::steps::Steps;
use crate::workspace::Workspace;

/// Runs the suite, all of it or the rules whose name contains `filter`.
pub(crate) fn run(filter: Option<&str>) -> Result<bool> {
    let workspace = Workspace::load()?;
    let mut steps = Steps::default();
    steps.run("conformance", || {
        let package = workspace.member_in("tests").ok_or("there is no package in tests/")?;
        let programs = programs(package.name())?;
        let suite = programs.iter().find(|program| program.name == "conformance");
        let mut command = Command::new(&suite.ok_or("there is no program conformance")?.path);
        run_command(command.args(filter)).map(|()| String::new())
    });
    Ok(steps.finish("conformance"))
}
