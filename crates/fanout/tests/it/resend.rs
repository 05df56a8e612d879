//! Sending again: to those that miss the message, and to no other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use fanout::policy::{self, FanOutPolicy, OnAmbiguous, Reason, Verdict};
use fanout::{
    Attempt, Completeness, Effect, Error, ErrorKind, FanOut, MemorySink, Message, Outcome, Receipt,
    Sink, SkipReason, async_trait,
};

use crate::support::{Scripted, fan_out, hello, ms};

/// Fails until it is told not to.
#[derive(Clone)]
struct Switch {
    up: Arc<AtomicBool>,
    effect: Effect,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Switch {
    fn down(effect: Effect) -> Self {
        Self { up: Arc::default(), effect, keys: Arc::default() }
    }

    fn up() -> Self {
        Self { up: Arc::new(AtomicBool::new(true)), ..Self::down(Effect::None) }
    }
}

#[async_trait]
impl Sink for Switch {
    async fn send(&self, _: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        self.keys.lock().unwrap().push(attempt.idempotency_key().to_string());
        match self.up.load(Ordering::SeqCst) {
            true => Ok(Receipt::new()),
            false => Err(Error::new(ErrorKind::Upstream, "down").with_effect(self.effect)),
        }
    }
}

#[tokio::test]
async fn a_resend_reaches_those_that_miss_the_message_and_no_other() {
    let (a, b, c) = (MemorySink::new(), Switch::down(Effect::None), Switch::down(Effect::Maybe));
    let mirror = MemorySink::new();
    let send = FanOut::builder(policy::all())
        .mirror("m", mirror.clone())
        .sink("a", a.clone())
        .sink("b", b.clone())
        .sink("c", c.clone())
        .build()
        .unwrap();
    let message = hello();
    let report = send.send(&message).await.settled().await;
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::SinkFailed));
    let left = report.resend();
    assert_eq!(left.unsent.iter().map(|d| d.sink()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(left.ambiguous.iter().map(|d| d.sink()).collect::<Vec<_>>(), ["c"]);

    b.up.store(true, Ordering::SeqCst);
    let report = send.resend(&message, report).await.unwrap();
    assert_eq!(report.get("b").unwrap().attempts(), 1);
    assert!(report.get("a").unwrap().is_delivered() && report.get("b").unwrap().is_delivered());
    assert_eq!(report.get("c").unwrap().effect(), Effect::Maybe);

    c.up.store(true, Ordering::SeqCst);
    let report = send.resend(&message, report).await.unwrap();
    assert!(report.is_satisfied());
    assert_eq!(report.completeness(), Completeness::Full);
    assert_eq!((a.received().len(), mirror.received().len()), (1, 1));
    let keys = |switch: &Switch| switch.keys.lock().unwrap().clone();
    assert_eq!((keys(&b).len(), keys(&c).len()), (2, 3));
    assert!(keys(&c).iter().all(|key| *key == keys(&c)[0]));
}

#[tokio::test(start_paused = true)]
async fn an_effect_of_an_earlier_send_is_not_forgotten() {
    let (a, b) = (Switch::down(Effect::Maybe), Scripted::takes());
    let send = FanOut::builder(policy::fallback(OnAmbiguous::Stop))
        .sink("a", a.clone())
        .sink("b", b.clone())
        .build()
        .unwrap();
    let message = hello();
    let report = send.send(&message).await;
    // The second time it is surely not applied; the first time it may have been.
    let refusing = Switch { effect: Effect::None, ..a };
    let send = FanOut::builder(policy::fallback(OnAmbiguous::Stop))
        .sink("a", refusing)
        .sink("b", b.clone())
        .build()
        .unwrap();
    let report = send.resend(&message, report).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Ambiguous));
    assert_eq!((report.get("a").unwrap().effect(), b.started()), (Effect::Maybe, 0));
}

#[tokio::test(start_paused = true)]
async fn a_resend_of_something_else_is_refused() {
    let send = fan_out(policy::quorum(1), &[&Scripted::takes(), &Scripted::takes().after(5)]);
    let send = send.build().unwrap();
    let message = hello();
    let report = send.send(&message).await;
    let error = send.resend(hello(), report).await.unwrap_err();
    assert!(error.to_string().starts_with("the report is of another message (message: "));
    let report = send.send(&message).await;
    let error = send.resend(&message, report).await.unwrap_err();
    assert!(error.to_string().starts_with("a send still goes on"), "{error}");
    let other = fan_out(policy::all(), &[&Scripted::takes()]).build().unwrap();
    let report = other.send(&message).await;
    let error = send.resend(&message, report).await.unwrap_err();
    assert_eq!(error.to_string(), "the report is of other sinks (sink: b)");
}

