//! The report for people: the verdict, a table, and what is left to do.

use std::error::Error as _;
use std::time::Duration;

use anstyle::Style;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use fanout::{Delivery, Effect, Error, Outcome, Report, Role, SkipReason};

use crate::ui::{BAD, DIM, GOOD, STRONG, UNSURE, printable};

/// Writes `report` for a terminal of `width` columns, without a line break at the end.
pub(crate) fn render(report: &Report, width: usize) -> String {
    format!("{STRONG}{}{STRONG:#}: {}", report.policy(), render_unnamed(report, width))
}

/// Writes `report` as [`render`] does, without the name of the policy.
pub(crate) fn render_unnamed(report: &Report, width: usize) -> String {
    let mut text = verdict(report);
    text.push('\n');
    text.push_str(&table(report.deliveries(), width));
    for hint in hints(report.deliveries()) {
        text.push('\n');
        text.push_str(&hint);
    }
    if let Some(rest) = left_to_do(report) {
        text.push('\n');
        text.push_str(&rest);
    }
    text
}

/// `satisfied; completeness full, 12.3 ms`.
fn verdict(report: &Report) -> String {
    let style = if report.is_satisfied() { GOOD } else { BAD };
    let (verdict, completeness) = (report.verdict(), report.completeness());
    let time = time(report.elapsed());
    format!("{style}{verdict}{style:#}; completeness {completeness}, {time}")
}

fn table(deliveries: &[Delivery], width: usize) -> String {
    // One attempt each is what everybody expects; a column that says so is noise.
    let retried =
        deliveries.iter().any(|delivery| delivery.attempts() > 1 || !delivery.delay().is_zero());
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width - INDENT.len()).unwrap_or(u16::MAX));
    let mut head = vec!["sink", "outcome", "effect", "time", "detail"];
    if retried {
        head.splice(3..3, ["attempts", "pauses"]);
    }
    let columns = head.len();
    table.set_header(head.into_iter().map(|word| Mark::Dim.around(word)));
    for delivery in deliveries {
        table.add_row(row(delivery, retried));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let fixed = |width| ColumnConstraint::Absolute(Width::Fixed(width));
        column.set_padding((0, 2));
        if index == 0 {
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Percentage(40)));
        } else if index == columns - 1 {
            column.set_padding((0, 0));
        } else if index == columns - 2 || (retried && index == columns - 3) {
            column.set_cell_alignment(CellAlignment::Right);
            column.set_constraint(fixed(TIME_WIDTH + 2));
        } else {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let lines: Vec<_> =
        table.lines().map(|line| format!("{INDENT}{}", paint(line.trim_end()))).collect();
    lines.join("\n")
}

/// Rows under a head, in columns, within `width`. The last column takes what room is left, and wraps.
pub(crate) fn grid(head: &[&str], rows: Vec<Vec<String>>, width: usize) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width - INDENT.len()).unwrap_or(u16::MAX));
    table.set_header(head.iter().map(|word| Mark::Dim.around(word)));
    table.add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index == head.len() - 1 {
            column.set_padding((0, 0));
        } else if index == 0 {
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Percentage(40)));
        } else {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let lines: Vec<_> =
        table.lines().map(|line| format!("{INDENT}{}", paint(line.trim_end()))).collect();
    lines.join("\n")
}

fn row(delivery: &Delivery, retried: bool) -> Vec<String> {
    let mut sink = printable(delivery.sink());
    if delivery.role() == Role::Mirror {
        sink.push_str(" (mirror)");
    }
    let style = match delivery.outcome() {
        Outcome::Delivered(_) => Mark::Good,
        Outcome::Failed(_) => Mark::Bad,
        _ => Mark::Dim,
    };
    let unsure = delivery.effect() != Effect::None && !delivery.is_delivered();
    let effect = if unsure { Mark::Unsure } else { Mark::Plain };
    let mut row = vec![
        sink,
        style.around(delivery.outcome().as_str()),
        effect.around(delivery.effect().as_str()),
        delivery.started().map_or_else(String::new, |_| time(delivery.elapsed())),
        printable(&detail(delivery)),
    ];
    if retried {
        let pauses = delivery.delay();
        let pauses = if pauses.is_zero() { String::new() } else { time(pauses) };
        row.splice(3..3, [delivery.attempts().to_string(), pauses]);
    }
    row
}

