//! `cargo xtask check`: everything about the code that is not a test.

mod duplicates;
mod licenses;
mod tidy;

use std::process::Command;

use crate::Result;
use crate::cargo::{cargo, run as run_command};
use crate::steps::Steps;
use crate::workspace::Workspace;

/// Runs the checks, all or those that are named.
pub(crate) fn run(only: &[String]) -> Result<bool> {
    if let Some(unknown) = only.iter().find(|name| !STEPS.contains(&name.as_str())) {
        return Err(format!("no such step: {unknown}; there are {}", STEPS.join(", ")).into());
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    let workspace = Workspace::load()?;
    let mut steps = Steps::default();

    // What takes no time comes first.
    if wanted("tidy") {
        steps.run("tidy", || tidy::check(&workspace));
    }
    if wanted("licenses") {
        steps.run("licenses", || licenses::check(&workspace));
    }
    if wanted("duplicates") {
        steps.run("duplicates", || duplicates::check(&workspace));
    }
    if wanted("fmt") {
        steps.run("fmt", || {
            quiet(&mut cargo(["fmt", "--all", "--check"]))?;
            // No member of the workspace, because only `cargo fuzz` can build it.
            quiet(&mut cargo(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
        });
    }
    if wanted("clippy") {
        steps.run("clippy", || clippy(["--workspace", "--all-targets"]));
    }
    if wanted("docs") {
        steps.run("docs", || docs(&workspace));
    }
    // These go through clippy too, and share what it has compiled.
    for package in workspace.published() {
        let name = package.name();
        if wanted("alone") {
            steps.run(format!("{name} alone"), || clippy(["--package", name]));
        }
        let features = package.features();
        if !wanted("features") || features.is_empty() {
            continue;
        }
        steps.run(format!("{name} without features"), || {
            clippy(["--package", name, "--no-default-features"])
        });
        for feature in features {
            steps.run(format!("{name} with {feature} alone"), || {
                clippy(["--package", name, "--no-default-features", "--features", feature])
            });
        }
    }
    Ok(steps.finish("check"))
}

fn clippy<const N: usize>(what: [&str; N]) -> Result<String> {
    quiet(cargo(["clippy"]).args(what).args(["--", "-D", "warnings"]))
}

/// Of the libraries only: the program `fanout` and the library `fanout` would write the same pages.
fn docs(workspace: &Workspace) -> Result<String> {
    let mut command = cargo(["doc", "--no-deps", "--lib"]);
    for package in workspace.published().into_iter().filter(|package| package.has_library()) {
        command.args(["--package", package.name()]);
    }
    quiet(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn quiet(command: &mut Command) -> Result<String> {
    run_command(command).map(|()| String::new())
}

const STEPS: [&str; 8] =
    ["fmt", "clippy", "docs", "alone", "features", "licenses", "duplicates", "tidy"];
