//! Sending again by what was kept, and a send that is stopped.

use std::sync::{Arc, Mutex};

use fanout::policy::{self, FanOutPolicy, OnAmbiguous};
use fanout::{
    Attempt, Effect, Error, ErrorKind, FanOut, MemorySink, Message, Outcome, Receipt, ResendToken,
    Role, Sink, SkipReason, Standing, StopReason, async_trait,
};
use tokio::time::sleep;

use crate::support::{Scripted, fan_out, hello, ms};

/// Answers in turn, the last answer for ever, and notes the keys.
#[derive(Clone)]
struct Turns {
    answers: Arc<Mutex<Vec<Option<Effect>>>>,
    keys: Arc<Mutex<Vec<String>>>,
}

/// `None` takes the message; an effect is a failure with it.
fn turns(answers: &[Option<Effect>]) -> Turns {
    let answers = answers.iter().rev().copied().collect();
    Turns { answers: Arc::new(Mutex::new(answers)), keys: Arc::default() }
}

impl Turns {
    fn sends(&self) -> usize {
        self.keys.lock().unwrap().len()
    }
}

#[async_trait]
impl Sink for Turns {
    async fn send(&self, _: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        self.keys.lock().unwrap().push(attempt.idempotency_key().to_string());
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop().unwrap() } else { answers[0] };
        match answer {
            None => Ok(Receipt::new()),
            Some(effect) => Err(Error::new(ErrorKind::Upstream, "down").with_effect(effect)),
        }
    }
}

fn three(policy: impl FanOutPolicy + 'static, sinks: [&Turns; 3]) -> FanOut {
    let named = sinks.into_iter().zip(["a", "b", "c"]);
    named.fold(FanOut::builder(policy), |b, (s, name)| b.sink(name, s.clone())).build().unwrap()
}

