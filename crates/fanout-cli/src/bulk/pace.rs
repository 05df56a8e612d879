//! How fast messages are begun.

use std::str::FromStr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// At most so many in a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate(f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit.trim() {
            "s" | "sec" | "second" => 1.0,
            "m" | "min" | "minute" => 60.0,
            "h" | "hour" => 3600.0,
            _ => f64::NAN,
        };
        let number = number.trim().parse::<f64>().map_err(|_| HELP.to_owned())?;
        let rate = number / seconds;
        // Less than one in a day is a slip, and what a clock cannot tell apart is no limit.
        if (1e-5..=1e6).contains(&rate) { Ok(Self(rate)) } else { Err(HELP.to_owned()) }
    }
}

/// Says when the next message may begin. What was missed is made up for, but no more than
/// [`CATCH_UP`] of it: a source that paused is no reason for a burst.
#[derive(Debug)]
pub(crate) struct Pace {
    step: Duration,
    next: Instant,
}

impl Pace {
    /// Without a rate, at once always.
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        let step = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate.0));
        Self { step, next: Instant::now() }
    }

    /// Waits for the time of the next message. Takes nothing: it may be dropped and asked again.
    pub(crate) async fn ready(&self) {
        if !self.step.is_zero() && self.next > Instant::now() {
            sleep_until(self.next).await;
        }
    }

    /// A message has begun.
    pub(crate) fn took(&mut self) {
        if !self.step.is_zero() {
            let now = Instant::now();
            let oldest = now.checked_sub(CATCH_UP).unwrap_or(now);
            self.next = self.next.max(oldest) + self.step;
        }
    }
}

const HELP: &str = "write how many in a time, as in `100/s`, `30/min` or `0.5/s`";
const CATCH_UP: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_time() {
        for (text, rate) in [("100/s", 100.0), ("30/min", 0.5), ("0.5", 0.5), ("7200/hour", 2.0)] {
            assert_eq!(text.parse(), Ok(Rate(rate)), "{text}");
        }
        for text in ["", "0/s", "-1/s", "NaN", "inf/s", "5/parsec", "/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn messages_begin_no_faster_and_a_pause_is_no_credit() {
        let began = Instant::now();
        let mut pace = Pace::new(Some(Rate(100.0)));
        let mut run = async |count| {
            for _ in 0..count {
                pace.ready().await;
                pace.took();
            }
        };
        run(101).await;
        assert_eq!(began.elapsed().as_millis(), 1000);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        run(111).await;
        // 100 ms are made up for: ten messages.
        assert!((990..=1010).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }
}
