//! `cargo xtask test`: every test of the workspace, and every example.

use std::io::{IsTerminal, Read, stdout};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::cargo::{Program, cargo, programs, run_lines};
use crate::steps::Steps;
use crate::workspace::Workspace;

/// Runs the tests, all or those that `filter` and `sink` name.
pub(crate) fn run(filter: Option<&str>, sink: Option<&str>) -> Result<bool> {
    let workspace = Workspace::load()?;
    let packages = packages(&workspace, sink)?;
    let mut steps = Steps::default();
    let mut matched = 0;

    steps.run("tests", || {
        let mut command = cargo(["test"]);
        command.args(&packages).args(["--tests", "--no-fail-fast"]);
        tests(&mut command, filter, &mut matched)
    });
    steps.run("doc tests", || {
        let mut command = cargo(["test"]);
        command.args(&packages).args(["--doc", "--no-fail-fast"]);
        tests(&mut command, filter, &mut matched)
    });
    if let (Some(package), None) = (workspace.member_in("examples"), sink) {
        steps.run("examples", || {
            let mut programs = programs(package.name())?;
            programs.retain(|program| filter.is_none_or(|filter| program.name.contains(filter)));
            matched += programs.len();
            examples(&programs)
        });
    }

    if matched == 0 {
        return Err("no test matches: nothing was run".into());
    }
    Ok(steps.finish("test"))
}

/// Which packages to name to cargo.
fn packages(workspace: &Workspace, sink: Option<&str>) -> Result<Vec<String>> {
    let Some(sink) = sink else { return Ok(vec!["--workspace".to_owned()]) };
    let transport = format!("fanout-{sink}");
    let members = workspace.members();
    if !members.iter().any(|package| package.name() == transport) {
        return Err(format!("no such sink: there is no package {transport}").into());
    }
    let with_client =
        members.iter().map(|package| package.name()).filter(|name| *name == "fanout-net");
    Ok(with_client.chain([transport.as_str()]).map(|name| format!("--package={name}")).collect())
}

/// Runs `cargo test` and counts what it says of each test binary.
fn tests(command: &mut Command, filter: Option<&str>, matched: &mut usize) -> Result<String> {
    if let Some(filter) = filter {
        command.arg(filter);
    }
    if stdout().is_terminal() {
        // The output goes through this program, so libtest would not colour it.
        command.args(["--", "--color=always"]);
    }
    let mut count = Count::default();
    let passed = run_lines(command, |line| {
        println!("{line}");
        count.add(line);
    })?;
    *matched += count.passed + count.failed;
    let Count { passed: ok, failed, ignored } = count;
    if !passed {
        return Err(format!("{ok} passed, {failed} failed, or something does not compile").into());
    }
    if ignored > 0 {
        return Err(format!("{ignored} tests are ignored; this project keeps none").into());
    }
    Ok(format!("{ok} passed"))
}

/// The sum over the test binaries.
#[derive(Debug, Default, PartialEq)]
struct Count {
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Count {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some((_, numbers)) = line.split_once("test result: ") else { return };
        let words: Vec<_> =
            numbers.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<usize>() else { continue };
            match pair[1] {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// Runs each example; all must exit with 0 within the limit.
fn examples(programs: &[Program]) -> Result<String> {
    let mut failed = Vec::new();
    for program in programs {
        let start = Instant::now();
        let outcome = example(program);
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("example {} ... ok ({seconds:.1} s)", program.name),
            Err(error) => {
                println!("example {} ... FAILED ({seconds:.1} s): {error}", program.name);
                failed.push(program.name.as_str());
            }
        }
    }
    if failed.is_empty() {
        Ok(format!("{} ran", programs.len()))
    } else {
        Err(format!("failed: {}", failed.join(", ")).into())
    }
}

fn example(program: &Program) -> Result<()> {
    let mut child = Command::new(&program.path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Both ends are read at once, so that a talkative example does not wait for us for ever.
    let out = child.stdout.take().expect("stdout is piped");
    let err = child.stderr.take().expect("stderr is piped");
    let (out, err) = (thread::spawn(move || read(out)), thread::spawn(move || read(err)));

    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if start.elapsed() > EXAMPLE_LIMIT {
            child.kill()?;
            child.wait()?;
            break None;
        }
        thread::sleep(Duration::from_millis(10));
    };
    match status {
        Some(status) if status.success() => Ok(()),
        other => {
            for text in [out, err].into_iter().filter_map(|reader| reader.join().ok()) {
                print!("{text}");
            }
            Err(match other {
                Some(status) => status.to_string().into(),
                None => format!("still running after {} s", EXAMPLE_LIMIT.as_secs()).into(),
            })
        }
    }
}

fn read(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    // What could not be read is missing from a diagnosis, no more.
    let _cut_short = from.read_to_end(&mut bytes).is_err();
    String::from_utf8_lossy(&bytes).into_owned()
}

const EXAMPLE_LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_test_binaries_add_up() {
        let mut count = Count::default();
        count.add("running 3 tests");
        count.add("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        count.add("test result: FAILED. 1 passed; 2 failed; 1 ignored; 0 measured; 9 filtered out");
        // Coloured, as a terminal gets it.
        count.add("test result: \u{1b}[32mok\u{1b}(B\u{1b}[m. 5 passed; 0 failed; 0 ignored");
        assert_eq!(count, Count { passed: 9, failed: 2, ignored: 1 });
    }

    #[test]
    fn an_example_that_fails_is_told_from_one_that_ends_well() {
        let program = |path: &str| Program { name: path.into(), path: path.into() };
        assert!(examples(&[program("true")]).is_ok());
        assert!(examples(&[program("true"), program("false")]).is_err());
        assert!(examples(&[program("no-such-program")]).is_err());
    }
}
