//! The canaries: one for each place where a secret can be configured, and the forms it may come out in.

use std::sync::{LazyLock, Mutex};

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

/// A secret that is nowhere but in its place.
#[derive(Clone, Debug)]
pub(crate) struct Canary {
    pub(crate) place: &'static str,
    core: String,
    forms: Vec<(&'static str, String)>,
}

/// All that were planted so far.
#[derive(Default)]
pub(crate) struct Canaries(Mutex<Vec<Canary>>);

impl Canaries {
    /// Makes the canary of a place; the same one whenever it is asked for.
    pub(crate) fn plant(&self, place: &'static str) -> Canary {
        let mut all = self.0.lock().expect("nobody panics here");
        if let Some(known) = all.iter().find(|canary| canary.place == place) {
            return known.clone();
        }
        let core = format!("{BEGINNING}{:02}xyzzyplugh", all.len());
        let canary = Canary { place, forms: forms(&core, 10), core };
        all.push(canary.clone());
        canary
    }

    pub(crate) fn places(&self) -> usize {
        self.0.lock().expect("nobody panics here").len()
    }

    /// The places whose canaries are in `text`, each with the form.
    pub(crate) fn found(&self, text: &str) -> Vec<(&'static str, &'static str)> {
        // All begin alike, and hardly any text has even that in it.
        static ANY: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| forms(BEGINNING, 6));
        if !ANY.iter().any(|(_, form)| text.contains(form)) {
            return Vec::new();
        }
        let all = self.0.lock().expect("nobody panics here");
        let forms = all
            .iter()
            .flat_map(|canary| canary.forms.iter().map(|(name, form)| (canary.place, *name, form)));
        let found = forms.filter(|(.., form)| text.contains(*form));
        found.map(|(place, name, _)| (place, name)).collect()
    }
}

impl Canary {
    /// The secret itself. Letters and digits alone: neither percent-encoding nor JSON changes them.
    pub(crate) fn text(&self) -> String {
        self.core.clone()
    }

    /// The secret with characters around it that change under percent-encoding, in JSON and in HTML: for
    /// places where they may be. Whoever looks for the secret as it was given does not find it then.
    pub(crate) fn hard(&self) -> String {
        format!("/\"+&<{}>'\\+/\"1", self.core)
    }
}

/// What proves that a secret came out: so much of its beginning that one that was cut counts too, as text,
/// percent-encoded throughout, as escapes of JSON and HTML, in hexadecimal, as the numbers of a `Debug` of
/// bytes, and in the alignments of base64 within a longer text.
fn forms(core: &str, telling: usize) -> Vec<(&'static str, String)> {
    let each = |form: &dyn Fn(u8) -> String| core[..telling].bytes().map(form).collect::<String>();
    let numbers = each(&|byte| format!("{byte}, "));
    let mut forms = vec![
        ("plain", each(&|byte| char::from(byte).to_string())),
        ("percent", each(&|byte| format!("%{byte:02x}"))),
        ("percent", each(&|byte| format!("%{byte:02X}"))),
        ("escapes of JSON", each(&|byte| format!("\\u{byte:04x}"))),
        ("escapes of HTML", each(&|byte| format!("&#{byte};"))),
        ("hexadecimal", each(&|byte| format!("{byte:02x}"))),
        ("hexadecimal", each(&|byte| format!("{byte:02X}"))),
        ("bytes", numbers.trim_end_matches(", ").to_owned()),
    ];
    for alphabet in [&STANDARD, &URL_SAFE] {
        let engine = GeneralPurpose::new(alphabet, GeneralPurposeConfig::new());
        for shift in 0..3_usize {
            let encoded = engine.encode(format!("{}{}", "\0".repeat(shift), &core[..telling]));
            // The first characters and the last depend on what stands around.
            let (first, end) = ((shift * 8).div_ceil(6), (shift + telling) * 8 / 6);
            forms.push(("base64", encoded[first..end].to_owned()));
        }
    }
    forms
}

/// Of every canary.
const BEGINNING: &str = "c4n4ry";

#[test]
fn a_canary_is_found_in_every_form() {
    let canaries = Canaries::default();
    let canary = canaries.plant("here");
    let core = canary.text();
    let base64 = |text: String| base64::prelude::BASE64_STANDARD.encode(text);
    let percent: String = core.bytes().map(|byte| format!("{byte:02X}")).collect();
    for text in [
        format!("it is {core}."),
        format!("cut: {}…", &core[..12]),
        base64(core.clone()),
        base64(format!("u:{core}")),
        base64(format!("us:{core}")),
        base64(format!("use:{core} and more")),
        percent.to_ascii_lowercase(),
        percent,
        format!("{:?}", core.as_bytes()),
        core.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        serde_json::to_string(&canary.hard()).unwrap(),
        base64(canary.hard()),
        base64(format!("user:{}", canary.hard())),
    ] {
        assert!(!canaries.found(&text).is_empty(), "{text}");
    }
    assert!(canaries.found("nothing here").is_empty());
}