/// A fan-out to these sinks, named `a`, `b` and `c`.
fn switches(policy: impl FanOutPolicy + 'static, sinks: [&Switch; 3]) -> FanOut {
    let builder = sinks.into_iter().zip(["a", "b", "c"]);
    builder.fold(FanOut::builder(policy), |b, (s, name)| b.sink(name, s.clone())).build().unwrap()
}

fn sends(switch: &Switch) -> usize {
    switch.keys.lock().unwrap().len()
}

#[tokio::test]
async fn what_settled_in_the_earlier_send_came_first() {
    let (a, b, c) = (Switch::down(Effect::None), Switch::down(Effect::None), Switch::up());
    let send = switches(policy::all(), [&a, &b, &c]);
    let message = hello();
    let report = send.send(&message).await;
    a.up.store(true, Ordering::SeqCst);
    let report = send.resend(&message, report).await.unwrap();
    assert_eq!(report.winner().unwrap().sink(), "c", "it took the message in the first send");
    let order: Vec<_> = report.completion_order().iter().map(|d| d.sink().to_owned()).collect();
    assert_eq!(order, ["c", "a", "b"]);
}

#[tokio::test]
async fn a_resent_fallback_never_leaves_the_sink_that_has_the_message() {
    for on_ambiguous in [OnAmbiguous::Stop, OnAmbiguous::Proceed] {
        let (a, b, c) = (Switch::down(Effect::Done), Switch::up(), Switch::up());
        let send = switches(policy::fallback(on_ambiguous), [&a, &b, &c]);
        let message = hello();
        let mut report = send.send(&message).await;
        for _ in 0..2 {
            assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Ambiguous));
            assert_eq!((sends(&a), sends(&b), sends(&c)), (1, 0, 0));
            report = send.resend(&message, report).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_resent_fallback_begins_with_the_sink_that_may_have_the_message() {
    for (on_ambiguous, expected) in [(OnAmbiguous::Stop, (1, 2)), (OnAmbiguous::Proceed, (2, 1))] {
        let (a, b, c) =
            (Switch::down(Effect::None), Switch::down(Effect::Maybe), Switch::down(Effect::None));
        let send = switches(policy::fallback(on_ambiguous), [&a, &b, &c]);
        let message = hello();
        let report = send.send(&message).await;
        a.up.store(true, Ordering::SeqCst);
        b.up.store(true, Ordering::SeqCst);
        let report = send.resend(&message, report).await.unwrap();
        assert!(report.is_satisfied());
        assert_eq!((sends(&a), sends(&b)), expected, "{on_ambiguous:?}");
    }
    // One may have it, and one has it, which nothing may replace.
    let (a, b, c) =
        (Switch::down(Effect::Maybe), Switch::down(Effect::Done), Switch::down(Effect::None));
    let message = hello();
    let report = switches(policy::all(), [&a, &b, &c]).send(&message).await;
    let send = switches(policy::fallback(OnAmbiguous::Stop), [&a, &b, &c]);
    let report = send.resend(&message, report).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Ambiguous));
    assert_eq!((sends(&a), sends(&b), sends(&c)), (1, 1, 1));
}

#[tokio::test]
async fn messages_of_their_own_are_not_sent_again_as_one() {
    let (auth, data) = (MemorySink::new(), Switch::down(Effect::None));
    let send = FanOut::builder(policy::all())
        .sink("auth", auth)
        .sink("data", data.clone())
        .build()
        .unwrap();
    let credentials = Message::text("credentials");
    let messages = [("auth", credentials.clone()), ("data", Message::text("user data"))];
    let report = send.send_each(messages).await.unwrap();
    let error = send.resend(&credentials, report).await.unwrap_err();
    assert_eq!(error.to_string(), "each sink got a message of its own");
    assert_eq!(sends(&data), 1, "the data sink never sees the credentials");
}

