//! The field `Link`: pure.
//!
//! Own code, because it is no structured field that `sfv` could read, and the libraries for it are
//! either old or give up at the first junk.

/// A link of the answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link<'a> {
    /// As written, relative or not.
    pub(super) target: &'a str,
    relations: Option<String>,
    /// Whether it says something of another resource than the one that was asked.
    is_foreign: bool,
}

impl Link<'_> {
    /// Whether the answer's own resource has this relation to the target.
    pub(super) fn is(&self, relation: &str) -> bool {
        let mut relations = self.relations.iter().flat_map(|text| text.split_ascii_whitespace());
        !self.is_foreign && relations.any(|known| known.eq_ignore_ascii_case(relation))
    }
}

/// Reads the links of one line. Junk costs the link in which it stands, and no other.
///
/// # Standards
///
/// RFC 8288 section 3 and appendix B.2; of several `rel` in a link the first counts (section 3.3).
pub(super) fn parse(line: &str) -> Vec<Link<'_>> {
    let mut rest = line;
    let mut links = Vec::new();
    while !rest.is_empty() {
        let (link, after) = one(rest);
        links.extend(link);
        rest = after;
    }
    links
}

/// One link, and what stands behind the comma that ends it.
fn one(text: &str) -> (Option<Link<'_>>, &str) {
    let text = text.trim_start_matches(BLANK);
    let Some((target, mut rest)) = text.strip_prefix('<').and_then(|rest| rest.split_once('>'))
    else {
        return (None, behind_comma(text));
    };
    let mut link = Link { target: target.trim(), relations: None, is_foreign: false };
    loop {
        rest = rest.trim_start_matches(BLANK);
        let Some(after) = rest.strip_prefix(';') else { break };
        let after = after.trim_start_matches(BLANK);
        let end = after.find(['=', ';', ',']).unwrap_or(after.len());
        let name = after[..end].trim_end_matches(BLANK);
        let value;
        (value, rest) = match after[end..].strip_prefix('=') {
            Some(after) => parameter_value(after.trim_start_matches(BLANK)),
            None => (String::new(), &after[end..]),
        };
        if name.eq_ignore_ascii_case("rel") {
            link.relations.get_or_insert(value);
        } else if name.eq_ignore_ascii_case("anchor") {
            link.is_foreign = true;
        }
    }
    // What is not a parameter makes the link doubtful.
    let whole = rest.is_empty() || rest.starts_with(',');
    (whole.then_some(link), behind_comma(rest))
}

/// A token or a quoted string, and what stands behind it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        return (text[..end].trim_end_matches(BLANK).to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    // Nobody knows where a string without an end was meant to end.
    (String::new(), "")
}

/// What stands behind the next comma that is neither in a string nor in an address.
fn behind_comma(text: &str) -> &str {
    let (mut is_quoted, mut is_address) = (false, false);
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if is_quoted => drop(letters.next()),
            '"' if !is_address => is_quoted = !is_quoted,
            '<' if !is_quoted => is_address = true,
            '>' if !is_quoted => is_address = false,
            ',' if !is_quoted && !is_address => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// Optional white space of RFC 9110 section 5.6.3.
const BLANK: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Targets with their relations; a foreign link is marked.
    fn check(line: &str, expected: &[(&str, &str)]) {
        let links = parse(line);
        let found: Vec<_> = links
            .iter()
            .map(|link| (link.target, link.relations.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(found, expected, "{line:?}");
    }

    #[test]
    fn links_are_read_with_all_that_the_standard_allows() {
        check("<a>; rel=next", &[("a", "next")]);
        check("<a>;rel=\"next prev\"", &[("a", "next prev")]);
        check("<a> ; REL = next ; title=x", &[("a", "next")]);
        check("<a>; rel=a, <b>; rel=b", &[("a", "a"), ("b", "b")]);
        check("<a>; title=\"x, <y>; rel=no\"; rel=yes", &[("a", "yes")]);
        check(r#"<a>; title="q\"; rel=no"; rel=yes"#, &[("a", "yes")]);
        check("<a,b;c>; rel=x,<d>;rel=y", &[("a,b;c", "x"), ("d", "y")]);
        check("<a>; rel=first; rel=second", &[("a", "first")]);
        check("<a>; crossorigin; rel=x", &[("a", "x")]);
        check("<a>", &[("a", "-")]);
        check("<>; rel=x", &[("", "x")]);
        check(" , ,<a>; rel=x,, ", &[("a", "x")]);
        check("<a>; rel=\"\"", &[("a", "")]);
        check("<a>; title*=UTF-8'de'n%c3%a4chstes; rel=x", &[("a", "x")]);
        check("", &[]);
    }

    #[test]
    fn junk_costs_the_link_in_which_it_stands_and_no_other() {
        check("junk, <a>; rel=x", &[("a", "x")]);
        check("<a>; rel=x junk <c>, <b>; rel=y", &[("a", "x junk <c>"), ("b", "y")]);
        check("<a> junk; rel=x, <b>; rel=y", &[("b", "y")]);
        check("<a; rel=x, b", &[]);
        check("\"<a>; rel=x, \", <b>; rel=y", &[("b", "y")]);
        check("<a>; rel=\"x, <b>; rel=y", &[("a", "")]);
        check("<a>; rel=\"x\" y, <b>; rel=z", &[("b", "z")]);
        check("<a>; rel=\"x\\", &[("a", "")]);
        check("<a>;=;rel=x;;;", &[("a", "x")]);
        check("<<a>>; rel=x, <b>; rel=y", &[("b", "y")]);
    }

    #[test]
    fn relations_ignore_case_and_belong_to_the_answer_alone() {
        let links = parse("<a>; rel=\"Next  SUCCESSOR-Version\", <b>; rel=next; anchor=\"/other\"");
        assert!(links[0].is("successor-version") && links[0].is("next") && !links[0].is("version"));
        assert!(!links[1].is("next"), "it is about another resource");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_run_for_ever(line in "([<>;,=\"\\\\ \t]|rel|.)*") {
            prop_assert!(parse(&line).len() <= line.len());
        }
    }
}
