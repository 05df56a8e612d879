//! What a run came to: a table for people, JSON for programs.

use std::path::Path;

use fanout::Role;
use serde_json::{Value, json};

use super::progress::number;
use super::run::{Ended, Stop};
use super::tally::SinkTally;
use crate::table::time;
use crate::ui::{BAD, DIM, GOOD, STRONG, UNSURE, clip, printable};

/// Writes the summary for a terminal of `width` columns, without a line break at the end. `failed` is the
/// file of what was not delivered.
pub(crate) fn render(ended: &Ended, failed: Option<&Path>, again: &str, width: usize) -> String {
    let mut lines = vec![headline(ended)];
    lines.extend(table(&ended.tally.sinks, width));
    lines.extend(stopped(ended, again));
    if !ended.unwritten.is_empty() {
        let numbers = numbers(ended.unwritten.iter().map(|entry| entry.record));
        lines.push(format!("{BAD}Not delivered and written nowhere{BAD:#}: {numbers}"));
    }
    if !ended.cut.is_empty() {
        let numbers = numbers(ended.cut.iter().copied());
        lines
            .push(format!("{UNSURE}Cut while under way, and perhaps applied{UNSURE:#}: {numbers}"));
    }
    match (failed, ended.undelivered) {
        (Some(path), Some(entries)) if entries > 0 => {
            let path = path.display();
            let (what, them) =
                if entries == 1 { ("1 record is", "it") } else { ("records are", "them") };
            let what =
                if entries == 1 { what.to_owned() } else { format!("{} {what}", number(entries)) };
            lines.push(format!("{what} in {path}; to send {them} again: fanout resend {path}"));
        }
        (None, _) if ended.tally.code() != 0 => {
            lines.push("Which ones is not kept: --failed FILE does that".to_owned());
        }
        _ => {}
    }
    lines.join("\n")
}

/// `100,000 records in 12.3 s, 8,130/s: 95,000 delivered, 5,000 not fully delivered`.
fn headline(ended: &Ended) -> String {
    let tally = &ended.tally;
    let records = tally.records();
    let word = if records == 1 { "record" } else { "records" };
    let mut head =
        format!("{STRONG}{}{STRONG:#} {word} in {}", number(records), time(ended.elapsed));
    let seconds = ended.elapsed.as_secs_f64();
    if seconds >= 1.0 && tally.messages() > 0 {
        head.push_str(&format!(", {}/s", number((tally.messages() as f64 / seconds) as u64)));
    }
    let parts: Vec<_> = [
        (tally.delivered, "delivered", GOOD),
        (tally.partial, "delivered in part, as the policy allows", UNSURE),
        (tally.unsatisfied, "not fully delivered", BAD),
        (tally.ambiguous, "not known whether delivered", BAD),
        (tally.bad, "bad", BAD),
        (tally.left, "left as they were", UNSURE),
        (tally.earlier, "done by an earlier run", DIM),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, word, style)| format!("{style}{} {word}{style:#}", number(count)))
    .collect();
    if parts.is_empty() { head } else { format!("{head}: {}", parts.join(", ")) }
}

