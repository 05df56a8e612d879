//! Writing to the terminal: styles, the width, and text that is safe to show.
//!
//! Styles are always written; `anstream` takes them out where the output is no terminal, and obeys
//! `--color`, `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE`.

use std::ffi::OsString;
use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use clap::{ColorChoice, ValueEnum as _};

use crate::exit::Failure;

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

/// Writes what is for other programs to standard output: as it is, or not at all.
pub(crate) fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says for the whole process whether there are colours.
pub(crate) fn colour(choice: ColorChoice) {
    let choice = match choice {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

/// Finds `--color` among arguments that are not parsed yet. What is wrong with it is told by the parser.
pub(crate) fn asked_colour(arguments: impl IntoIterator<Item = OsString>) -> ColorChoice {
    let mut arguments = arguments.into_iter().skip(1).map(|word| word.into_string());
    let mut choice = ColorChoice::Auto;
    while let Some(Ok(word)) = arguments.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => arguments.next().and_then(Result::ok),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None if word == "--" => break,
            None => continue,
        };
        if let Some(asked) = value.and_then(|value| ColorChoice::from_str(&value, false).ok()) {
            choice = asked;
        }
    }
    choice
}

/// Returns the columns of the terminal; of `COLUMNS`, or 80, where there is none.
pub(crate) fn width() -> usize {
    let asked = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal_size::terminal_size_of(io::stdout())
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
    fn the_colour_is_known_before_the_arguments_are() {
        let asked = |words: &str| {
            asked_colour(format!("fanout {words}").split_whitespace().map(OsString::from))
        };
        assert_eq!(asked("--help"), ColorChoice::Auto);
        assert_eq!(asked("--color=never --help"), ColorChoice::Never);
        assert_eq!(asked("send --color always --nonsense"), ColorChoice::Always);
        assert_eq!(asked("send --color never --color=always"), ColorChoice::Always);
        assert_eq!(asked("send --colors=never --color=blue --color"), ColorChoice::Auto);
        assert_eq!(asked("send -- --color=never"), ColorChoice::Auto);
    }

    #[test]
    fn a_clipped_text_says_so() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("abc", 0), "…");
    }
}
