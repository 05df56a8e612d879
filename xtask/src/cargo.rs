//! Calls of cargo.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Result;

/// A call of the cargo that runs this program, in the directory of the workspace.
pub(crate) fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).stdin(Stdio::null());
    command
}

/// Shows and runs a command; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    show(command);
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{} ({status})", line(command)).into()) }
}

/// Shows and runs a command, passing each line that it prints to `each`.
///
/// Returns whether it exited with 0.
pub(crate) fn run_lines(command: &mut Command, mut each: impl FnMut(&str)) -> Result<bool> {
    show(command);
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().expect("stdout is piped");
    for line in BufReader::new(stdout).split(b'\n') {
        each(&String::from_utf8_lossy(&line?));
    }
    Ok(child.wait()?.success())
}

/// A program that was built.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// Builds the programs and examples of the workspace and returns those of `package`, by name.
///
/// The whole workspace is built on purpose: cargo unifies the features of what it is asked for, so
/// naming one package would compile the dependencies once more.
pub(crate) fn programs(package: &str) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    let mut command = cargo([
        "build",
        "--workspace",
        "--bins",
        "--examples",
        "--message-format=json-render-diagnostics",
    ]);
    let built = run_lines(&mut command, |line| {
        let Ok(message) = serde_json::from_str::<Value>(line) else { return };
        let id = message["package_id"].as_str().unwrap_or_default();
        if let (Some(path), true) = (message["executable"].as_str(), is_package(id, package)) {
            let name = message["target"]["name"].as_str().unwrap_or_default().to_owned();
            programs.push(Program { name, path: path.into() });
        }
    })?;
    if !built {
        return Err("the programs do not build".into());
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

/// Package ids read `path+file:///…/dir#0.1.0`, or `…#name@0.1.0` when the directory is called
/// differently.
fn is_package(id: &str, package: &str) -> bool {
    let (url, fragment) = id.rsplit_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name == package,
        None => url.rsplit('/').next() == Some(package),
    }
}

fn show(command: &Command) {
    println!("$ {}", line(command));
}

fn line(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            line.push_str(&format!("{}={:?} ", name.to_string_lossy(), value.to_string_lossy()));
        }
    }
    let program = PathBuf::from(command.get_program());
    line.push_str(&program.file_name().unwrap_or_default().to_string_lossy());
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_ids_with_and_without_a_name_are_told_apart() {
        assert!(is_package("path+file:///x/xtask#0.1.0", "xtask"));
        assert!(is_package("path+file:///x/tests#fanout-tests@0.1.0", "fanout-tests"));
        assert!(!is_package("path+file:///x/tests#fanout-tests@0.1.0", "tests"));
        assert!(!is_package("path+file:///x/fanout#0.1.0", "xtask"));
    }

    #[test]
    fn a_command_is_shown_as_it_could_be_typed() {
        let mut command = Command::new("/opt/bin/cargo");
        command.args(["doc", "--lib"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(line(&command), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --lib");
    }
}
