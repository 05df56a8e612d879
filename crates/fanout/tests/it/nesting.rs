//! Mirrors, a message for each, chains, nesting.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use fanout::policy::{self, Decision, FanOutPolicy, Progress, Reason, Rest, Start, Verdict};
use fanout::{
    Attempt, BodyState, BuildError, Chain, Completeness, Effect, Error, ErrorKind, FanOut,
    MemorySink, Message, Metadata, Outcome, Receipt, Report, RetryAdvice, Role, Sink, SkipReason,
    Status, StopReason, async_trait, sink_fn,
};
use futures_util::FutureExt as _;
use futures_util::future::select;
use serde_json::{Value, json};

use crate::support::{Scripted, fan_out, hello, ms};

#[tokio::test(start_paused = true)]
async fn mirrors_never_matter() {
    let a = Scripted::takes().after(5);
    for mirror in [
        Scripted::takes(),
        Scripted::hangs(),
        Scripted::panics(),
        Scripted::fails(Effect::Done),
        Scripted::takes().after(50),
    ] {
        let send = FanOut::builder(policy::all())
            .mirror("m", mirror.clone())
            .sink("a", a.clone())
            .build()
            .unwrap();
        let report = send.send(hello()).await;
        assert_eq!((report.verdict(), report.elapsed()), (Verdict::Satisfied, ms(5)));
        assert_eq!((report.completeness(), mirror.started()), (Completeness::Full, 1));
        assert_eq!((report.collect().len(), report.winner().unwrap().sink()), (1, "a"));
        // The configured order, though the mirror came first.
        assert_eq!(report.deliveries()[0].sink(), "m");
        assert_eq!(report.deliveries()[0].role(), Role::Mirror);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_neither_sees_nor_starts_a_mirror() {
    /// Starts the position behind the required sinks first, looks around at 10 ms, then waits.
    #[derive(Debug)]
    struct Curious;
    impl FanOutPolicy for Curious {
        fn decide(&self, progress: &Progress<'_>) -> Decision {
            assert_eq!((progress.total(), progress.failed()), (1, 0));
            assert!(progress.last_settled().is_none() && progress.next_waiting().is_none());
            match progress.elapsed() {
                now if now < ms(10) => Decision::WaitUntil(ms(10)),
                _ => Decision::Settle(Verdict::Satisfied),
            }
        }
    }
    #[derive(Debug)]
    struct Reaching(Curious);
    impl FanOutPolicy for Reaching {
        fn decide(&self, progress: &Progress<'_>) -> Decision {
            match progress.last_start() {
                None => Decision::Start(Start::Positions(vec![1, 0])),
                Some(_) => self.0.decide(progress),
            }
        }
        fn rest(&self) -> Rest {
            Rest::Cancel
        }
    }
    let mirror = Scripted::fails(Effect::Maybe).after(5);
    let send = FanOut::builder(Reaching(Curious))
        .sink("a", Scripted::hangs())
        .mirror("m", mirror.clone())
        .build()
        .unwrap();
    let report = send.send(hello()).await;
    assert_eq!((report.verdict(), report.elapsed()), (Verdict::Satisfied, ms(10)));
    assert_eq!((mirror.started(), report.effect()), (1, Effect::Maybe));
    assert!(report.get("m").unwrap().error().is_some());

    #[derive(Debug)]
    struct Only;
    impl FanOutPolicy for Only {
        fn decide(&self, _: &Progress<'_>) -> Decision {
            Decision::Start(Start::Positions(vec![1]))
        }
    }
    let mirror = Scripted::takes();
    let send = FanOut::builder(Only).sink("a", MemorySink::new()).mirror("m", mirror.clone());
    let report = send.build().unwrap().send(hello()).await;
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Stalled));
    assert_eq!(mirror.started(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_happens_at_a_mirror_does_not_show_in_the_sums() {
    let (a, b) = (Scripted::takes().after(5), Scripted::fails(Effect::None).after(5));
    let send = FanOut::builder(policy::all_settled().min_success(2))
        .mirror("failed", Scripted::fails(Effect::Maybe))
        .mirror("took", Scripted::takes())
        .sink("b", b)
        .sink("a", a)
        .build()
        .unwrap();
    let report = send.send(hello()).await;
    assert_eq!(report.completeness(), Completeness::Partial);
    assert_eq!(report.headline().unwrap().effect(), Effect::None);
    assert_eq!(report.undelivered().map(|d| d.sink()).collect::<Vec<_>>(), ["b"]);
    assert_eq!((report.winner().unwrap().sink(), report.effect()), ("a", Effect::Done));
    let order: Vec<_> = report.deliveries().iter().map(|d| d.sink()).collect();
    assert_eq!(order, ["failed", "took", "b", "a"]);
    assert_eq!(send.sinks(), order);
    let send = FanOut::builder(policy::all())
        .mirror("m", Scripted::takes())
        .sink("a", Scripted::fails(Effect::None).after(5));
    let report = send.build().unwrap().send(hello()).await;
    assert_eq!((report.effect(), report.completeness()), (Effect::None, Completeness::None));
    assert!(report.winner().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_mirror_goes_on_after_the_verdict_for_five_seconds() {
    let (a, slow, hung) = (Scripted::takes(), Scripted::takes().after(4_000), Scripted::hangs());
    let send = FanOut::builder(policy::all())
        .mirror("slow", slow)
        .sink("a", a)
        .mirror("hung", hung.clone())
        .build()
        .unwrap();
    let report = send.send(hello()).await;
    assert_eq!((report.elapsed(), send.detached()), (ms(0), 1));
    let report = report.settled().await;
    assert!(report.get("slow").unwrap().is_delivered());
    let error = report.get("hung").unwrap().error().unwrap();
    assert_eq!(
        (error.kind(), report.get("hung").unwrap().elapsed()),
        (ErrorKind::Timeout, ms(5_000))
    );
    assert_eq!(hung.dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mirror_runs_a_hundred_sends_at_once_and_refuses_more() {
    let (a, hung) = (Scripted::takes(), Scripted::hangs());
    let send = fan_out(policy::all(), &[&a]).mirror("m", hung.clone()).build().unwrap();
    for _ in 0..100 {
        assert!(matches!(send.send(hello()).await.get("m").unwrap().outcome(), Outcome::Pending));
    }
    let report = send.send(hello()).await;
    let delivery = report.get("m").unwrap();
    assert_eq!(delivery.error().unwrap().kind(), ErrorKind::QueueFull);
    assert_eq!((delivery.effect(), delivery.attempts()), (Effect::None, 0));
    assert_eq!((report.verdict(), hung.started()), (Verdict::Satisfied, 100));
    assert_eq!(send.shutdown(ms(0)).await, 100);
}

#[tokio::test(start_paused = true)]
async fn no_mirror_starts_when_nothing_is_sent() {
    let mirror = Scripted::takes();
    let send = FanOut::builder(policy::quorum(1))
        .sink("a", Unavailable)
        .mirror("m", mirror.clone())
        .build()
        .unwrap();
    let report = send.send(hello()).await;
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::NotEnoughAvailable));
    assert!(report.nothing_sent());
    assert_eq!(mirror.started(), 0);
    for delivery in report.deliveries() {
        assert!(matches!(delivery.outcome(), Outcome::Skipped(SkipReason::Unavailable)));
    }
}

struct Unavailable;

#[async_trait]
impl Sink for Unavailable {
    async fn send(&self, _: &Message, _: &Attempt) -> Result<Receipt, Error> {
        Err(Error::new(ErrorKind::CircuitOpen, "open"))
    }

    fn is_available(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_sink_that_panics_over_its_availability_is_not_available() {
    struct Nervous;
    #[async_trait]
    impl Sink for Nervous {
        async fn send(&self, _: &Message, _: &Attempt) -> Result<Receipt, Error> {
            Ok(Receipt::new())
        }
        fn is_available(&self) -> bool {
            panic!("scripted")
        }
    }
    let send = FanOut::builder(policy::quorum(1)).sink("a", Nervous).build().unwrap();
    let report = send.send(hello()).await;
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::NotEnoughAvailable));
}

#[tokio::test]
async fn each_sink_gets_its_own_message_and_a_mirror_none() {
    let (auth, data, mirror) = (MemorySink::new(), MemorySink::new(), MemorySink::new());
    let send = FanOut::builder(policy::all())
        .mirror("mirror", mirror.clone())
        .sink("auth", auth.clone())
        .sink("data", data.clone())
        .build()
        .unwrap();
    let report = send
        .send_each([("data", Message::text("user data")), ("auth", Message::text("credentials"))])
        .await
        .unwrap();
    assert!(report.is_satisfied());
    assert_eq!(auth.received()[0].payload().as_ref(), b"credentials");
    assert_eq!(data.received()[0].payload().as_ref(), b"user data");
    assert_eq!(report.message_id(), auth.received()[0].id());
    assert!(mirror.received().is_empty());
    assert!(matches!(
        report.get("mirror").unwrap().outcome(),
        Outcome::Skipped(SkipReason::NotNeeded)
    ));
}

#[tokio::test]
async fn messages_for_the_wrong_sinks_are_refused_and_nothing_is_sent() {
    let (a, b) = (MemorySink::new(), MemorySink::new());
    let send = FanOut::builder(policy::all())
        .sink("a", a.clone())
        .sink("b", b.clone())
        .mirror("m", MemorySink::new())
        .build()
        .unwrap();
    for (names, problem) in [
        (&["a"][..], "no message was given for this sink (sink: b)"),
        (&["a", "b", "c"], "there is no sink of this name (sink: c)"),
        (&["a", "b", "a"], "two messages were given for this sink (sink: a)"),
        (&["a", "b", "m"], "a mirror gets no message of its own (sink: m)"),
    ] {
        let messages = names.iter().map(|name| (*name, hello()));
        let error = send.send_each(messages).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Build, problem));
    }
    assert!(a.received().is_empty() && b.received().is_empty());
}

fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

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

#[tokio::test(start_paused = true)]
async fn a_nested_fan_out_answers_as_one_sink() {
    let answer = sink_fn(|_, _| async {
        Ok(Receipt::new()
            .with_status(Status::new(202, "Accepted"))
            .with_metadata(Metadata::from_iter([("x-id", "17")]))
            .with_body("b")
            .with_body_state(BodyState::Cut)
            .with_notice("deprecated")
            .with_accepted())
    });
    let inner = FanOut::builder(policy::first())
        .sink("x", Scripted::fails(Effect::None))
        .sink("y", answer)
        .build()
        .unwrap();
    let outer = FanOut::builder(policy::all()).sink("inner", inner).build().unwrap();
    let report = outer.send(hello()).await;
    let receipt = report.get("inner").unwrap().receipt().unwrap();
    assert_eq!((receipt.body().as_ref(), receipt.is_accepted()), (&b"b"[..], true));
    assert_eq!(receipt.status().unwrap().to_string(), "202 Accepted");
    assert_eq!(
        (receipt.metadata().get("x-id"), receipt.body_state()),
        (Some("17"), BodyState::Cut)
    );
    assert_eq!(receipt.notices().collect::<Vec<_>>(), ["deprecated"]);
    assert_eq!(receipt.report().unwrap().winner().unwrap().sink(), "y");
}

#[tokio::test(start_paused = true)]
async fn a_nested_failure_has_the_worst_effect_inside() {
    for (a, b, effect, advice) in [
        (Scripted::fails(Effect::None), Scripted::takes(), Effect::Done, RetryAdvice::Never),
        (
            Scripted::fails(Effect::None),
            Scripted::fails(Effect::Maybe),
            Effect::Maybe,
            RetryAdvice::Never,
        ),
        (
            Scripted::fails(Effect::None),
            Scripted::fails(Effect::None),
            Effect::None,
            RetryAdvice::Never,
        ),
    ] {
        let inner = fan_out(policy::all(), &[&a, &b]).build().unwrap();
        let outer = FanOut::builder(policy::all()).sink("inner", inner).build().unwrap();
        let report = outer.send(hello()).await;
        let error = report.get("inner").unwrap().error().unwrap();
        assert_eq!(
            (error.kind(), error.effect(), error.advice()),
            (ErrorKind::Unsatisfied, effect, advice)
        );
        assert!(report.get("inner").unwrap().report().is_some());
    }
    // Nothing happened at all: what the inner error advises may be done.
    let refused = sink_fn(|_, _| async { Err(Error::new(ErrorKind::Connect, "refused")) });
    let inner = FanOut::builder(policy::all()).sink("x", refused).build().unwrap();
    let outer = FanOut::builder(policy::all()).sink("inner", inner).build().unwrap();
    let report = outer.send(hello()).await;
    assert_eq!(report.get("inner").unwrap().error().unwrap().advice(), RetryAdvice::Backoff);
    // Something may have happened: whatever the inner error advises, not as a whole.
    let upstream = sink_fn(|_, _| async { Err(Error::new(ErrorKind::Upstream, "nonsense")) });
    let inner = FanOut::builder(policy::all()).sink("x", upstream).build().unwrap();
    let outer = FanOut::builder(policy::all()).sink("inner", inner).build().unwrap();
    let report = outer.send(hello()).await;
    assert_eq!(report.get("inner").unwrap().error().unwrap().advice(), RetryAdvice::Never);
}

#[tokio::test]
async fn the_answer_of_several_is_that_of_none() {
    let inner = FanOut::builder(policy::all())
        .sink("x", MemorySink::answering("x"))
        .sink("y", MemorySink::answering("y"))
        .build()
        .unwrap();
    let outer = FanOut::builder(policy::all()).sink("inner", inner).build().unwrap();
    let report = outer.send(hello()).await;
    let receipt = report.get("inner").unwrap().receipt().unwrap();
    assert!(receipt.body().is_empty() && receipt.report().unwrap().collect().len() == 2);
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
async fn a_nested_fan_out_that_is_dropped_tells_what_it_had_reached() {
    for (told, expected) in [(Effect::None, Effect::None), (Effect::Maybe, Effect::Maybe)] {
        let inner = fan_out(policy::all(), &[&Scripted::hangs().telling(told)]).build().unwrap();
        let outer = FanOut::builder(policy::first())
            .sink("inner", inner)
            .sink("fast", Scripted::takes().after(5))
            .build()
            .unwrap();
        let report = outer.send(hello()).await;
        let delivery = report.get("inner").unwrap();
        assert!(matches!(delivery.outcome(), Outcome::Cancelled));
        assert_eq!(delivery.effect(), expected);
        let inside = delivery.report().unwrap();
        assert_eq!(inside.verdict(), Verdict::Unsatisfied(Reason::Cancelled));
        assert_eq!(inside.get("a").unwrap().effect(), expected);
        assert_eq!(inside.get("a").unwrap().stop_reason(), Some(StopReason::CallerCancelled));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_beside_a_nested_fan_out_forgets_nothing_it_reached() {
    /// Sends to a fan-out, and panics beside it. No `async fn`, which would drop the fan-out's send in
    /// the panic already.
    struct Beside(FanOut);

    impl Sink for Beside {
        fn send<'s, 'm, 'a, 'f>(
            &'s self,
            message: &'m Message,
            attempt: &'a Attempt,
        ) -> Pin<Box<dyn Future<Output = Result<Receipt, Error>> + Send + 'f>>
        where
            's: 'f,
            'm: 'f,
            'a: 'f,
        {
            let panics = poll_fn(|_| -> Poll<()> { panic!("scripted") });
            Box::pin(select(Sink::send(&self.0, message, attempt), panics).map(|_| unreachable!()))
        }
    }

    for told in [Effect::None, Effect::Maybe, Effect::Done] {
        let inner = fan_out(policy::all(), &[&Scripted::hangs().telling(told)]).build().unwrap();
        let outer = FanOut::builder(policy::all()).sink("a", Beside(inner)).build().unwrap();
        let report = outer.send(hello()).await;
        let delivery = report.get("a").unwrap();
        assert_eq!(delivery.error().unwrap().kind(), ErrorKind::Panic);
        assert_eq!(delivery.effect(), told);
    }
}

#[tokio::test]
async fn a_fan_out_or_a_chain_answers_for_its_sinks() {
    /// May be sent to again.
    struct Repeatable;
    #[async_trait]
    impl Sink for Repeatable {
        async fn send(&self, _: &Message, _: &Attempt) -> Result<Receipt, Error> {
            Ok(Receipt::new())
        }
        fn is_repeatable(&self) -> bool {
            true
        }
    }
    let send = |first: Arc<dyn Sink>, second: Arc<dyn Sink>| {
        let builder = FanOut::builder(policy::all()).mirror("m", Repeatable);
        builder.sink("a", first).sink("b", second).build().unwrap()
    };
    let chain = |first: Arc<dyn Sink>, second: Arc<dyn Sink>| {
        Chain::builder().step("a", first).step("b", second).build().unwrap()
    };
    let (up, down) = (|| Arc::new(Repeatable) as _, || Arc::new(Unavailable) as _);
    for (sink, available, repeatable) in [
        (Box::new(send(up(), up())) as Box<dyn Sink>, true, true),
        (Box::new(send(down(), up())), true, false),
        (Box::new(send(down(), down())), false, false),
        (Box::new(chain(up(), down())), true, false),
        (Box::new(chain(down(), up())), false, false),
        (Box::new(chain(up(), up())), true, true),
    ] {
        assert_eq!((sink.is_available(), sink.is_repeatable()), (available, repeatable));
    }
    let closed = send(up(), up());
    closed.shutdown(ms(0)).await;
    assert!(!closed.is_available());
    let outer = FanOut::builder(policy::all()).sink("closed", closed).build().unwrap();
    let report = outer.send(hello()).await;
    let error = report.get("closed").unwrap().error().unwrap();
    assert_eq!((error.effect(), error.advice()), (Effect::None, RetryAdvice::OtherSink));
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

#[tokio::test(start_paused = true)]
async fn nested_detach_drains() {
    let inner = fan_out(policy::quorum(1), &[&Scripted::takes(), &Scripted::takes().after(50)]);
    let inner = inner.build().unwrap();
    let outer = FanOut::builder(policy::all()).sink("inner", inner.clone()).build().unwrap();
    let report = outer.send(hello()).await;
    assert_eq!((report.elapsed(), inner.detached()), (ms(50), 0));
    assert!(report.get("inner").unwrap().report().unwrap().get("b").unwrap().is_delivered());
}

#[tokio::test(start_paused = true)]
async fn a_nested_fan_out_keeps_the_deadline_around_it() {
    let inner = fan_out(policy::all(), &[&Scripted::hangs()]).build().unwrap();
    let outer =
        FanOut::builder(policy::all()).sink("inner", inner).deadline(ms(100)).build().unwrap();
    let report = outer.send(hello()).await;
    assert_eq!(
        (report.elapsed(), report.verdict()),
        (ms(100), Verdict::Unsatisfied(Reason::Deadline))
    );
    assert_eq!(report.get("inner").unwrap().effect(), Effect::Maybe);
}

#[tokio::test(start_paused = true)]
async fn the_earliest_deadline_reaches_every_sink() {
    let sees = |expected: u64| {
        let due = tokio::time::Instant::now() + ms(expected);
        sink_fn(move |_, attempt| async move {
            assert_eq!((attempt.deadline(), attempt.remaining()), (Some(due), Some(due - now())));
            tokio::time::sleep(ms(10)).await;
            assert_eq!(attempt.remaining(), Some(due - now()));
            Ok(Receipt::new())
        })
    };
    let shorter = FanOut::builder(policy::all()).sink("x", sees(50)).deadline(ms(50));
    let longer = FanOut::builder(policy::all()).sink("x", sees(100)).deadline(ms(500));
    let lifted = FanOut::builder(policy::all()).sink("x", sees(100)).no_deadline();
    let outer = FanOut::builder(policy::all())
        .sink("shorter", shorter.build().unwrap())
        .sink("longer", longer.build().unwrap())
        .sink("lifted", lifted.build().unwrap())
        .sink("flat", sees(100))
        .mirror("mirror", sees(100))
        .deadline(ms(100));
    let report = outer.build().unwrap().send(hello()).await.into_result().unwrap();
    assert!(report.get("mirror").unwrap().is_delivered());
    let relaxed = FanOut::builder(policy::all()).sink("a", MemorySink::new());
    let report = relaxed.mirror("mirror", sees(5_000)).build().unwrap().send(hello()).await;
    assert!(report.settled().await.get("mirror").unwrap().is_delivered());
}

#[tokio::test(start_paused = true)]
async fn a_mirror_ends_with_the_deadline_of_its_send() {
    let send = FanOut::builder(policy::all())
        .sink("a", MemorySink::new())
        .mirror("silent", Scripted::hangs())
        .mirror("untouched", Scripted::hangs().telling(Effect::None))
        .deadline(ms(1_000));
    let report = send.build().unwrap().send(hello()).await.settled().await;
    for (name, effect) in [("silent", Effect::Maybe), ("untouched", Effect::None)] {
        let delivery = report.get(name).unwrap();
        assert_eq!((delivery.elapsed(), delivery.effect()), (ms(1_000), effect));
        assert_eq!(delivery.error().unwrap().effect(), effect);
    }
}

#[tokio::test]
async fn the_key_of_an_own_message_is_the_key_of_that_message() {
    let send = FanOut::builder(policy::all())
        .sink("a", MemorySink::new())
        .sink("b", MemorySink::new())
        .build()
        .unwrap();
    let messages = [("a", hello()), ("b", hello())];
    let report = send.send_each(messages.clone()).await.unwrap();
    for (name, message) in messages {
        let alone = send.send(message).await;
        let key = |report: &Report| report.get(name).unwrap().idempotency_key();
        assert_eq!(key(&report), key(&alone));
    }
}

#[tokio::test]
async fn keys_differ_between_sinks_and_stay_for_a_message() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = || {
        let seen = Arc::clone(&seen);
        sink_fn(move |_, attempt| {
            seen.lock().unwrap().push(attempt.idempotency_key());
            std::future::ready(Ok(Receipt::new()))
        })
    };
    let inner = FanOut::builder(policy::all()).sink("a", sink()).build().unwrap();
    let send = FanOut::builder(policy::sequential())
        .sink("a", sink())
        .sink("b", sink())
        .sink("inner", inner)
        .build()
        .unwrap();
    let message = hello();
    let report = send.send(&message).await;
    let again = send.send(&message).await;
    let keys: Vec<_> = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(keys[..3], keys[3..], "the same message, the same keys");
    assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    assert_eq!(report.get("a").unwrap().idempotency_key(), keys[0]);
    let nested = again.get("inner").unwrap().report().unwrap();
    assert_eq!(nested.get("a").unwrap().idempotency_key(), keys[2]);
    send.send(hello()).await.into_result().unwrap();
    assert!(!keys.contains(&seen.lock().unwrap()[0]), "another message, other keys");
    // Version 8, variant 10.
    let bits = keys[0].as_u128();
    assert_eq!((bits >> 76 & 0xf, bits >> 62 & 0b11), (8, 0b10));
}

#[test]
fn a_fan_out_that_makes_no_sense_is_refused() {
    let sink = MemorySink::new;
    let all = || FanOut::builder(policy::all());
    assert_eq!(all().build().unwrap_err(), BuildError::NoRequiredSinks);
    assert_eq!(all().mirror("m", sink()).build().unwrap_err(), BuildError::NoRequiredSinks);
    assert_eq!(
        all().sink("a", sink()).mirror("a", sink()).build().unwrap_err(),
        BuildError::DuplicateName { name: "a".to_owned() }
    );
    for name in ["", " ", "a\nb"] {
        let error = all().sink(name, sink()).build().unwrap_err();
        assert_eq!(error, BuildError::BadName { name: name.to_owned() });
    }
    let zero = all().sink("a", sink()).deadline(ms(0)).build().unwrap_err();
    assert_eq!(zero.to_string(), "the deadline must be longer than zero");
    for (needed, policy) in [(0, policy::quorum(0)), (3, policy::quorum(3))] {
        let builder = FanOut::builder(policy).sink("a", sink()).sink("b", sink());
        let expected = BuildError::Policy { policy: "quorum", needed, required: 2 };
        assert_eq!(builder.build().unwrap_err(), expected);
    }
    let settled = FanOut::builder(policy::all_settled().min_success(2)).sink("a", sink());
    assert!(settled.build().is_err());
    let error = Error::from(BuildError::NoRequiredSinks);
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None));
}
