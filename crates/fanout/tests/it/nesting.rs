//! A message for each, nesting, keys, and what is refused at build.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use fanout::policy::{self, Reason, Verdict};
use fanout::{
    ApiNotice, Attempt, BodyState, BuildError, Chain, Effect, Error, ErrorKind, FanOut, MemorySink,
    Message, Metadata, Outcome, Receipt, Report, RetryAdvice, Sink, SkipReason, Status, StopReason,
    async_trait, sink_fn,
};
use futures_util::FutureExt as _;
use futures_util::future::select;

use crate::support::{Scripted, Unavailable, fan_out, hello, ms};

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

#[tokio::test(start_paused = true)]
async fn a_nested_fan_out_answers_as_one_sink() {
    let answer = sink_fn(|_, _| async {
        Ok(Receipt::new()
            .with_status(Status::new(202, "Accepted"))
            .with_metadata(Metadata::from_iter([("x-id", "17")]))
            .with_body("b")
            .with_body_state(BodyState::Cut)
            .with_notice("deprecated")
            .with_api(ApiNotice::new().with_deprecated())
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
    assert!(receipt.api().is_some_and(ApiNotice::is_deprecated));
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
