//! The canaries: one for each place where a secret can be configured, and the forms it may come out in.

use std::sync::Mutex;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

/// A secret that is nowhere but in its place.
#[derive(Clone, Debug)]
pub(crate) struct Canary {
    pub(crate) place: &'static str,
    core: String,
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
        let canary = Canary { place, core: format!("c4n{:02}ry9xyzzyplugh", all.len()) };
        all.push(canary.clone());
        canary
    }

    pub(crate) fn places(&self) -> usize {
        self.0.lock().expect("nobody panics here").len()
    }

    /// The places whose canaries are in `text`, each with the form.
    pub(crate) fn found(&self, text: &str) -> Vec<(&'static str, &'static str)> {
        let all = self.0.lock().expect("nobody panics here");
        let found = |canary: &Canary| {
            let place = canary.place;
            canary
                .forms()
                .into_iter()
                .filter_map(move |(name, form)| text.contains(&form).then_some((place, name)))
                .collect::<Vec<_>>()
        };
        all.iter().flat_map(found).collect()
    }
}

impl Canary {
    /// The secret itself. Letters and digits alone: neither percent-encoding nor JSON changes them.
    pub(crate) fn text(&self) -> String {
        self.core.clone()
    }

    /// What proves that it came out: the beginning, so that one that was cut counts too, in the alignments
    /// of base64 within a longer text, in hexadecimal, and as the numbers of a `Debug` of bytes.
    fn forms(&self) -> Vec<(&'static str, String)> {
        let telling = &self.core[..10];
        let hex: String = telling.bytes().map(|byte| format!("{byte:02x}")).collect();
        let numbers: Vec<_> = telling.bytes().map(|byte| byte.to_string()).collect();
        let mut forms = vec![
            ("plain", telling.to_owned()),
            ("hexadecimal", hex.to_ascii_uppercase()),
            ("hexadecimal", hex),
            ("bytes", numbers.join(", ")),
        ];
        for alphabet in [&STANDARD, &URL_SAFE] {
            let engine = GeneralPurpose::new(alphabet, GeneralPurposeConfig::new());
            for shift in 0..3_usize {
                let encoded = engine.encode(format!("{}{}", "\0".repeat(shift), self.core));
                // The first characters and the last depend on what stands around.
                let first = (shift * 8).div_ceil(6);
                forms.push(("base64", encoded[first..first + 12].to_owned()));
            }
        }
        forms
    }
}

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
    ] {
        assert!(!canaries.found(&text).is_empty(), "{text}");
    }
    assert!(canaries.found("nothing here").is_empty());
}
