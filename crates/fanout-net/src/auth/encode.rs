//! How texts are written in a query and in a form.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A name or a value of a query: everything but RFC 3986's unreserved characters is encoded.
pub(super) fn query(text: &str) -> String {
    utf8_percent_encode(text, NOT_UNRESERVED).to_string()
}

/// A name or a value of `application/x-www-form-urlencoded`.
///
/// RFC 6749 appendix B, by way of HTML: a space is a plus sign, and `*` stays where `~` does not.
pub(super) fn form(text: &str) -> String {
    utf8_percent_encode(text, NOT_FORM).to_string().replace("%20", "+")
}

const NOT_UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const NOT_FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_written_as_rfc_6749_appendix_b_says() {
        assert_eq!(form(" %&+\u{a3}\u{20ac}"), "+%25%26%2B%C2%A3%E2%82%AC");
        assert_eq!(form("aZ0*-._~"), "aZ0*-._%7E");
        assert_eq!(query(" +~/"), "%20%2B~%2F");
    }
}
