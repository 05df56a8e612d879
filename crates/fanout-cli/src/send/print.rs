//! What `fanout send` prints: the table or the JSON, and the answers.

use std::io::Write as _;

use fanout::{BodyState, Delivery, Receipt, Report};
use serde_json::Value;

use crate::args::SendArgs;
use crate::table;
use crate::ui::{self, printable, printable_lines, say};

/// Prints the report as the arguments ask for it.
pub(crate) fn report(report: &Report, args: &SendArgs) {
    if args.json {
        // Not through `anstream`: an escape sequence within a string is data here. JSON escapes it.
        drop(writeln!(std::io::stdout(), "{}", json(report, args.body)));
        return;
    }
    say(&table::render(report, ui::width()));
    if args.body {
        for delivery in report.deliveries() {
            if let Some(receipt) = delivery.receipt() {
                say(&answer(delivery, receipt));
            }
        }
    }
}

/// The report's own JSON; with `bodies`, each receipt gets its `body` as text.
fn json(report: &Report, bodies: bool) -> String {
    let mut json = serde_json::to_value(report).expect("a report is always expressible as JSON");
    if bodies {
        for (index, delivery) in report.deliveries().iter().enumerate() {
            if let Some(receipt) = delivery.receipt() {
                let body = String::from_utf8_lossy(receipt.body());
                json["deliveries"][index]["receipt"]["body"] = Value::from(body);
            }
        }
    }
    format!("{json:#}")
}

/// The answer of one target, with a line above it.
fn answer(delivery: &Delivery, receipt: &Receipt) -> String {
    let mut facts: Vec<String> = receipt.status().map(ToString::to_string).into_iter().collect();
    facts.extend(receipt.metadata().get("content-type").map(printable));
    facts.push(match receipt.body().len() {
        0 => "empty".to_owned(),
        1 => "1 byte".to_owned(),
        bytes => format!("{bytes} bytes"),
    });
    facts.extend(match receipt.body_state() {
        BodyState::Cut => Some("the beginning".to_owned()),
        BodyState::Broken => Some("it broke off".to_owned()),
        _ => None,
    });
    let (strong, dim) = (ui::STRONG, ui::DIM);
    let head = format!(
        "\n{strong}{name}{strong:#}  {dim}{facts}{dim:#}",
        name = printable(delivery.sink()),
        facts = facts.join(", "),
    );
    let text = match std::str::from_utf8(receipt.body()) {
        Ok("") => return head,
        Ok(text) => printable_lines(text.trim_end()),
        Err(_) => "(not text)".to_owned(),
    };
    format!("{head}\n{text}")
}
