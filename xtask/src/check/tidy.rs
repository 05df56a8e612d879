//! The small rules of this repository.

use std::fs;
use std::process::Command;

use crate::Result;
use crate::workspace::{Package, Workspace};

/// Checks every file that git knows or would take, and the manifests of what is published.
pub(super) fn check(workspace: &Workspace) -> Result<String> {
    let files = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(&workspace.root)
        .output()?;
    if !files.status.success() {
        return Err("git cannot list the files".into());
    }

    let (mut checked, mut faults) = (0, Vec::new());
    for path in String::from_utf8(files.stdout)?.lines() {
        // A file may be deleted and not committed yet; what is not text is not ours to read.
        let Ok(text) = fs::read_to_string(workspace.root.join(path)) else { continue };
        checked += 1;
        faults.extend(file(path, &text).into_iter().map(|fault| format!("{path}: {fault}")));
    }
    for package in workspace.published() {
        let faults_of = manifest(package).into_iter();
        faults.extend(faults_of.map(|fault| format!("{}: {fault}", package.name())));
    }

    for fault in &faults {
        println!("{fault}");
    }
    if faults.is_empty() {
        Ok(format!("{checked} files"))
    } else {
        Err(format!("{} faults", faults.len()).into())
    }
}

/// What is wrong with one file.
fn file(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    // White space means something in prose and in what a test compares its output with.
    let is_code = CODE.iter().any(|extension| path.ends_with(extension));
    for (number, line) in (1..).zip(text.lines()) {
        if path != "Cargo.lock" && MACHINES.iter().any(|directory| line.contains(directory)) {
            faults.push(format!("line {number}: a directory of one machine"));
        }
        if line.ends_with([' ', '\t', '\r']) && is_code {
            faults.push(format!("line {number}: white space at the end"));
        }
        if path.ends_with(".rs") {
            let code = line.trim_start();
            if code.starts_with(IGNORED) {
                faults.push(format!("line {number}: an ignored test; assert what it does today"));
            }
            if !code.starts_with("//")
                && UNFINISHED.iter().any(|unfinished| code.contains(unfinished))
            {
                faults.push(format!("line {number}: unfinished code"));
            }
        }
    }
    if path.ends_with(".rs") && !text.starts_with("//! ") {
        faults.push("the first line says what the file is for, after `//! `".to_owned());
    }
    if is_code && !text.is_empty() && !text.ends_with('\n') {
        faults.push("no line end at the end".to_owned());
    }
    faults
}

/// What a published manifest lacks.
fn manifest(package: Package<'_>) -> Vec<String> {
    let texts = ["description", "license", "rust_version", "edition"]
        .into_iter()
        .filter(|key| package.text(key).is_none());
    let lists = ["authors", "categories", "keywords"]
        .into_iter()
        .filter(|key| package.list(key).is_empty());
    texts.chain(lists).map(|key| format!("the manifest has no {key}")).collect()
}

const CODE: [&str; 7] = [".conf", ".mjs", ".proto", ".py", ".rs", ".sh", ".toml"];

// Put together here, so that this file does not break the rules that it checks.
const MACHINES: [&str; 3] = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
const UNFINISHED: [&str; 2] = [concat!("to", "do!("), concat!("unimplemen", "ted!(")];
const IGNORED: &str = concat!("#[ig", "nore");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_what_breaks_it() {
        let check = |path: &str, text: &str, faults: usize| {
            let found = file(path, text);
            assert_eq!(found.len(), faults, "{path}: {found:?}");
        };
        check("a.rs", "//! What it is for.\n\nfn f() {}\n", 0);
        check("a.rs", "fn f() {}\n", 1);
        check("a.rs", &format!("//! For.\n    {}]\nfn f() {{ {}) }}\n", IGNORED, UNFINISHED[0]), 2);
        check("a.rs", &format!("//! For.\n// Without {}).\n", UNFINISHED[0]), 0);
        check("a.md", &format!("In {}me.  \n", MACHINES[0]), 1);
        check("a.toml", "a = 1 ", 2);
        check("a.snap", "a = 1 ", 0);
        check("empty.rs", "", 1);
    }
}
