//! HTTP sinks: what each status means.
//!
//! Section numbers are those of RFC 9110 unless another document is named.

use std::sync::Arc;
use std::time::Duration;

use fanout::{Effect, Error, ErrorKind, FanOut, Receipt, RetryAdvice, policy};

use super::scene::{Scene, shown};
use super::{SinkCase, sink_case};
use crate::fakes::{Answer, Script};
use crate::harness::Harness;
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[SinkCase] = &[
    sink_case!(
        statuses,
        "http/status_table",
        [Http],
        "each status from 200 to 599, and an unknown one, has its kind, effect and advice (section 15)"
    ),
    sink_case!(
        no_status,
        "http/impossible_status",
        [Http],
        "a status that cannot exist is a failure that may have had an effect (section 15)"
    ),
    sink_case!(
        retry_after,
        "http/retry_after",
        [Http],
        "`Retry-After` in seconds or as a date is the advice to come back then, and with 503 says that \
         nothing was done; garbage in it is ignored (section 10.2.3)"
    ),
    sink_case!(
        accepted,
        "http/accepted_is_success",
        [Http],
        "202 is a success that says it was merely accepted, also for `all` (section 15.3.3)"
    ),
];

/// Kind, effect and the advice that are due to a refusal with this status.
pub(super) fn due(code: u16) -> Option<(ErrorKind, Effect, Advice)> {
    use Advice::{AfterOrBackoff, Backoff, HigherLevel, Never, OnceOrNever, OtherSink};
    use Effect::{Maybe, None as No};
    use ErrorKind as K;
    Some(match code {
        200..=299 => return None,
        300..=399 => (K::Redirected, No, Never),
        401 | 407 => (K::Unauthenticated, No, OnceOrNever),
        402 => (K::Forbidden, No, OtherSink),
        403 | 451 => (K::Forbidden, No, Advice::NeverOrOther),
        404 | 410 => (K::NotFound, No, Never),
        405 | 406 | 415..=417 | 426 => (K::Unsupported, No, Never),
        408 | 425 => (K::Unavailable, No, Backoff),
        409 | 424 => (K::Conflict, No, Never),
        411 => (K::Build, No, Never),
        412 | 423 | 428 => (K::Conflict, No, HigherLevel),
        413 | 414 | 431 => (K::TooLarge, No, Never),
        421 => (K::Unavailable, No, OnceOrNever),
        429 => (K::Throttled, No, AfterOrBackoff),
        // Every other 4xx as 400.
        400..=499 => (K::Rejected, No, Never),
        501 | 505 | 506 | 508 | 510 => (K::Unsupported, No, Never),
        503 => (K::Unavailable, Maybe, Backoff),
        507 => (K::Unavailable, No, OtherSink),
        511 => (K::Connect, No, OtherSink),
        // Every other status as 500.
        _ => (K::Upstream, Maybe, Backoff),
    })
}

pub(super) fn check_row(
    what: &str,
    result: &Result<Receipt, Error>,
    due: Option<(ErrorKind, Effect, Advice)>,
) -> Outcome {
    match (result, due) {
        (Ok(_), None) => Ok(()),
        (Err(error), Some((kind, effect, advice))) => {
            ensure!(
                error.kind() == kind && error.effect() == effect && advice.allows(error.advice()),
                "{what} is {kind}, effect {effect}, advice {advice:?}; the sink says {}, {}, {}",
                error.kind(),
                error.effect(),
                error.advice()
            );
            Ok(())
        }
        (Ok(_), Some((kind, ..))) => {
            Err(Stop::Failed(format!("{what} is {kind}, and it returned a receipt")))
        }
        (Err(_), None) => {
            Err(Stop::Failed(format!("{what} is a success, and it returned {}", shown(result))))
        }
    }
}

/// Advice, as loosely as the rule leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    Never,
    /// `Once` needs credentials that can be had anew, or another connection.
    OnceOrNever,
    Backoff,
    AfterOrBackoff,
    OtherSink,
    NeverOrOther,
    HigherLevel,
}

