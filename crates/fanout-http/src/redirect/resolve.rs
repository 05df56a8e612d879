//! From a reference and the URL that it is relative to, to an absolute URL (RFC 3986 section 5.2).

use http::Uri;

/// Resolves `reference` against `base`, without the fragment; `None` when it is no reference at all.
///
/// What comes out has still to be checked: it may have any scheme.
pub(crate) fn resolve(base: &Uri, reference: &str) -> Option<String> {
    // No reference has these. Browsers take a backslash for a slash, so what it means is in doubt.
    if reference.chars().any(|c| c.is_control() || c == ' ' || c == '\\') {
        return None;
    }
    let reference = Parts::of(reference)?;
    let scheme = base.scheme_str()?;
    let authority = base.authority()?.as_str();
    // RFC 3986 section 5.2.2.
    let (authority, path, query) = if let Some(scheme) = reference.scheme {
        let path = without_dots(reference.path);
        return Some(composed(scheme, reference.authority, &path, reference.query));
    } else if let Some(authority) = reference.authority {
        (authority, without_dots(reference.path), reference.query)
    } else if reference.path.is_empty() {
        (authority, base.path().to_owned(), reference.query.or(base.query()))
    } else if reference.path.starts_with('/') {
        (authority, without_dots(reference.path), reference.query)
    } else {
        // Section 5.2.3: all of the base's path but what follows its last slash.
        let directory = base.path().rfind('/').map_or("/", |end| &base.path()[..=end]);
        (authority, without_dots(&format!("{directory}{}", reference.path)), reference.query)
    };
    Some(composed(scheme, Some(authority), &path, query))
}

struct Parts<'r> {
    scheme: Option<&'r str>,
    authority: Option<&'r str>,
    path: &'r str,
    query: Option<&'r str>,
}

impl<'r> Parts<'r> {
    /// Section 4.1 and appendix B.
    fn of(reference: &'r str) -> Option<Self> {
        let rest = reference.split('#').next().unwrap_or_default();
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let first = rest.split('/').next().unwrap_or_default();
        let (scheme, rest) = match first.split_once(':') {
            // Section 4.2: a first segment with a colon can be nothing but a scheme.
            Some((scheme, _)) if !is_scheme(scheme) => return None,
            Some((scheme, _)) => (Some(scheme), &rest[scheme.len() + 1..]),
            None => (None, rest),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, rest),
        };
        Some(Self { scheme, authority, path, query })
    }
}

/// Section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// Removes `.` and `..` (section 5.2.4), for a path that is empty or begins with a slash, or that follows
/// a scheme and will be refused for that.
fn without_dots(path: &str) -> String {
    let Some(path) = path.strip_prefix('/') else { return path.to_owned() };
    let mut kept = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // The path then ends where the directory does.
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Section 5.3.
fn composed(scheme: &str, authority: Option<&str>, path: &str, query: Option<&str>) -> String {
    let authority = authority.map(|authority| format!("//{authority}")).unwrap_or_default();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}:{authority}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, reference: &str, expected: &str) {
        let resolved = resolve(&base.parse().unwrap(), reference);
        assert_eq!(resolved.as_deref(), Some(expected), "{reference:?} against {base}");
    }

    #[test]
    fn the_examples_of_rfc_3986_section_5_4_hold() {
        // Fragments are left out: they are never sent.
        for (reference, expected) in [
            // 5.4.1, normal.
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            ("g?y#s", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("g;x", "http://a/b/c/g;x"),
            ("g;x?y#s", "http://a/b/c/g;x?y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../", "http://a/"),
            ("../../g", "http://a/g"),
            // 5.4.2, abnormal.
            ("../../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("g#s/./x", "http://a/b/c/g"),
            ("g#s/../x", "http://a/b/c/g"),
            ("http:g", "http:g"),
        ] {
            check("http://a/b/c/d;p?q", reference, expected);
        }
    }

    #[test]
    fn other_bases_and_references_resolve() {
        check("https://h:8443/", "x", "https://h:8443/x");
        check("https://h", "x", "https://h/x");
        check("https://h/a", "//[::1]:9/b?c", "https://[::1]:9/b?c");
        check("https://h/a", "HTTPS://other/b/../c", "HTTPS://other/c");
        check("https://h/a", "//other", "https://other");
        check("https://h/a?b=1", "?", "https://h/a?");
        check("https://h/a//b", "..//c", "https://h/a//c");
        check("https://h/a", "/ü", "https://h/ü");
        check("https://h/a", "/b?x=http://other/", "https://h/b?x=http://other/");
        check("https://h/a", "./b:c", "https://h/b:c");
    }

    #[test]
    fn what_is_no_reference_is_none() {
        for reference in ["1:2", ":x", "\\\\other\\x", "/a\\b", "a b", "a\tb", "ü:x", "a\u{85}b"] {
            assert_eq!(resolve(&"http://a/b".parse().unwrap(), reference), None, "{reference:?}");
        }
    }
}
