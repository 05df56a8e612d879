//! Taking our own credentials out of what the other side says.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use fanout::Error;
use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

use super::encode::{form, query};

/// Takes credentials out of texts, in every form in which an answer may repeat them: as they are,
/// percent-encoded, in base64, escaped for JSON or HTML.
///
/// A text that was cut is no way round: eight characters from the beginning of a credential are taken
/// out too. Credentials shorter than four characters are none, and stay.
///
/// Its memory is wiped; `Debug` shows nothing of it.
#[derive(Clone, Default)]
pub struct Scrub {
    forms: Vec<Zeroizing<String>>,
}

impl Scrub {
    /// Adds a credential to take out.
    pub fn add(&mut self, secret: &str) {
        let html = secret
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;");
        let json = serde_json::Value::from(secret).to_string();
        let json = Zeroizing::new(json);
        let json = &json[1..json.len() - 1];
        // As Go writes it, and as Python does.
        let go = json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
        let ascii = ascii_json(json);
        let all = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        let forms = [
            secret.to_owned(),
            query(secret),
            form(secret),
            all.to_ascii_lowercase(),
            all,
            STANDARD.encode(secret),
            STANDARD_NO_PAD.encode(secret),
            URL_SAFE.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
            json.to_owned(),
            // As PHP writes it.
            json.replace('/', "\\/"),
            go,
            ascii,
            html.replace('\'', "&#39;"),
            html,
        ];
        for form in forms.map(Zeroizing::new) {
            if form.len() >= SHORTEST && !self.forms.contains(&form) {
                self.forms.push(form);
            }
        }
        // The longest first, so that what one form leaves over is no end of another.
        self.forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// Adds the value of a header, and what comes after its scheme: `Bearer s3cret`.
    pub fn add_header(&mut self, value: &HeaderValue) {
        let Ok(value) = std::str::from_utf8(value.as_bytes()) else { return };
        self.add(value);
        if let Some((_, rest)) = value.split_once(' ') {
            self.add(rest);
        }
        // A cookie, or a parameter.
        for part in value.split([';', ',', ' ']) {
            if let Some((_, part)) = part.split_once('=').filter(|(_, part)| part.len() >= TELLING)
            {
                self.add(part);
            }
        }
    }

    /// Adds the value of a `Basic` header: as it is, and what it says.
    pub(crate) fn add_basic(&mut self, value: &HeaderValue) {
        self.add_header(value);
        let encoded = value.to_str().ok().and_then(|value| value.split_once(' '));
        let Some(Ok(pair)) = encoded.map(|(_, encoded)| STANDARD.decode(encoded)) else { return };
        let pair = Zeroizing::new(pair);
        let Ok(pair) = str::from_utf8(&pair) else { return };
        self.add(pair);
        if let Some((_, password)) = pair.split_once(':') {
            self.add(password);
        }
    }

    /// Adds what may be secret in a URL: the values of its query, and segments of the path that are as long
    /// as those of webhooks, or mix letters and digits as their short ones do. Names, versions and short words
    /// are no secrets, and stay readable.
    pub(super) fn add_url(&mut self, uri: &Uri) {
        let pairs = uri.query().unwrap_or_default().split('&');
        let values = pairs.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        let segments = uri.path().split('/').filter(|segment| is_telling(segment));
        for text in values.filter(|value| value.len() >= TELLING).chain(segments) {
            self.add(text);
            self.add(&percent_decode_str(text).decode_utf8_lossy());
        }
    }

    /// Returns `text` with `***` in place of every credential; `None` when there is none in it.
    pub fn text(&self, text: &str) -> Option<String> {
        let mut out = None;
        let mut rest = text;
        let mut kept = 0;
        while let Some(first) = rest.chars().next() {
            let found = self.forms.iter().map(|form| found(rest, form)).max().unwrap_or(0);
            if found > 0 {
                let out = out.get_or_insert_with(String::new);
                out.push_str(&text[kept..text.len() - rest.len()]);
                out.push_str("***");
                rest = &rest[found..];
                kept = text.len() - rest.len();
            } else {
                rest = &rest[first.len_utf8()..];
            }
        }
        let mut out = out?;
        out.push_str(&text[kept..]);
        Some(out)
    }

    /// Takes every credential out of the texts of an error and its causes.
    #[must_use]
    pub fn error(&self, error: Error) -> Error {
        if self.forms.is_empty() { error } else { error.rewrite(|text| self.text(text)) }
    }
}

impl std::fmt::Debug for Scrub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scrub(***)")
    }
}

