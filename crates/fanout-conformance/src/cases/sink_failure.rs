//! Sinks: how failures are classified, and what is left of the sink after one.

use std::sync::Arc;

use fanout::{BodyState, Effect, Error, ErrorKind, Receipt};

use super::scene::{Scene, shown};
use super::{SinkCase, sink_case};
use crate::capability::Capability;
use crate::fakes::{Answer, Script, Stage, Watch};
use crate::harness::Harness;
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[SinkCase] = &[
    sink_case!(
        one_attempt,
        "sink/one_call_one_attempt",
        [],
        "a failed call is not tried again by the sink: retrying is a layer's work"
    ),
    sink_case!(kinds, "sink/kinds_are_true", [Kinds], "an error has the kind of what went wrong"),
    sink_case!(
        effects,
        "sink/effects_are_true",
        [],
        "a refusal has effect `None`; a server that broke down may have applied the message: `Maybe`"
    ),
    sink_case!(
        refused,
        "sink/refused_connection_is_none",
        [],
        "when nobody listens, nothing was applied: effect `None`"
    ),
    sink_case!(
        lost,
        "sink/lost_answer_is_maybe",
        [],
        "when the connection ends before an answer to a request that was read, the effect is not `None`"
    ),
    sink_case!(
        half,
        "sink/half_answer_is_not_whole",
        [],
        "an answer that breaks off is no complete receipt, and never effect `None`"
    ),
    sink_case!(
        garbage,
        "sink/garbage_is_no_delivery",
        [],
        "an answer that is not of the protocol is a failure whose effect is not `None`"
    ),
    sink_case!(recovers, "sink/recovers", [], "a call that failed does not spoil the next one"),
];

/// What each kind says about the effect, whatever the protocol.
const EFFECTS: [(ErrorKind, Effect); 9] = [
    (ErrorKind::Rejected, Effect::None),
    (ErrorKind::Unauthenticated, Effect::None),
    (ErrorKind::Forbidden, Effect::None),
    (ErrorKind::NotFound, Effect::None),
    (ErrorKind::Conflict, Effect::None),
    (ErrorKind::Unsupported, Effect::None),
    (ErrorKind::Throttled, Effect::None),
    (ErrorKind::Unavailable, Effect::Maybe),
    (ErrorKind::Upstream, Effect::Maybe),
];

async fn one_attempt(harness: Arc<dyn Harness>) -> Outcome {
    let failures = [
        Answer::fail(ErrorKind::Unavailable),
        Answer::fail(ErrorKind::Throttled),
        Answer::fail(ErrorKind::Upstream),
        Answer::respond("").closes(Stage::Requested),
    ];
    let mut shown_once = Err(nothing_playable());
    for failure in failures {
        let script = Script::given([failure, Answer::respond("")]).watch(Watch::Requests);
        let scene = match Scene::set(&harness, script).await {
            Ok(scene) => scene,
            Err(unplayable) => {
                shown_once = shown_once.or(Err(unplayable.into()));
                continue;
            }
        };
        let result = scene.send().await;
        let requests = scene.endpoint.counts().requests;
        ensure!(requests == 1, "one call made {requests} requests");
        ensure!(result.is_err(), "the only request failed, and it returned {}", shown(&result));
        shown_once = Ok(());
    }
    shown_once
}

async fn kinds(harness: Arc<dyn Harness>) -> Outcome {
    let check = |kind: ErrorKind, _, error: &Error| {
        ensure!(error.kind() == kind, "{kind} was played, and the error says {}", error.kind());
        Ok(())
    };
    each_kind(&harness, check).await
}

async fn effects(harness: Arc<dyn Harness>) -> Outcome {
    let check = |kind: ErrorKind, effect, error: &Error| {
        let said = error.effect();
        ensure!(said == effect, "{kind} was played: effect {effect}, and the error says {said}");
        Ok(())
    };
    each_kind(&harness, check).await
}

