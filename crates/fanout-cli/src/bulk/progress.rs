//! What is shown while messages are sent: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tally::{SinkTally, Tally};
use crate::ui::{clip, printable, tell};

/// How a run shows where it is.
#[derive(Debug)]
pub(crate) struct Progress {
    way: Way,
    began: Instant,
    /// How many bytes the input has, where that is known.
    bytes: Option<u64>,
}

#[derive(Debug)]
enum Way {
    Bar(ProgressBar),
    Lines { last: Instant },
    Quiet,
}

/// Numbers of one moment, as they are shown.
#[derive(Clone, Copy, Debug)]
struct Moment {
    elapsed: Duration,
    /// From 0 to 1.
    share: Option<f64>,
}

impl Progress {
    /// Begins to show, on standard error.
    pub(crate) fn new(quiet: bool, bytes: Option<u64>) -> Self {
        let began = Instant::now();
        let way = if quiet {
            Way::Quiet
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
            // No colours: the bar needs none, and so obeys `NO_COLOR`.
            let template = if bytes.is_some() { "[{bar:24}] {msg}" } else { "{spinner} {msg}" };
            let style = ProgressStyle::with_template(template).expect("the template is sound");
            bar.set_style(style.progress_chars("=> "));
            Way::Bar(bar)
        } else {
            Way::Lines { last: began }
        };
        Self { way, began, bytes }
    }

    /// Shows how far it has come: `position` bytes into the input.
    pub(crate) fn show(&mut self, tally: &Tally, position: u64) {
        let share = self.bytes.filter(|bytes| *bytes > 0);
        let share = share.map(|bytes| (position as f64 / bytes as f64).min(1.0));
        let moment = Moment { elapsed: self.began.elapsed(), share };
        match &mut self.way {
            Way::Bar(bar) => {
                bar.set_position(position);
                let sinks = tally.sinks.iter().take(MOST_SINKS);
                let mut lines = vec![moment.line(tally)];
                lines.extend(sinks.map(|sink| format!("  {}", sink_line(sink))));
                if tally.sinks.len() > MOST_SINKS {
                    lines.push(format!("  and {} more sinks", tally.sinks.len() - MOST_SINKS));
                }
                bar.set_message(lines.join("\n"));
            }
            Way::Lines { last } if last.elapsed() >= BETWEEN_LINES => {
                *last = Instant::now();
                let sinks: Vec<_> = tally.sinks.iter().map(sink_line).collect();
                tell(&format!("{}; {}", moment.line(tally), sinks.join("; ")));
            }
            Way::Lines { .. } | Way::Quiet => {}
        }
    }

    /// Says something, above the bar where there is one.
    pub(crate) fn tell(&self, text: &str) {
        match &self.way {
            Way::Bar(bar) => bar.suspend(|| tell(text)),
            Way::Lines { .. } | Way::Quiet => tell(text),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Way::Bar(bar) = &self.way {
            bar.finish_and_clear();
        }
    }
}

impl Moment {
    /// `45% 45,000 records, 8,130/s, 7s left`.
    fn line(self, tally: &Tally) -> String {
        let seconds = self.elapsed.as_secs_f64();
        let percent =
            self.share.map_or_else(String::new, |share| format!("{:>3.0}%  ", share * 100.0));
        let mut line = format!("{percent}{} records", number(tally.records()));
        if seconds >= 1.0 && tally.messages() > 0 {
            line.push_str(&format!(", {}/s", number((tally.messages() as f64 / seconds) as u64)));
        }
        if let Some(share) = self.share.filter(|share| *share > 0.0 && seconds >= 1.0) {
            let left = seconds * (1.0 - share) / share;
            line.push_str(&format!(", {} left", span(Duration::from_secs_f64(left.min(1e9)))));
        }
        line
    }
}

/// `billing 44,980 delivered, 20 failed`.
fn sink_line(sink: &SinkTally) -> String {
    let mut line =
        format!("{} {} delivered", clip(&printable(&sink.name), 32), number(sink.delivered));
    for (count, word) in [(sink.failed, "failed"), (sink.ambiguous, "ambiguous")] {
        if count > 0 {
            line.push_str(&format!(", {} {word}", number(count)));
        }
    }
    line
}

/// `1,234,567`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `7s`, `1m 23s`, `2h 5m`.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

/// More would push everything else off a small screen.
const MOST_SINKS: usize = 8;
const BETWEEN_LINES: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_for_people() {
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(value), text);
        }
        for (seconds, text) in [(7, "7s"), (83, "1m 23s"), (7_500, "2h 5m")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let tally = Tally { delivered: 45_000, earlier: 100, ..Tally::default() };
        let line =
            |elapsed, share| Moment { elapsed: Duration::from_secs(elapsed), share }.line(&tally);
        assert_eq!(line(9, Some(0.45)), " 45%  45,100 records, 5,000/s, 11s left");
        assert_eq!(line(9, None), "45,100 records, 5,000/s");
        assert_eq!(line(0, Some(0.0)), "  0%  45,100 records");
    }
}