#[tokio::test]
async fn a_resent_quorum_counts_what_was_delivered_as_available() {
    let (a, b, c) = (Switch::up(), Switch::down(Effect::None), Switch::up());
    let send = switches(policy::quorum(3), [&a, &b, &c]);
    let message = hello();
    let report = send.send(&message).await.settled().await;
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Impossible));
    b.up.store(true, Ordering::SeqCst);
    assert!(send.resend(&message, report).await.unwrap().is_satisfied());
    assert_eq!(sends(&a), 1);
}

#[tokio::test]
async fn a_report_of_another_role_is_refused() {
    let builder = || FanOut::builder(policy::all()).sink("a", MemorySink::new());
    let mirrored = builder().mirror("b", MemorySink::new()).build().unwrap();
    let required = builder().sink("b", MemorySink::new()).build().unwrap();
    let message = hello();
    let report = mirrored.send(&message).await.settled().await;
    let error = required.resend(&message, report).await.unwrap_err();
    assert_eq!(error.to_string(), "the report is of other sinks (sink: b)");
}

#[tokio::test]
async fn a_report_of_more_sinks_is_refused() {
    let (a, b) = (Scripted::takes(), Scripted::fails(Effect::None));
    let more = fan_out(policy::all(), &[&a, &b]).build().unwrap();
    let fewer = fan_out(policy::all(), &[&a]).build().unwrap();
    let message = hello();
    let report = more.send(&message).await;
    let error = fewer.resend(&message, report).await.unwrap_err();
    assert_eq!(error.to_string(), "the report is of other sinks (sink: b)");
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_goes_on_is_told_of_after_the_resend_too() {
    let (a, mirror) = (Switch::down(Effect::None), Scripted::takes().after(1_000));
    let slow = Scripted::takes().after(2_000);
    let send = FanOut::builder(policy::quorum(1))
        .mirror("m", mirror.clone())
        .sink("a", a.clone())
        .build()
        .unwrap();
    let message = hello();
    let report = send.send(&message).await;
    a.up.store(true, Ordering::SeqCst);
    let report = send.resend(&message, report).await.unwrap();
    assert!(report.is_satisfied());
    assert!(matches!(report.get("m").unwrap().outcome(), Outcome::Pending));
    let report = report.settled().await;
    assert!(report.get("m").unwrap().is_delivered());
    assert_eq!((mirror.started(), report.get("m").unwrap().elapsed()), (1, ms(1_000)));

    // The same where the resend itself detaches.
    let both = || {
        FanOut::builder(policy::quorum(1))
            .mirror("m", mirror.clone())
            .sink("a", a.clone())
            .sink("slow", slow.clone())
    };
    a.up.store(false, Ordering::SeqCst);
    let (first, second) = (both().rest(policy::Rest::Cancel), both());
    let report = first.deadline(ms(500)).build().unwrap().send(&message).await;
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Deadline));
    a.up.store(true, Ordering::SeqCst);
    let report = second.build().unwrap().resend(&message, report).await.unwrap().settled().await;
    assert!(report.get("a").unwrap().is_delivered() && report.get("slow").unwrap().is_delivered());
}

#[tokio::test]
async fn a_resend_through_a_nested_fan_out_keeps_the_keys() {
    let a = Switch::down(Effect::None);
    let inner = FanOut::builder(policy::all()).sink("a", a.clone()).build().unwrap();
    let outer = FanOut::builder(policy::all()).sink("inner", inner.clone()).build().unwrap();
    let message = hello();
    for _ in 0..2 {
        let report = outer.send(&message).await;
        outer.resend(&message, report).await.unwrap();
    }
    let keys = a.keys.lock().unwrap().clone();
    assert_eq!(keys.len(), 4);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn what_the_policy_ruled_out_is_not_left_to_send() {
    let (a, b) = (Scripted::fails(Effect::Maybe), Scripted::takes());
    let send = fan_out(policy::fallback(OnAmbiguous::Stop), &[&a, &b]).build().unwrap();
    let report = send.send(hello()).await;
    assert!(matches!(report.get("b").unwrap().outcome(), Outcome::Skipped(SkipReason::Ambiguous)));
    let left = report.resend();
    assert!(left.unsent.is_empty(), "going on to b was held to be a risk");
    assert_eq!(left.ambiguous[0].sink(), "a");

    let send = fan_out(policy::first(), &[&Scripted::hangs(), &Scripted::takes()]);
    let report = send.build().unwrap().send(hello()).await;
    let left = report.resend();
    assert!(left.unsent.is_empty() && left.ambiguous.is_empty(), "the loser is not needed");
}
