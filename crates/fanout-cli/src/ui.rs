//! Writing to the terminal: styles, the width, and text that is safe to show.
//!
//! Styles are always written; `anstream` takes them out where the output is no terminal, and obeys
//! `NO_COLOR` and `CLICOLOR_FORCE`.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const UNSURE: Style = AnsiColor::Yellow.on_default();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const STRONG: Style = Style::new().bold();

/// Writes a line to standard output.
///
/// A reader who went away (`| head`) is no reason to stop sending or to fail.
pub(crate) fn say(line: &str) {
    drop(writeln!(anstream::stdout(), "{line}"));
}

/// Writes a line to standard error.
pub(crate) fn tell(line: &str) {
    drop(writeln!(anstream::stderr(), "{line}"));
}

/// Returns the columns of the terminal; of `COLUMNS`, or 80, where there is none.
pub(crate) fn width() -> usize {
    let asked = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal_size::terminal_size_of(std::io::stdout())
        .map(|(columns, _)| usize::from(columns.0))
        .or_else(asked)
        .map_or(80, |columns| columns.clamp(40, 400))
}

/// Replaces what a terminal could take for a command, and characters that take no room, so that a
/// peer can neither colour our output nor hide in it.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() || is_invisible(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// As [`printable`], keeping lines and tabs.
pub(crate) fn printable_lines(text: &str) -> String {
    text.lines()
        .map(|line| line.split('\t').map(printable).collect::<Vec<_>>().join("\t"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Zero-width and direction-changing characters.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Cuts `text` to at most `room` characters; the last one is then `…`.
pub(crate) fn clip(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(room.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\nd"), "a\u{fffd}[2Jb\u{fffd}c d");
        assert_eq!(printable_lines("a\tb\r\n\u{7}c"), "a\tb\n\u{fffd}c");
    }

    #[test]
    fn a_clipped_text_says_so() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("abc", 0), "…");
    }
}