/// One line for each sink; a column that is all zeros is left out.
fn table(sinks: &[SinkTally], width: usize) -> Vec<String> {
    type Column = (&'static str, fn(&SinkTally) -> u64);
    let columns: [Column; 4] = [
        ("delivered", |sink| sink.delivered),
        ("failed", |sink| sink.failed),
        ("ambiguous", |sink| sink.ambiguous),
        ("not sent", |sink| sink.skipped),
    ];
    let columns: Vec<_> = columns
        .into_iter()
        .enumerate()
        .filter(|(index, (_, count))| *index < 2 || sinks.iter().any(|sink| count(sink) > 0))
        .map(|(_, column)| column)
        .collect();
    let room = width * 2 / 5;
    let names: Vec<_> = sinks.iter().map(|sink| clip(&name(sink), room)).collect();
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(4);
    let widths: Vec<_> = columns
        .iter()
        .map(|(head, count)| {
            let numbers = sinks.iter().map(|sink| number(count(sink)).len());
            numbers.max().unwrap_or(0).max(head.len())
        })
        .collect();
    let cells = |first: &str, cells: Vec<String>| {
        let cells = cells.into_iter().zip(&widths).map(|(cell, width)| format!("  {cell:>width$}"));
        format!("  {first:<widest$}{}", cells.collect::<String>())
    };
    let head = cells("sink", columns.iter().map(|(head, _)| (*head).to_owned()).collect());
    let used = head.chars().count();
    let mut lines = vec![format!("{DIM}{head}{DIM:#}")];
    for (sink, name) in sinks.iter().zip(&names) {
        let numbers = columns.iter().map(|(_, count)| number(count(sink))).collect();
        let mut line = cells(name, numbers);
        let why = kinds(sink);
        if !why.is_empty() && used + 3 + why.chars().count() <= width {
            line.push_str(&format!("   {DIM}{why}{DIM:#}"));
            lines.push(line);
        } else {
            lines.push(line);
            if !why.is_empty() {
                lines.push(format!("    {DIM}{}{DIM:#}", clip(&why, width.saturating_sub(4))));
            }
        }
    }
    lines
}

fn name(sink: &SinkTally) -> String {
    match sink.role {
        Role::Mirror => format!("{} (mirror)", printable(&sink.name)),
        _ => printable(&sink.name),
    }
}

/// `4,980 unavailable, 20 timeout`, the most frequent first.
fn kinds(sink: &SinkTally) -> String {
    let mut kinds: Vec<_> = sink.kinds.iter().collect();
    kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(**count), **kind));
    let kinds: Vec<_> =
        kinds.into_iter().map(|(kind, count)| format!("{} {kind}", number(*count))).collect();
    kinds.join(", ")
}

/// Where it stopped, and how to go on.
fn stopped(ended: &Ended, again: &str) -> Option<String> {
    let why = match ended.stop.as_ref()? {
        Stop::Asked | Stop::Cut => "as asked",
        Stop::Input(why) | Stop::Output(why) => why,
    };
    let place = ended.last;
    let at = format!(
        "{BAD}Stopped{BAD:#} after record {} (line {}, byte {}): {why}",
        number(place.number),
        number(place.line),
        number(place.end)
    );
    let on = if ended.has_state {
        "The same command goes on from there".to_owned()
    } else {
        again.replace("{record}", &place.number.to_string())
    };
    Some(format!("{at}\n{on}"))
}

/// `17, 18, 19 and 4 more`.
fn numbers(records: impl Iterator<Item = u64>) -> String {
    let records: Vec<_> = records.map(|record| record.to_string()).collect();
    match records.len() {
        0..=MOST => format!("records {}", records.join(", ")),
        more => format!("records {} and {} more", records[..MOST].join(", "), more - MOST),
    }
}

/// The summary for programs. Keys are only ever added.
pub(crate) fn json(ended: &Ended, failed: Option<&Path>) -> String {
    let tally = &ended.tally;
    let sinks: Vec<_> = tally
        .sinks
        .iter()
        .map(|sink| {
            json!({
                "sink": sink.name,
                "role": sink.role.as_str(),
                "delivered": sink.delivered,
                "failed": sink.failed,
                "ambiguous": sink.ambiguous,
                "skipped": sink.skipped,
                "failures": sink.kinds,
            })
        })
        .collect();
    let stopped = ended.stop.as_ref().map(|stop| {
        let (reason, detail) = match stop {
            Stop::Asked | Stop::Cut => ("interrupted", None),
            Stop::Input(why) => ("input", Some(why)),
            Stop::Output(why) => ("output", Some(why)),
        };
        let place = ended.last;
        json!({
            "reason": reason,
            "detail": detail,
            "record": place.number,
            "line": place.line,
            "byte": place.end,
        })
    });
    let summary = json!({
        "records": {
            "total": tally.records(),
            "delivered": tally.delivered,
            "partial": tally.partial,
            "unsatisfied": tally.unsatisfied,
            "ambiguous": tally.ambiguous,
            "bad": tally.bad,
            "left": tally.left,
            "earlier": tally.earlier,
        },
        "sinks": sinks,
        "elapsed_ms": ended.elapsed.as_millis() as u64,
        "stopped": stopped,
        "cut": ended.cut,
        "failed_file": match (failed, ended.undelivered) {
            (Some(path), Some(entries)) => json!({
                "path": path.display().to_string(),
                "records": entries,
                "unwritten": ended.unwritten.iter().map(|entry| entry.record).collect::<Vec<_>>(),
            }),
            _ => Value::Null,
        },
        "exit_code": ended.code(),
    });
    format!("{summary:#}")
}

const MOST: usize = 20;