/// What another process reads of it.
fn kept(token: &ResendToken) -> ResendToken {
    serde_json::from_str(&serde_json::to_string(token).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_sends_to_those_that_miss_the_message_with_the_same_keys() {
    let (a, b, c) =
        (turns(&[None]), turns(&[Some(Effect::None), None]), turns(&[Some(Effect::Maybe), None]));
    let mirror = MemorySink::new();
    let builder = FanOut::builder(policy::all()).mirror("m", mirror.clone());
    let send = builder.sink("a", a.clone()).sink("b", b.clone()).sink("c", c.clone());
    let send = send.build().unwrap();
    let message = hello();
    let token = kept(&send.send(&message).await.resend_token());
    assert_eq!(token.missing().collect::<Vec<_>>(), ["b", "c"]);
    let text = serde_json::to_value(&token).unwrap();
    let expected = serde_json::json!({
        "message_id": message.id().to_string(),
        "sinks": [
            { "sink": "a", "standing": "delivered" },
            { "sink": "b", "standing": "unsent" },
            { "sink": "c", "standing": "ambiguous" },
        ],
    });
    assert_eq!(text, expected);

    // As in another process: the bytes and the id are all there is of the message.
    let again = Message::bytes(message.payload().clone()).with_id(token.message_id());
    let report = send.resend_by(again, &token).await.unwrap();
    assert!(report.is_satisfied());
    assert_eq!((a.sends(), b.sends(), c.sends(), mirror.received().len()), (1, 2, 2, 1));
    for sink in [&b, &c] {
        let keys = sink.keys.lock().unwrap();
        assert_eq!(keys[0], keys[1]);
    }
    assert!(report.resend_token().missing().next().is_none());
}

#[tokio::test]
async fn what_is_held_is_left_alone() {
    let (a, b, c) =
        (turns(&[None]), turns(&[Some(Effect::None), None]), turns(&[Some(Effect::Maybe), None]));
    for policy in [policy::all(), policy::all().fail_fast()] {
        let send = three(policy, [&a, &b, &c]);
        let message = hello();
        let token = send.send(&message).await.settled().await.resend_token();
        let token = token.hold_ambiguous(|sink| sink == "c");
        let before = c.sends();
        let report = send.resend_by(&message, &kept(&token)).await.unwrap().settled().await;
        assert!(report.get("b").unwrap().is_delivered());
        assert_eq!(c.sends(), before);
        assert_eq!(report.get("c").unwrap().effect(), Effect::Maybe);
        assert!(!report.is_satisfied());
        *b.answers.lock().unwrap() = vec![None, Some(Effect::None)];
        *c.answers.lock().unwrap() = vec![None, Some(Effect::Maybe)];
    }
}

#[tokio::test]
async fn a_policy_that_held_without_a_sink_still_sends_to_it_again() {
    for policy in [
        Box::new(policy::quorum(2)) as Box<dyn FanOutPolicy>,
        Box::new(policy::majority()),
        Box::new(policy::all_settled().min_success(1)),
    ] {
        let (a, b, c) = (turns(&[None]), turns(&[Some(Effect::None), None]), turns(&[None]));
        let send = three(policy, [&a, &b, &c]);
        let message = hello();
        let report = send.send(&message).await.settled().await;
        assert!(report.is_satisfied());
        let report = send.resend_by(&message, &report.resend_token()).await.unwrap();
        let report = report.settled().await;
        assert!(report.is_satisfied() && report.get("b").unwrap().is_delivered(), "{report}");
        assert_eq!((a.sends(), b.sends(), c.sends()), (1, 2, 1));
    }
}

#[tokio::test]
async fn a_policy_that_goes_in_turn_goes_on_in_turn() {
    let none = Some(Effect::None);
    let (a, b, c) = (turns(&[none, none]), turns(&[none, None]), turns(&[none, None]));
    let send = three(policy::fallback(OnAmbiguous::Stop), [&a, &b, &c]);
    let message = hello();
    let token = send.send(&message).await.resend_token();
    assert!(send.resend_by(&message, &token).await.unwrap().is_satisfied());
    assert_eq!((a.sends(), b.sends(), c.sends()), (2, 2, 1), "one takes it, and that is enough");

    // What may have the message is the only one that is sent to; the one behind it stays out.
    let (a, b, c) = (turns(&[Some(Effect::Maybe), none]), turns(&[None]), turns(&[None]));
    let send = three(policy::fallback(OnAmbiguous::Stop), [&a, &b, &c]);
    let token = send.send(&message).await.resend_token();
    let standings: Vec<_> = token.sinks().map(|(_, standing)| standing).collect();
    assert_eq!(standings, [Standing::Ambiguous, Standing::LeftOut, Standing::LeftOut]);
    let report = send.resend_by(&message, &token).await.unwrap();
    assert!(!report.is_satisfied());
    assert_eq!((a.sends(), b.sends(), c.sends()), (2, 0, 0));
}

#[tokio::test]
async fn a_token_of_something_else_is_refused() {
    let (a, b) = (Scripted::takes(), Scripted::fails(Effect::None));
    let both = fan_out(policy::all(), &[&a, &b]).build().unwrap();
    let one = fan_out(policy::all(), &[&a]).build().unwrap();
    let message = hello();
    let token = both.send(&message).await.resend_token();
    let check = |error: Error, expected: &str| assert!(error.to_string().starts_with(expected));
    let other = both.resend_by(hello(), &token).await.unwrap_err();
    check(other, "the token is of another message");
    let fewer = one.resend_by(&message, &token).await.unwrap_err();
    assert_eq!(fewer.to_string(), "the token is of other sinks (sink: b)");
    let token = one.send(&message).await.resend_token();
    let more = both.resend_by(&message, &token).await.unwrap_err();
    assert_eq!(more.to_string(), "the token is of other sinks (sink: b)");
    assert_eq!(b.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_send_says_how_far_each_sink_had_come() {
    let (fast, silent) = (Scripted::takes().after(10), Scripted::hangs());
    let telling = Scripted::hangs().telling(Effect::None);
    let send = fan_out(policy::all(), &[&fast, &silent, &telling]).build().unwrap();
    let report = send.send_until(hello(), sleep(ms(50))).await;
    assert_eq!(report.verdict().to_string(), "unsatisfied, the send was called off");
    let effects: Vec<_> = report.deliveries().iter().map(|delivery| delivery.effect()).collect();
    assert_eq!(effects, [Effect::Done, Effect::Maybe, Effect::None]);
    for name in ["b", "c"] {
        let delivery = report.get(name).unwrap();
        assert!(matches!(delivery.outcome(), Outcome::Cancelled));
        assert_eq!(delivery.stop_reason(), Some(StopReason::CallerCancelled));
    }
    assert_eq!((silent.dropped(), telling.dropped()), (1, 1));
    let missing: Vec<_> = report.resend_token().missing().map(str::to_owned).collect();
    assert_eq!(missing, ["b", "c"]);

    // What waits is skipped, and a stop that comes late changes nothing.
    let send = fan_out(policy::sequential(), &[&silent, &fast]).build().unwrap();
    let report = send.send_until(hello(), std::future::ready(())).await;
    let skipped = report.get("b").unwrap().outcome();
    assert!(matches!(skipped, Outcome::Skipped(SkipReason::Cancelled)), "{skipped:?}");
    let send = fan_out(policy::all(), &[&Scripted::takes()]).build().unwrap();
    assert!(send.send_until(hello(), std::future::ready(())).await.is_satisfied());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_resend_does_not_forget_the_earlier_one() {
    let (a, b) = (turns(&[None]), Scripted::hangs().telling(Effect::None));
    let send = FanOut::builder(policy::all()).sink("a", a.clone()).sink("b", b).build().unwrap();
    let message = hello();
    let report = send.send_until(&message, sleep(ms(50))).await;
    let token = report.resend_token();
    let stopped = send.resend_by_until(&message, &token, sleep(ms(50))).await.unwrap();
    assert!(stopped.get("a").unwrap().is_delivered());
    assert_eq!(stopped.resend_token(), token);
    assert_eq!(a.sends(), 1);
    assert_eq!(send.is_sink_repeatable("a"), Some(false));
    assert_eq!(send.is_sink_repeatable("z"), None);
    assert_eq!((send.sink_role("a"), send.sink_role("z")), (Some(Role::Required), None));
}
