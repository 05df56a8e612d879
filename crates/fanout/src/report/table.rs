//! The report as a table for people.

use std::fmt;
use std::time::Duration;

use super::{Delivery, Outcome, Report, Role};

impl fmt::Display for Report {
    /// Writes the verdict, then one line per sink: name, outcome, effect, attempts, time, detail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.fan_out().map(|name| format!("{name}: ")).unwrap_or_default();
        let name = printable(name);
        let (policy, verdict, completeness) = (self.policy(), self.verdict(), self.completeness());
        write!(f, "{name}{policy}: {verdict} ({completeness}) in {}", time(self.elapsed()))?;
        let rows: Vec<_> = self.deliveries().iter().map(row).collect();
        let mut widths = HEAD.map(str::len);
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        line(f, &HEAD.map(str::to_owned), &widths)?;
        rows.iter().try_for_each(|row| line(f, row, &widths))
    }
}

impl Delivery {
    /// Returns what there is to say about the outcome in one line: the status, the error with its
    /// causes, or the reason.
    pub fn detail(&self) -> String {
        match self.outcome() {
            Outcome::Delivered(receipt) => {
                let mut parts: Vec<String> = Vec::new();
                parts.extend(receipt.status().map(ToString::to_string));
                if receipt.is_accepted() {
                    parts.push("accepted, not yet done".to_owned());
                }
                if receipt.body_state() != crate::BodyState::Complete {
                    parts.push(format!("answer {}", receipt.body_state().as_str()));
                }
                parts.extend(receipt.notices().map(str::to_owned));
                parts.join("; ")
            }
            Outcome::Failed(error) => {
                let mut parts = vec![error.to_chain()];
                parts.extend(error.excerpt().map(|excerpt| format!("it said: {excerpt}")));
                parts.extend(error.notices().map(str::to_owned));
                parts.join("; ")
            }
            Outcome::Cancelled => match self.stop_reason() {
                Some(reason) => reason.to_string(),
                None => String::new(),
            },
            Outcome::Skipped(reason) => reason.to_string(),
            Outcome::Pending => "still being sent".to_owned(),
        }
    }
}

fn row(delivery: &Delivery) -> [String; 6] {
    let sink = match delivery.role() {
        Role::Required => delivery.sink().to_owned(),
        Role::Mirror => format!("{} (mirror)", delivery.sink()),
    };
    [
        sink,
        delivery.outcome().as_str().to_owned(),
        delivery.effect().as_str().to_owned(),
        delivery.attempts().to_string(),
        time(delivery.elapsed()),
        delivery.detail(),
    ]
    .map(printable)
}

/// One line: what a sink answers must neither break the table nor command the terminal.
fn printable(cell: String) -> String {
    if cell.contains(char::is_control) { cell.replace(char::is_control, " ") } else { cell }
}

fn line(f: &mut fmt::Formatter<'_>, cells: &[String; 6], widths: &[usize; 6]) -> fmt::Result {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        text.push_str("  ");
        text.push_str(cell);
        // Not by the formatter, which refuses a width of more than 65,535.
        text.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
    }
    write!(f, "\n{}", text.trim_end())
}

fn time(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

const HEAD: [&str; 6] = ["sink", "outcome", "effect", "attempts", "time", "detail"];