/// What there is to say about the outcome, in words.
fn detail(delivery: &Delivery) -> String {
    match delivery.outcome() {
        Outcome::Cancelled => "called off, because it was decided without it".to_owned(),
        Outcome::Skipped(reason) => match reason {
            SkipReason::NotNeeded => "not needed",
            SkipReason::PreviousFailed => "not started, because one before it failed",
            SkipReason::Ambiguous => "not started, because one before it may have the message",
            SkipReason::Deadline => "not started, because the deadline came first",
            other => other.as_str(),
        }
        .to_owned(),
        Outcome::Failed(error) => {
            let mut parts = vec![why(error)];
            parts.extend(error.excerpt().map(|excerpt| format!("it said: {excerpt}")));
            let told = end_in_words(error);
            let notices = error.notices().filter(|notice| told.as_deref() != Some(*notice));
            parts.extend(notices.map(str::to_owned));
            parts.join("; ")
        }
        _ => delivery.detail(),
    }
}

/// The warning of the API's end, if the message of the error tells of that end already.
fn end_in_words(error: &Error) -> Option<String> {
    let api = error.api()?;
    let day = api.sunset_day()?;
    error.message().contains(&day).then(|| api.to_string())
}

/// The error and its causes, without the address: whoever reads this has just written it, and a table
/// has little room. The JSON has it all.
fn why(error: &Error) -> String {
    let mut line = without_address(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.downcast_ref().map_or_else(|| error.to_string(), without_address);
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

fn without_address(error: &Error) -> String {
    let context: Vec<_> = error
        .context()
        // The hint stands below the table.
        .filter(|(key, _)| !matches!(*key, "endpoint" | "method" | HINT))
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    match context.as_slice() {
        [] => error.message().to_owned(),
        context => format!("{} ({})", error.message(), context.join(", ")),
    }
}

/// What to do about a failure where a sink was careful, each once, with the sinks that it is for.
fn hints(deliveries: &[Delivery]) -> Vec<String> {
    let mut hints: Vec<(&str, Vec<String>)> = Vec::new();
    for delivery in deliveries {
        let context = delivery.error().into_iter().flat_map(Error::context);
        for (_, hint) in context.filter(|(key, _)| *key == HINT) {
            let name = printable(delivery.sink());
            match hints.iter_mut().find(|(known, _)| *known == hint) {
                Some((_, names)) => names.push(name),
                None => hints.push((hint, vec![name])),
            }
        }
    }
    hints
        .into_iter()
        .map(|(hint, names)| format!("{STRONG}{}{STRONG:#}: {}", names.join(", "), printable(hint)))
        .collect()
}

/// Names the sinks that do not have the message, those that may have it apart.
fn left_to_do(report: &Report) -> Option<String> {
    if report.is_satisfied() && report.policy() != "all_settled" {
        return None;
    }
    let resend = report.resend();
    let names = |deliveries: &[&Delivery]| {
        let names: Vec<_> = deliveries.iter().map(|delivery| printable(delivery.sink())).collect();
        names.join(", ")
    };
    let mut lines = Vec::new();
    if !resend.unsent.is_empty() {
        let names = names(&resend.unsent);
        lines.push(format!("Did not get it: {names} (sending it again is safe)"));
    }
    if !resend.ambiguous.is_empty() {
        let names = names(&resend.ambiguous);
        let text = format!("May have got it: {names} (look before you send it again)");
        lines.push(format!("{UNSURE}{text}{UNSURE:#}"));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// `12.3 ms`, `1.2 s`: at most eight columns.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

/// A style that takes no room while the table is laid out: `comfy-table` measures and wraps cells, and
/// would count the letters of an escape sequence. So a cell holds marks of zero width, which become
/// styles when the lines are done. No other text has them: `printable` takes them out.
#[derive(Clone, Copy)]
pub(crate) enum Mark {
    Plain,
    Good,
    Bad,
    Unsure,
    Dim,
}

impl Mark {
    pub(crate) fn around(self, word: &str) -> String {
        match self.sign() {
            Some((sign, _)) => format!("{sign}{word}{END}"),
            None => word.to_owned(),
        }
    }

    fn sign(self) -> Option<(char, Style)> {
        match self {
            Self::Plain => None,
            Self::Good => Some(('\u{2061}', GOOD)),
            Self::Bad => Some(('\u{2062}', BAD)),
            Self::Unsure => Some(('\u{2063}', UNSURE)),
            Self::Dim => Some(('\u{2064}', DIM)),
        }
    }
}

/// Replaces the marks in a finished line by styles.
fn paint(line: &str) -> String {
    let marks = [Mark::Good, Mark::Bad, Mark::Unsure, Mark::Dim];
    let styled =
        marks.into_iter().filter_map(Mark::sign).fold(line.to_owned(), |line, (sign, style)| {
            line.replace(sign, &style.render().to_string())
        });
    styled.replace(END, &anstyle::Reset.render().to_string())
}

/// The context of an error that says what to do about it.
const HINT: &str = "hint";

const END: char = '\u{2060}';
const INDENT: &str = "  ";
const TIME_WIDTH: u16 = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fanout::policy::all;
    use fanout::{ErrorKind, FanOut, Message, Receipt, Status, sink_fn};

    use super::*;

    async fn report(detail: &'static str) -> Report {
        let good = sink_fn(|_, _| async { Ok(Receipt::new().with_status(Status::new(200, "OK"))) });
        let bad = sink_fn(move |_, _| async move { Err(Error::new(ErrorKind::Upstream, detail)) });
        let fan_out = FanOut::builder(all()).sink("billing", good).sink("audit", bad);
        fan_out.build().unwrap().send(Message::text("x")).await
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[tokio::test]
    async fn long_details_wrap_within_the_width_and_colours_take_no_room() {
        let long = "the upstream said something very long indeed, over and over and over again, \
                    and then https://api.example.com/a/very/long/path/that/has/no/space/in/it/at/all";
        let report = report(long).await;
        for width in [64, 80, 160] {
            let text = plain(&render(&report, width));
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}:\n{text}");
            }
            let starts: Vec<_> = ["delivered", "failed"]
                .iter()
                .filter_map(|word| text.lines().skip(1).find_map(|line| line.find(word)))
                .collect();
            assert_eq!(starts[0], starts[1], "the columns are aligned:\n{text}");
        }
    }

    #[tokio::test]
    async fn what_may_have_been_applied_is_told_apart() {
        let text = plain(&render(&report("it broke").await, 80));
        assert!(text.contains("May have got it: audit (look before"), "{text}");
        assert!(!text.contains("Did not get it"), "{text}");
    }

    #[tokio::test]
    async fn no_mark_and_no_foreign_control_character_is_left() {
        let text = render(&report("evil \u{1b}[31m \u{2061}text").await, 80);
        assert!(text.chars().all(|c| !('\u{2060}'..='\u{2064}').contains(&c)), "{text:?}");
        assert!(text.contains("evil \u{fffd}[31m \u{fffd}text"), "{text:?}");
    }

    #[test]
    fn an_error_is_told_with_its_causes_and_without_the_address() {
        let error = Error::new(ErrorKind::Connect, "no connection")
            .with_context("endpoint", "10.0.0.1:80")
            .with_context("proxy", "p:3128")
            .with_source(std::io::Error::other("the cable is cut"));
        assert_eq!(why(&error), "no connection (proxy: p:3128): the cable is cut");
        let outer = Error::new(ErrorKind::Timeout, "too late").with_source(error);
        assert_eq!(why(&outer), "too late: no connection (proxy: p:3128): the cable is cut");
    }

    #[test]
    fn times_are_at_most_eight_columns() {
        for (millis, expected) in
            [(0, "0.0 ms"), (12, "12.0 ms"), (1_250, "1.2 s"), (35_000, "35.0 s")]
        {
            assert_eq!(time(Duration::from_millis(millis)), expected);
        }
    }
}
