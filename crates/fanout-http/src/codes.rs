//! Sets of status codes, as people write them: `503`, `500-599`, `5xx`.

use std::ops::RangeInclusive;
use std::str::FromStr;

use fanout::{Error, ErrorKind};

/// Some status codes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codes(Vec<RangeInclusive<u16>>);

impl Codes {
    /// Reads every text; a name goes into the error.
    pub(crate) fn parse(setting: &'static str, texts: &[String]) -> Result<Self, Error> {
        let one = |text: &String| {
            text.parse::<Range>().map(|range| range.0).map_err(|()| {
                let shown: String = text.chars().take(32).flat_map(char::escape_default).collect();
                Error::new(ErrorKind::Build, "these are no status codes: write 503, 500-599 or 5xx")
                    .with_context(setting, shown)
            })
        };
        texts.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn contain(&self, code: u16) -> bool {
        self.0.iter().any(|range| range.contains(&code))
    }
}

struct Range(RangeInclusive<u16>);

impl FromStr for Range {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        if let [class @ b'1'..=b'9', b'x' | b'X', b'x' | b'X'] = text.as_bytes() {
            let first = u16::from(class - b'0') * 100;
            return Ok(Self(first..=first + 99));
        }
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(text)?, number(text)?),
        };
        if first <= last { Ok(Self(first..=last)) } else { Err(()) }
    }
}

/// RFC 9110 section 15: three digits. Servers do use numbers above the last class.
fn number(text: &str) -> Result<u16, ()> {
    let text = text.trim();
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let code = if digits { text.parse().map_err(|_| ()) } else { Err(()) };
    code.and_then(|code| if code >= 100 { Ok(code) } else { Err(()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Result<Codes, Error> {
        Codes::parse("retry_on", &[text.to_owned()])
    }

    #[test]
    fn a_code_a_range_and_a_class_are_read() {
        let check = |text: &str, first: u16, last: u16| {
            let codes = codes(text).unwrap();
            for code in 0..=u16::MAX {
                assert_eq!(codes.contain(code), (first..=last).contains(&code), "{text} {code}");
            }
        };
        check("503", 503, 503);
        check(" 500 - 599 ", 500, 599);
        check("5xx", 500, 599);
        check("4XX", 400, 499);
        check("409-409", 409, 409);
        check("9xx", 900, 999);
    }

    #[test]
    fn what_is_no_code_is_refused_by_the_name_of_the_setting() {
        for text in ["", "x", "0xx", "xxx", "50", "5000", "099", "599-500", "5xx-599", "-1", "500-"]
        {
            let error = codes(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Build, "{text}");
            assert!(error.to_string().ends_with(&format!("(retry_on: {text})")), "{error}");
        }
        assert_eq!(Codes::parse("never_on", &[]).unwrap(), Codes::default());
    }
}
