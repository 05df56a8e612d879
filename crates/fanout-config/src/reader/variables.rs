//! `${VAR}` and `${VAR:-default}` within a text: pure, from a text to a text.

use std::env::VarError;

/// Where the values of variables come from: the environment, or what stands in for it.
pub(crate) type Environment<'e> = &'e dyn Fn(&str) -> Result<String, VarError>;

/// Why a text has no value. None of it says what a variable holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault<'t> {
    /// It is not written as it should be.
    Malformed(&'static str),
    /// The variable is not set.
    Missing(&'t str),
    /// The variable is no text.
    NotText(&'t str),
}

/// Puts the values in. `None`: there is nothing to put in, so the text is what it says.
///
/// `${VAR:-default}` takes the default when the variable is not set or empty, as a shell does. `$${` is
/// a literal `${`; any other `$` is just that.
pub(crate) fn expand<'t>(
    text: &'t str,
    environment: Environment<'_>,
) -> Result<Option<String>, Fault<'t>> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        expanded.push_str(before);
        rest = if let Some(after) = after.strip_prefix("$${") {
            expanded.push_str("${");
            after
        } else if let Some(after) = after.strip_prefix("${") {
            let end = after.find('}').ok_or(Fault::Malformed("a ${ has no } behind it"))?;
            expanded.push_str(&value(&after[..end], environment)?);
            &after[end + 1..]
        } else {
            expanded.push('$');
            &after[1..]
        };
    }
    expanded.push_str(rest);
    Ok(Some(expanded))
}

/// The value of what stands between the braces.
fn value<'t>(inside: &'t str, environment: Environment<'_>) -> Result<String, Fault<'t>> {
    let end = inside.find(|c| !is_of_a_name(c)).unwrap_or(inside.len());
    let (name, rest) = inside.split_at(end);
    if !is_name(name) {
        return Err(Fault::Malformed("a ${ is not followed by the name of a variable"));
    }
    let default = match rest.strip_prefix(":-") {
        Some(default) if default.contains("${") => {
            return Err(Fault::Malformed("a default cannot hold another variable"));
        }
        Some(default) => Some(default),
        None if rest.is_empty() => None,
        None => return Err(Fault::Malformed("a variable is followed by something strange")),
    };
    match (environment(name), default) {
        (Ok(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Ok(value), _) => Ok(value),
        (Err(VarError::NotPresent), Some(default)) => Ok(default.to_owned()),
        (Err(VarError::NotPresent), None) => Err(Fault::Missing(name)),
        (Err(VarError::NotUnicode(_)), _) => Err(Fault::NotText(name)),
    }
}

/// Whether a shell would take it for the name of a variable.
pub(crate) fn is_name(name: &str) -> bool {
    name.chars().all(is_of_a_name)
        && !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Result<String, VarError> {
        match name {
            "HOST" => Ok("api.example.com".to_owned()),
            "SNEAKY" => Ok("${HOST}".to_owned()),
            "EMPTY" => Ok(String::new()),
            "BYTES" => Err(VarError::NotUnicode("x".into())),
            _ => Err(VarError::NotPresent),
        }
    }

    #[test]
    fn variables_become_what_they_hold() {
        for (text, expected) in [
            ("", None),
            ("plain, 5 $ and $HOST", None),
            ("${HOST}", Some("api.example.com")),
            ("https://${HOST}/${HOST}?", Some("https://api.example.com/api.example.com?")),
            ("${HOST:-other}", Some("api.example.com")),
            ("${NO:-other}", Some("other")),
            ("${NO:-}", Some("")),
            ("${NO:-a:-b $ c}", Some("a:-b $ c")),
            ("${EMPTY}", Some("")),
            ("${EMPTY:-other}", Some("other")),
            ("$${HOST}", Some("${HOST}")),
            ("$$${HOST}", Some("$${HOST}")),
            ("$ ${HOST} $", Some("$ api.example.com $")),
            ("ü${HOST}ü", Some("üapi.example.comü")),
            // A value is a value, whatever it looks like.
            ("${SNEAKY}", Some("${HOST}")),
        ] {
            assert_eq!(expand(text, &environment), Ok(expected.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn what_has_no_value_is_told_apart() {
        for text in [
            "${",
            "${}",
            "${HOST",
            "${ HOST}",
            "${HOST }",
            "${1HOST}",
            "${HOST-x}",
            "${HOST:x}",
            "${HOST:=x}",
            "${HÖST}",
            "${-x}",
            "${:-x}",
            "${HOST}${",
            "${A:-${HOST}}",
            "$${a} ${",
        ] {
            let fault = expand(text, &environment).unwrap_err();
            assert!(matches!(fault, Fault::Malformed(_)), "{text}: {fault:?}");
        }
        assert_eq!(expand("a${HOST}${NO}", &environment), Err(Fault::Missing("NO")));
        assert_eq!(expand("${BYTES:-x}", &environment), Err(Fault::NotText("BYTES")));
    }

    #[test]
    fn nothing_makes_it_panic() {
        let signs = ['$', '{', '}', ':', '-', 'A', 'ü'];
        for number in 0..signs.len().pow(6) {
            let sign = |place: u32| signs[number / signs.len().pow(place) % signs.len()];
            let text: String = (0..6).map(sign).collect();
            if let Ok(Some(expanded)) = expand(&text, &environment) {
                assert!(text.contains("${"), "{text}: {expanded}");
            }
        }
    }
}
