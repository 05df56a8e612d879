//! What an endpoint answers, and when: the faults that were asked for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;

/// Says for each request how long to wait and what to answer.
#[derive(Debug)]
pub(crate) struct Faults {
    delay: Duration,
    status: StatusCode,
    /// How likely `status` is the answer, from 0 to 1; otherwise it is 200.
    chance: f64,
    random: Mutex<fastrand::Rng>,
}

impl Faults {
    /// Nothing goes wrong.
    pub(crate) fn none() -> Self {
        Self::new(Duration::ZERO, None, None, 0)
    }

    /// Every request is answered with `status`.
    pub(crate) fn always(status: StatusCode) -> Self {
        Self::new(Duration::ZERO, None, Some(status), 0)
    }

    /// Answers come after `delay`. With `chance` alone, that share of them is a 503; with `status`
    /// alone, all have that status; with both, that share has that status.
    pub(crate) fn new(
        delay: Duration,
        chance: Option<f64>,
        status: Option<StatusCode>,
        seed: u64,
    ) -> Self {
        let chance = chance.unwrap_or(if status.is_some() { 1.0 } else { 0.0 });
        Self {
            delay,
            status: status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            chance,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// Returns how long to wait before an answer.
    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    /// Draws the status of the next answer. The same seed draws the same statuses in the same order.
    pub(crate) fn draw(&self) -> StatusCode {
        // Drawn every time, so that one setting does not shift the luck of another.
        let luck = self.random.lock().unwrap_or_else(PoisonError::into_inner).f64();
        if luck < self.chance { self.status } else { StatusCode::OK }
    }
}

/// Reads `10%` or `0.1`.
pub(crate) fn parse_chance(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let chance = match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| percent / 100.0),
        None => number(text),
    };
    chance
        .filter(|chance| (0.0..=1.0).contains(chance))
        .ok_or_else(|| "write a share from 0% to 100%, as in `10%` or `0.1`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(faults: &Faults, count: usize) -> Vec<u16> {
        (0..count).map(|_| faults.draw().as_u16()).collect()
    }

    #[test]
    fn without_faults_every_answer_is_200() {
        assert_eq!(draws(&Faults::none(), 50), [200; 50]);
    }

    #[test]
    fn a_status_alone_is_every_answer() {
        let faults = Faults::new(Duration::ZERO, None, Some(StatusCode::IM_A_TEAPOT), 1);
        assert_eq!(draws(&faults, 50), [418; 50]);
    }

    #[test]
    fn a_share_fails_with_503_and_a_seed_repeats_it() {
        let faults = |seed| Faults::new(Duration::ZERO, Some(0.1), None, seed);
        let first = draws(&faults(7), 1000);
        assert_eq!(first, draws(&faults(7), 1000));
        assert_ne!(first, draws(&faults(8), 1000));
        let failed = first.iter().filter(|status| **status == 503).count();
        assert!((60..140).contains(&failed), "{failed} of 1000 failed at 10%");
        assert_eq!(first.iter().filter(|status| **status == 200).count(), 1000 - failed);
    }

    #[test]
    fn shares_are_percent_or_fraction() {
        for (text, expected) in
            [("10%", Some(0.1)), ("0.25", Some(0.25)), ("100%", Some(1.0)), ("0", Some(0.0))]
        {
            assert_eq!(parse_chance(text).ok(), expected, "{text}");
        }
        for text in ["10", "-1%", "101%", "NaN", "often", "", "%"] {
            assert!(parse_chance(text).is_err(), "{text}");
        }
    }
}