async fn each_kind(
    harness: &Arc<dyn Harness>,
    check: impl Fn(ErrorKind, Effect, &Error) -> Outcome,
) -> Outcome {
    let mut shown_once = Err(nothing_playable());
    for (kind, effect) in EFFECTS {
        let scene = match Scene::set(harness, Answer::fail(kind)).await {
            Ok(scene) => scene,
            Err(unplayable) => {
                shown_once = shown_once.or(Err(unplayable.into()));
                continue;
            }
        };
        let result = scene.send().await;
        let Err(error) = &result else {
            return Err(Stop::Failed(format!("{kind} was played, and it returned a receipt")));
        };
        check(kind, effect, error)?;
        shown_once = Ok(());
    }
    shown_once
}

async fn refused(harness: Arc<dyn Harness>) -> Outcome {
    let scene = Scene::set(&harness, Script::nobody_listens()).await?;
    let result = scene.send().await;
    let effect = effect_of(&result);
    ensure!(effect == Some(Effect::None), "nobody listened, and it returned {}", shown(&result));
    Ok(())
}

async fn lost(harness: Arc<dyn Harness>) -> Outcome {
    for (how, answer) in [
        ("closed", Answer::respond("").closes(Stage::Requested)),
        ("reset", Answer::respond("").resets(Stage::Requested)),
    ] {
        let scene = Scene::set(&harness, answer).await?;
        let result = scene.send().await;
        let effect = effect_of(&result);
        ensure!(
            effect.is_some_and(|effect| effect >= Effect::Maybe),
            "the connection was {how} after the request was read, and it returned {}",
            shown(&result)
        );
    }
    Ok(())
}

async fn half(harness: Arc<dyn Harness>) -> Outcome {
    let scene = Scene::set(&harness, Answer::half_body("this will break off")).await?;
    let result = scene.send().await;
    let honest = match &result {
        Ok(receipt) => receipt.body_state() != BodyState::Complete,
        Err(error) => error.effect() >= Effect::Maybe,
    };
    ensure!(honest, "half of the answer came, and it returned {}", shown(&result));
    Ok(())
}

async fn garbage(harness: Arc<dyn Harness>) -> Outcome {
    let scene = Scene::set(&harness, Answer::garbage()).await?;
    let result = scene.send().await;
    let effect = effect_of(&result);
    ensure!(
        effect.is_some_and(|effect| effect >= Effect::Maybe),
        "garbage was answered, and it returned {}",
        shown(&result)
    );
    let has_its_own = harness.capabilities().reason_against(Capability::Kinds).is_some();
    let kind = result.as_ref().err().map(Error::kind);
    ensure!(
        kind == Some(ErrorKind::Protocol) || has_its_own,
        "garbage was answered, and it returned {}, not `Protocol`",
        shown(&result)
    );
    Ok(())
}

async fn recovers(harness: Arc<dyn Harness>) -> Outcome {
    let failures = [
        Answer::fail(ErrorKind::Unavailable),
        Answer::respond("").closes(Stage::Requested),
        Answer::respond("").resets(Stage::Requested),
        Answer::half_body("this will break off"),
        Answer::garbage(),
    ];
    let mut shown_once = Err(nothing_playable());
    for failure in failures {
        let script = Script::given([failure.clone(), Answer::respond("")]);
        let scene = match Scene::set(&harness, script).await {
            Ok(scene) => scene,
            Err(unplayable) => {
                shown_once = shown_once.or(Err(unplayable.into()));
                continue;
            }
        };
        // How the first call ends is for other cases to judge.
        drop(scene.send().await);
        let result = scene.send().await;
        ensure!(result.is_ok(), "the call after a failed one returned {}", shown(&result));
        shown_once = Ok(());
    }
    shown_once
}

fn effect_of(result: &Result<Receipt, Error>) -> Option<Effect> {
    result.as_ref().err().map(Error::effect)
}

fn nothing_playable() -> Stop {
    Stop::NotSupported("the endpoint can play none of the failures".to_owned())
}
