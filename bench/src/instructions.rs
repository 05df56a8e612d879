//! Instructions per send, counted by valgrind where it is installed: they do not depend on load.

use std::process::{Command, Stdio};

/// Counts the instructions of one send, or `None` where valgrind is not to be had.
///
/// Two runs of different length are subtracted, so that what starts and ends the process cancels out.
pub(crate) fn per_send(contestant: &str, width: usize, sends: usize) -> Option<f64> {
    let short = total(contestant, width, sends)?;
    let long = total(contestant, width, sends * 2)?;
    Some((long.checked_sub(short)?) as f64 / sends as f64)
}

fn total(contestant: &str, width: usize, sends: usize) -> Option<u64> {
    let this = std::env::current_exe().ok()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["run", contestant, &width.to_string(), &sends.to_string()])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    // "==123== Collected : 4567"
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}