impl Advice {
    pub(super) fn allows(self, advice: RetryAdvice) -> bool {
        match self {
            Self::Never => advice == RetryAdvice::Never,
            Self::OnceOrNever => matches!(advice, RetryAdvice::Once | RetryAdvice::Never),
            Self::Backoff => advice == RetryAdvice::Backoff,
            Self::AfterOrBackoff => {
                matches!(advice, RetryAdvice::After(_) | RetryAdvice::Backoff)
            }
            Self::OtherSink => advice == RetryAdvice::OtherSink,
            Self::NeverOrOther => matches!(advice, RetryAdvice::Never | RetryAdvice::OtherSink),
            Self::HigherLevel => advice == RetryAdvice::HigherLevel,
        }
    }
}

async fn statuses(harness: Arc<dyn Harness>) -> Outcome {
    let codes: Vec<u16> = (200..=599).chain([600, 999]).collect();
    let script = Script::given(codes.iter().map(|code| Answer::status(*code)));
    let scene = Scene::set(&harness, script).await?;
    for code in codes {
        let result = scene.send().await;
        check_row(&format!("{code}"), &result, due(code))?;
        if let Err(error) = &result {
            let told = error.status().map(fanout::Status::code);
            ensure!(told == Some(code), "{code} was answered, and the error says {told:?}");
        }
    }
    Ok(())
}

async fn no_status(harness: Arc<dyn Harness>) -> Outcome {
    let scene = Scene::set(&harness, Answer::status(0)).await?;
    let result = scene.send().await;
    let effect = result.as_ref().err().map(Error::effect);
    ensure!(effect == Some(Effect::Maybe), "the status 000 gave {}", shown(&result));
    Ok(())
}

async fn retry_after(harness: Arc<dyn Harness>) -> Outcome {
    let seven = RetryAdvice::After(Duration::from_secs(7));
    for (code, kind) in
        [(429, ErrorKind::Throttled), (503, ErrorKind::Unavailable), (413, ErrorKind::TooLarge)]
    {
        let answer = Answer::status(code).with_metadata("retry-after", "7");
        let result = Scene::set(&harness, answer).await?.send().await;
        let Err(error) = &result else {
            return Err(Stop::Failed(format!("{code} returned a receipt")));
        };
        ensure!(error.kind() == kind, "{code} is {kind}, it says {}", error.kind());
        ensure!(
            error.effect() == Effect::None,
            "{code} with a time says effect {}",
            error.effect()
        );
        ensure!(error.advice() == seven, "after 7 s, and the advice is {}", error.advice());
    }
    for garbage in ["-1", "soon", "7 s", ""] {
        let answer = Answer::status(429).with_metadata("retry-after", garbage);
        let result = Scene::set(&harness, answer).await?.send().await;
        let advice = result.as_ref().err().map(Error::advice);
        ensure!(
            advice == Some(RetryAdvice::Backoff),
            "`Retry-After: {garbage}` gave the advice {advice:?}"
        );
    }
    // RFC 9110 section 5.6.7: a date, measured from the server's own clock where it tells it.
    let answer = Answer::status(429)
        .with_metadata("date", "Sun, 06 Nov 1994 08:49:37 GMT")
        .with_metadata("retry-after", "Sun, 06 Nov 1994 08:49:44 GMT");
    let result = Scene::set(&harness, answer).await?.send().await;
    let advice = result.as_ref().err().map(Error::advice);
    ensure!(advice == Some(seven), "a date 7 s after the server's own gave the advice {advice:?}");
    // Digits they are, so it may be taken as very long; it must not overflow into something short.
    let answer = Answer::status(429).with_metadata("retry-after", "99999999999999999999999");
    let result = Scene::set(&harness, answer).await?.send().await;
    let long = match result.as_ref().err().map(Error::advice) {
        Some(RetryAdvice::After(delay)) => delay > Duration::from_secs(86_400),
        advice => advice == Some(RetryAdvice::Backoff),
    };
    ensure!(long, "`Retry-After` of 23 digits gave {}", shown(&result));
    Ok(())
}

async fn accepted(harness: Arc<dyn Harness>) -> Outcome {
    let scene = Scene::set(&harness, Answer::status(202)).await?;
    let result = scene.send().await;
    let said = result.as_ref().is_ok_and(Receipt::is_accepted);
    ensure!(said, "202 returned {}, not an accepted one", shown(&result));
    let all = FanOut::builder(policy::all()).sink("under-test", scene.sink()).build();
    let report = match all {
        Ok(all) => all.send(scene.message.clone()).await,
        Err(error) => return Err(Stop::Failed(error.to_string())),
    };
    ensure!(report.is_satisfied(), "`all` takes 202 for a failure:\n{report}");
    Ok(())
}
