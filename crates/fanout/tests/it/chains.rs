//! Chains: each step built from the answers before it.

use fanout::policy::{self};
use fanout::{
    BodyState, Chain, Completeness, Effect, ErrorKind, FanOut, MemorySink, Message, Outcome,
    Receipt, RetryAdvice, Sink, SkipReason, Status, StopReason, sink_fn,
};
use serde_json::{Value, json};

use crate::support::{Scripted, hello};

fn token_chain(login: impl Sink + 'static, users: impl Sink + 'static) -> Chain {
    Chain::builder()
        .step_with("login", login, |_| Message::json(&json!({ "user": "ada" })))
        .step_with("users", users, |so_far| {
            let answer: Value = so_far.receipt().json()?;
            let token = answer["token"].as_str().unwrap_or("none").to_owned();
            Ok(so_far.message().clone().with_metadata("authorization", token))
        })
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_step_is_built_from_the_answer_before_it() {
    let (login, users) =
        (MemorySink::answering(r#"{"token":"t-17"}"#), MemorySink::answering("ok"));
    let chain = token_chain(login.clone(), users.clone());
    let report = chain.send(Message::text("data")).await;
    assert!(report.is_satisfied());
    assert_eq!(login.received()[0].payload().as_ref(), br#"{"user":"ada"}"#);
    assert_eq!(users.received()[0].payload().as_ref(), b"data");
    assert_eq!(users.received()[0].metadata().get("Authorization"), Some("t-17"));

    let outer = FanOut::builder(policy::all()).sink("sign-up", chain).build().unwrap();
    let report = outer.send(Message::text("data")).await;
    let receipt = report.get("sign-up").unwrap().receipt().unwrap();
    assert_eq!(receipt.body().as_ref(), b"ok", "the answer of the last step");
    assert_eq!(receipt.report().unwrap().deliveries().len(), 2);
}

#[tokio::test]
async fn a_chain_ends_at_the_first_failure_and_tells_what_was_done() {
    let users = MemorySink::new();
    let chain = token_chain(Scripted::fails(Effect::None), users.clone());
    let outer = FanOut::builder(policy::all()).sink("chain", chain).build().unwrap();
    let report = outer.send(hello()).await;
    let error = report.get("chain").unwrap().error().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unsatisfied, Effect::None));
    let inner = error.report().unwrap();
    assert!(matches!(
        inner.get("users").unwrap().outcome(),
        Outcome::Skipped(SkipReason::PreviousFailed)
    ));
    assert!(users.received().is_empty());

    // The first step was delivered, so the whole must not be tried again.
    let chain = token_chain(MemorySink::answering("{}"), Scripted::fails(Effect::None));
    let outer = FanOut::builder(policy::all()).sink("chain", chain).build().unwrap();
    let report = outer.send(hello()).await;
    let error = report.get("chain").unwrap().error().unwrap();
    assert_eq!((error.effect(), error.advice()), (Effect::Done, RetryAdvice::Never));
}

#[tokio::test]
async fn a_step_that_cannot_be_built_is_not_sent() {
    let users = MemorySink::new();
    let chain = token_chain(MemorySink::answering("no json"), users.clone());
    let report = chain.send(hello()).await;
    let delivery = report.get("users").unwrap();
    let error = delivery.error().unwrap();
    assert_eq!((error.kind(), error.advice()), (ErrorKind::Protocol, RetryAdvice::Never));
    assert_eq!((delivery.effect(), delivery.attempts()), (Effect::None, 0));
    assert!(users.received().is_empty());
    assert_eq!(report.completeness(), Completeness::Partial);

    let chain =
        Chain::builder().step_with("a", users.clone(), |_| panic!("scripted")).build().unwrap();
    let report = chain.send(hello()).await;
    let error = report.get("a").unwrap().error().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Panic, Effect::None));
    assert_eq!(report.completeness(), Completeness::None);
}

#[tokio::test]
async fn an_answer_that_was_cut_is_of_no_use_to_the_next_step() {
    for state in [BodyState::Cut, BodyState::Broken] {
        let login = sink_fn(move |_, _| async move {
            Ok(Receipt::new().with_body(r#"{"token":"t"}"#).with_body_state(state))
        });
        let report = token_chain(login, MemorySink::new()).send(hello()).await;
        assert!(report.get("login").unwrap().is_delivered());
        let error = report.get("users").unwrap().error().unwrap();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::Done));
    }
}

#[tokio::test]
async fn what_the_last_step_remarks_is_not_lost() {
    let remarking = |notice| {
        sink_fn(move |_, _| async move { Ok(Receipt::new().with_body("{}").with_notice(notice)) })
    };
    let chain = token_chain(remarking("of the login"), remarking("of the users"));
    let outer = FanOut::builder(policy::all()).sink("chain", chain).build().unwrap();
    let report = outer.send(hello()).await;
    let receipt = report.get("chain").unwrap().receipt().unwrap();
    assert_eq!(receipt.notices().collect::<Vec<_>>(), ["of the users"]);
}

#[tokio::test]
async fn a_step_sees_the_step_before_it_and_any_by_name() {
    let answer = |code| {
        sink_fn(move |_, _| async move {
            Ok(Receipt::new().with_status(Status::new(code, "")).with_body(code.to_string()))
        })
    };
    let chain = Chain::builder()
        .step_with("one", answer(1), |so_far| {
            assert!(so_far.receipt().body().is_empty() && so_far.get("one").is_none());
            Ok(so_far.message().clone())
        })
        .step("two", answer(2))
        .step_with("three", answer(3), |so_far| {
            assert_eq!(so_far.receipt().body().as_ref(), b"2");
            assert_eq!(so_far.get("one").unwrap().body().as_ref(), b"1");
            assert!(so_far.get("three").is_none() && so_far.get("four").is_none());
            Ok(so_far.message().clone())
        })
        .build()
        .unwrap();
    let outer = FanOut::builder(policy::all()).sink("chain", chain).build().unwrap();
    let report = outer.send(hello()).await.into_result().unwrap();
    let receipt = report.get("chain").unwrap().receipt().unwrap();
    assert_eq!((receipt.status().unwrap().code(), receipt.body().as_ref()), (3, &b"3"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_was_not_reached_when_the_chain_was_dropped_was_called_off() {
    let (hung, next) = (Scripted::hangs().telling(Effect::None), MemorySink::new());
    let chain = Chain::builder().step("hung", hung).step("next", next).build().unwrap();
    let outer = FanOut::builder(policy::first())
        .sink("chain", chain)
        .sink("fast", Scripted::takes().after(5))
        .build()
        .unwrap();
    let report = outer.send(hello()).await;
    let next = report.get("chain").unwrap().report().unwrap().get("next").unwrap();
    assert!(matches!(next.outcome(), Outcome::Skipped(SkipReason::Cancelled)));
    assert_eq!(next.stop_reason(), Some(StopReason::CallerCancelled));
}
