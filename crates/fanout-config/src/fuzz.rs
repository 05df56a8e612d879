//! What must hold for any text as a file: run by `cargo fuzz`, and over its seeds as tests.

use crate::Config;

/// Any text: it is read or refused with a place, and `Debug` of what was read works.
pub fn text(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    // Other files that it names are not this target's matter, and some of them never end.
    if FILES.iter().any(|key| text.contains(key)) {
        return;
    }
    match Config::parse("f.toml", text) {
        Ok(config) => {
            let shown = format!("{config:?}");
            for name in config.routes() {
                assert!(config.route(name).is_ok() && config.json_sink(name).is_ok(), "{shown}");
            }
        }
        Err(error) => {
            assert_eq!(error.file(), "f.toml");
            let lines = text.lines().count().max(1) + 1;
            assert!(error.line().is_none_or(|line| (1..=lines).contains(&line)), "{error}");
            assert!(!error.to_string().contains(['\n', '\r']), "{error:?}");
        }
    }
}

/// A secret in one of the places that may have one, in a right or a wrong form: never shown.
pub fn secret(data: &[u8]) {
    let [place, form, rest @ ..] = data else { return };
    // What would end the text is out: whoever can write the file can write the secret elsewhere.
    let noise: String = String::from_utf8_lossy(rest)
        .chars()
        .filter(|c| !c.is_control() && !"\"'\\#=,.{}[]\u{fffd}".contains(*c))
        .take(64)
        .collect();
    let place = PLACES[usize::from(*place) % PLACES.len()];
    let form = FORMS[usize::from(*form) % FORMS.len()];
    let half = noise.char_indices().nth(noise.chars().count() / 2).map_or(0, |(at, _)| at);
    let (before, after) = noise.split_at(half);
    let value = form.replace("<>", &format!("{before}{SECRET}{after}"));
    let text = place.replace("<>", &value);
    let shown = match Config::parse("f.toml", &text) {
        Ok(config) => format!("{config:?} {config:#?}"),
        Err(error) => format!("{error} {error:?} {error:#?}"),
    };
    assert!(!shown.contains(SECRET), "{text}\n{shown}");
}

const PLACES: [&str; 11] = [
    "[sinks.a]\nhttp = \"http://localhost/\"\nheaders = { Authorization = <> }\n",
    "[sinks.a]\nhttp = \"http://localhost/\"\nheaders = { \"X-Key\" = [\"a\", <>] }\n",
    "[sinks.a]\nhttp = \"http://localhost/\"\nquery = { key = <> }\n",
    "[sinks.a]\nhttp = \"http://localhost/\"\nheaders = <>\n",
    "[sinks.a]\nhttp = \"http://localhost/\"\nquery = <>\n",
    "[sinks.a]\ngrpc = \"http://localhost/a.B/C\"\nschema = \"encoded\"\nmetadata = { a = <> }\n",
    "[sinks.a]\ngrpc = \"http://localhost/a.B/C\"\nschema = \"encoded\"\nmetadata = <>\n",
    "[sinks.a]\nhttp = \"http://localhost/?a=<>\n[routes.r]\nsinks = [\"a\"]\n",
    "[sinks.a]\nhttp = \"https://user:<>@localhost/\"\n",
    "[sinks.a]\nhttp = \"https://h/\"\nauth.oauth2 = { token_url = \"https://h/\", client_id = \"a\", client_secret = <> }\n",
    "[sinks.a]\nhttp = \"https://h/\"\nproxy = { url = \"http://p\", user = \"a\", password = <> }\n",
];

/// A text, and what someone may write in its place.
const FORMS: [&str; 10] = [
    "\"<>\"",
    "'<>'",
    "\"\"\"\n<>\"\"\"",
    "<>",
    "\"<>",
    "[\"<>\"]",
    "{ a = \"<>\" }",
    "{ \"a: <>\" = \"b\" }",
    "\"a\\n<>\"",
    "\"\\q<>\"",
];

const FILES: [&str; 3] = ["descriptor_set", "file", "tls"];

/// In nothing that is said about a file otherwise.
const SECRET: &str = "s3cr3tc4n4ry";

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn any_text_holds_for_its_seeds() {
        replay("config", super::text);
    }

    #[test]
    fn no_secret_is_shown_for_its_seeds() {
        replay("config_secret", super::secret);
    }
}
