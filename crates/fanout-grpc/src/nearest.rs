//! Names for people: the one that was probably meant, and lists that stay short.

/// Returns the candidate that is most like `name`, if one is like it at all.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let most = name.chars().count().div_ceil(3).min(4);
    candidates
        .filter(|candidate| candidate.len() <= LONGEST && name.len() <= LONGEST && shown(candidate))
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Joins names with commas, at most 20 of them.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.filter(|name| shown(name)).collect();
    if names.is_empty() {
        return "none".into();
    }
    let mut list = names[..names.len().min(MOST)].join(", ");
    if names.len() > MOST {
        list.push_str(&format!(" and {} more", names.len() - MOST));
    }
    list
}

/// Names may come from a server: none that could play tricks on a terminal is repeated.
fn shown(name: &str) -> bool {
    name.len() <= LONGEST && !name.chars().any(char::is_control)
}

/// Edits between two names, ASCII case apart (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<_> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

const LONGEST: usize = 200;
const MOST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let names = ["Place", "Cancel", "List"];
        assert_eq!(nearest("place", names.into_iter()), Some("Place"));
        assert_eq!(nearest("Cancle", names.into_iter()), Some("Cancel"));
        assert_eq!(nearest("Subscribe", names.into_iter()), None);
    }

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<_> = (0..25).map(|i| format!("M{i}")).collect();
        assert!(listed(names.iter().map(String::as_str)).ends_with("M19 and 5 more"));
        assert_eq!(listed(["A\u{1b}[31m"].into_iter()), "none");
    }
}
