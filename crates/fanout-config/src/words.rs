//! Names for people: the one that was probably meant, lists, and text that is safe to show.

use std::collections::BTreeSet;
use std::time::Duration;

/// Returns the candidate that is most like `name`, if one is like it at all.
pub(crate) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // The work grows with the product of both lengths.
    let name: String = name.chars().take(LONGEST).collect::<String>().to_lowercase();
    let most = name.chars().count().div_ceil(3).min(4);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::osa_distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean X? WHAT A, B and C`, without the question when nothing is near.
pub(crate) fn suggest<'c>(
    name: &str,
    what: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> String {
    let candidates: Vec<_> = candidates.into_iter().collect();
    let list = listed(candidates.iter().copied());
    match nearest(name, candidates) {
        Some(near) => format!("did you mean {}? {what} {list}", shown(near)),
        None => format!("{what} {list}"),
    }
}

/// `a, b and c`, each once, at most 40 of them.
pub(crate) fn listed<'c>(names: impl IntoIterator<Item = &'c str>) -> String {
    let mut seen = BTreeSet::new();
    let names = names.into_iter().filter(|name| seen.insert(*name));
    let mut names: Vec<_> = names.map(shown).collect();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    match names.split_last() {
        None => "none".to_owned(),
        _ if more > 0 => format!("{} and {more} more", names.join(", ")),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// The text cut to a line's length, without what a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().flat_map(char::escape_debug).take(LONGEST).collect();
    // Quotes are no danger, and are easier to read as they are.
    shown = shown.replace("\\'", "'").replace("\\\"", "\"");
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    shown
}

/// A key as TOML writes it: bare if it can be.
pub(crate) fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        shown(name)
    } else {
        format!("\"{}\"", shown(name))
    }
}

/// `10s`, `1m 30s`, `6m`: as the file writes it.
pub(crate) fn time(duration: Duration) -> String {
    let printer =
        jiff::fmt::friendly::SpanPrinter::new().spacing(jiff::fmt::friendly::Spacing::BetweenUnits);
    printer.unsigned_duration_to_string(&duration)
}

const LONGEST: usize = 80;
const MOST: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let names = ["timeout", "method", "headers"];
        assert_eq!(nearest("timout", names), Some("timeout"));
        assert_eq!(nearest("Method", names), Some("method"));
        assert_eq!(nearest("haeders", names), Some("headers"));
        assert_eq!(nearest("colour", names), None);
    }

    #[test]
    fn lists_are_read_aloud() {
        assert_eq!(listed([]), "none");
        assert_eq!(listed(["a"]), "a");
        assert_eq!(listed(["a", "b", "c"]), "a, b and c");
        let many: Vec<_> = (0..50).map(|number| format!("{number}x")).collect();
        assert!(listed(many.iter().map(String::as_str)).ends_with("x and 10 more"));
        assert_eq!(listed(["a", "b", "a"]), "a and b");
    }

    #[test]
    fn no_name_commands_the_terminal() {
        assert_eq!(shown("a\u{1b}[31m\n'\""), "a\\u{1b}[31m\\n'\"");
        assert!(shown(&"x".repeat(1000)).len() < 100);
        assert_eq!(key("billing-2"), "billing-2");
        assert_eq!(key("a b"), "\"a b\"");
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for (millis, text) in
            [(500, "500ms"), (10_000, "10s"), (90_000, "1m 30s"), (1500, "1s 500ms")]
        {
            assert_eq!(time(Duration::from_millis(millis)), text);
        }
    }
}
