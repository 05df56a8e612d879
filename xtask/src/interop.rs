//! `cargo xtask interop`: the sinks against servers that this project did not write.

use std::process::Command;

use crate::Result;
use crate::cargo::{programs, run as run_command};
use crate::steps::Steps;
use crate::workspace::Workspace;

/// Sets up the servers and runs the cases, all or those whose name contains `filter`.
pub(crate) fn run(filter: Option<&str>) -> Result<bool> {
    let workspace = Workspace::load()?;
    let scripts = workspace.root.join("tests/interop");
    let venv = workspace.target.join("interop-venv");
    let modules = workspace.target.join("interop-node");
    let mut steps = Steps::default();
    let mut ready = false;

    steps.run("servers", || {
        let install = scripts.join("install.sh");
        run_command(Command::new("bash").arg(install).args([&venv, &modules]))?;
        ready = true;
        Ok(String::new())
    });
    if ready {
        steps.run("cases", || {
            let package = workspace.member_in("tests").ok_or("there is no package in tests/")?;
            let programs = programs(package.name())?;
            let interop = programs.iter().find(|program| program.name == "interop");
            let mut command = Command::new(&interop.ok_or("there is no program interop")?.path);
            command
                .args(filter)
                .env("FANOUT_INTEROP_PYTHON", venv.join("bin/python"))
                .env("FANOUT_INTEROP_NODE", &modules);
            run_command(&mut command).map(|()| String::new())
        });
    }
    Ok(steps.finish("interop"))
}