/// Writes what is not ASCII in a text of JSON as its escapes (RFC 8259 section 7).
fn ascii_json(json: &str) -> String {
    let mut out = String::new();
    for unit in json.encode_utf16() {
        match u8::try_from(unit).ok().filter(u8::is_ascii) {
            Some(byte) => out.push(byte.into()),
            None => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out
}

/// How many bytes at the beginning of `text` are a credential, or enough of the beginning of one.
fn found(text: &str, form: &str) -> usize {
    let mut same = text.bytes().zip(form.bytes()).take_while(|(a, b)| a == b).count();
    while !text.is_char_boundary(same) {
        same -= 1;
    }
    if same >= form.len().min(TELLING) { same } else { 0 }
}

/// Whether a header of this name is a credential, whatever its value.
///
/// Such headers are never to be kept in a compression table of HTTP/2 (RFC 7541 section 7.1.3), nor shown.
pub fn is_credential_header(name: &HeaderName) -> bool {
    KNOWN.contains(&name.as_str())
}

/// Whether a segment of a path may be a secret.
fn is_telling(segment: &str) -> bool {
    let has = |is: fn(&u8) -> bool| segment.bytes().any(|byte| is(&byte));
    let is_mixed = segment.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic);
    let is_version = segment.len() <= LONGEST_VERSION
        && segment.starts_with(['v', 'V'])
        && segment.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    segment.len() >= LONG_SEGMENT || (segment.len() >= SHORT_SEGMENT && is_mixed && !is_version)
}

/// Whether a header may be a credential: it has a name that only credentials have, or is long enough and
/// has no name that is known to be harmless.
pub(super) fn may_be_secret(name: &HeaderName, value: &HeaderValue) -> bool {
    let name_says_no = HARMLESS.contains(&name.as_str())
        || ["accept", "content-", "grpc-"].iter().any(|start| name.as_str().starts_with(start));
    is_credential_header(name) || (value.len() >= TELLING && !name_says_no)
}

const HARMLESS: &[&str] =
    &["host", "idempotency-key", "te", "user-agent", "webhook-id", "webhook-timestamp"];

const KNOWN: &[&str] = &[
    "api-key",
    "apikey",
    "authorization",
    "cookie",
    "ocp-apim-subscription-key",
    "private-token",
    "proxy-authorization",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-apikey",
    "x-auth-token",
    "x-csrf-token",
    "x-goog-api-key",
    "x-vault-token",
];

/// As long as what makes the path of a webhook a secret; longer than what a path is made of otherwise.
const LONG_SEGMENT: usize = 16;
/// The shortest of which a service is known to make such a path.
const SHORT_SEGMENT: usize = 6;
/// `v1beta12`.
const LONGEST_VERSION: usize = 8;
/// What is shorter is no secret, and would be found everywhere.
const SHORTEST: usize = 4;
/// So many characters from the beginning of a credential tell something of it.
const TELLING: usize = 8;

#[cfg(test)]
mod tests {
    use fanout::ErrorKind;

    use super::*;

    fn of(secrets: &[&str]) -> Scrub {
        let mut scrub = Scrub::default();
        for secret in secrets {
            scrub.add(secret);
        }
        scrub
    }

    #[test]
    fn a_credential_is_taken_out_in_every_form() {
        let secret = "s3cret/+ \"<&'é=";
        let scrub = of(&[secret]);
        let json = serde_json::to_string(secret).unwrap();
        for form in [
            secret,
            "s3cret%2F%2B%20%22%3C%26%27%C3%A9%3D",
            "s3cret%2f%2b%20%22%3c%26%27%c3%a9%3d",
            "s3cret%2F%2B+%22%3C%26%27%C3%A9%3D",
            &STANDARD.encode(secret),
            &URL_SAFE_NO_PAD.encode(secret),
            json.trim_matches('"'),
            "s3cret\\/+ \\\"<&'é=",
            "s3cret/+ \\\"\\u003c\\u0026'é=",
            "s3cret/+ \\\"<&'\\u00e9=",
            "s3cret/+ &quot;&lt;&amp;&#39;é=",
        ] {
            let text = format!("no: {form}; {form}.");
            assert_eq!(scrub.text(&text).as_deref(), Some("no: ***; ***."), "{form}");
        }
    }

    #[test]
    fn what_may_be_secret_in_a_url_is_taken_out() {
        let mut scrub = Scrub::default();
        let uri = "http://h/v1/orders/0123456789abcdef?dry=yes&key=s3cr%20et-key&s3cr3tc4n";
        scrub.add_url(&Uri::from_static(uri));
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(scrub.text(text).as_deref(), expected);
        };
        check("Cannot POST /v1/orders/0123456789abcdef", Some("Cannot POST /v1/orders/***"));
        check("bad key s3cr et-key", Some("bad key ***"));
        check("bad key s3cr%20et-key", Some("bad key ***"));
        check("what is s3cr3tc4n", Some("what is ***"));
        check("orders, key, dry: yes", None);
    }

    #[test]
    fn a_segment_tells_when_it_is_long_or_mixed_and_no_version() {
        for (segment, expected) in [
            ("T00000000", true),
            ("o1abc2d", true),
            ("XXXXXXXXXXXXXXXXXXXXXXXX", true),
            ("", false),
            ("orders", false),
            ("v1beta12", false),
            ("1.0", false),
            ("2024-10-21", false),
            ("123456", false),
            ("customer-2", false),
            ("abc12", false),
        ] {
            assert_eq!(is_telling(segment), expected, "{segment}");
        }
    }

    #[test]
    fn a_long_value_is_taken_out_unless_its_name_is_harmless() {
        let value = HeaderValue::from_static;
        let check = |name, text, expected| {
            assert_eq!(
                may_be_secret(&HeaderName::from_static(name), &value(text)),
                expected,
                "{name}"
            );
        };
        check("x-mine", "0123456789", true);
        check("x-mine", "blue", false);
        check("authorization", "abc", true);
        check("content-type", "application/json", false);
        check("user-agent", "fanout/0.1.0", false);
        let mut scrub = Scrub::default();
        scrub.add_header(&value("id=s3cr3tc4n; theme=dark"));
        assert_eq!(scrub.text("bad s3cr3tc4n, dark").as_deref(), Some("bad ***, dark"));
    }

    #[test]
    fn what_was_cut_is_taken_out_too() {
        let scrub = of(&["eyJhbGciOiJIUzI1NiJ9.payload.signature"]);
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(scrub.text(text).as_deref(), expected);
        };
        check("bad token eyJhbGciOiJI…", Some("bad token ***…"));
        check("bad token eyJhbGci", Some("bad token ***"));
        check("bad token eyJhbGc", None);
        check("", None);
    }

    #[test]
    fn what_is_no_credential_stays() {
        let scrub = of(&["abc", "s3cret"]);
        assert_eq!(scrub.text("abc: the secret is s3cre"), None);
        assert_eq!(scrub.text("s3crets3cret").as_deref(), Some("******"));
        assert_eq!(Scrub::default().text("anything"), None);
    }

    #[test]
    fn nothing_of_an_error_keeps_it() {
        let cause = Error::new(ErrorKind::Connect, "by s3cret").with_context("a", "s3cret");
        let error = Error::new(ErrorKind::Rejected, "no s3cret")
            .with_context("location", "/s3cret/x")
            .with_excerpt(b"what is s3cret?")
            .with_notice("note s3cret")
            .with_api(fanout::ApiNotice::new().with_successor("https://h/s3cret"))
            .with_source(cause);
        let error = of(&["s3cret"]).error(error);
        let text = format!("{} {error:?} {:?}", error.to_chain(), error.excerpt());
        assert!(!text.contains("s3cret"), "{text}");
        assert_eq!(error.to_chain(), "no *** (location: /***/x): by *** (a: ***)");
        assert_eq!(error.excerpt(), Some("what is ***?"));
        assert_eq!(error.notices().collect::<Vec<_>>(), ["note ***"]);
        assert_eq!(error.api().and_then(|api| api.successor()), Some("https://h/***"));
    }

    #[test]
    fn what_a_basic_header_says_is_taken_out() {
        let mut scrub = Scrub::default();
        scrub.add_basic(&HeaderValue::from_static("Basic dXNlcjpzM2NyZXQgLw=="));
        let check = |text: &str, expected| assert_eq!(scrub.text(text).as_deref(), Some(expected));
        check("Basic dXNlcjpzM2NyZXQgLw==", "***");
        check("user:s3cret /, or dXNlcjpzM2NyZXQgLw==", "***, or ***");
        check("user, s3cret%20%2F", "user, ***");
    }

    #[test]
    fn a_scheme_is_no_secret() {
        let mut scrub = Scrub::default();
        scrub.add_header(&HeaderValue::from_static("Bearer s3cret"));
        assert_eq!(scrub.text("wrong Bearer: s3cret").as_deref(), Some("wrong Bearer: ***"));
    }
}
