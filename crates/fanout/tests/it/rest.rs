//! What becomes of sends in flight at the verdict, at the deadline, at a drop, at a shutdown.

use std::sync::{Arc, Mutex};

use fanout::policy::{self, Decision, FanOutPolicy, Progress, Reason, Rest, Start, Verdict};
use fanout::{
    Completeness, Effect, ErrorKind, FanOut, Message, Outcome, Reach, Receipt, SkipReason,
    StopReason, TimeoutScope, sink_fn,
};
use futures_util::FutureExt as _;
use tokio::runtime::Handle;

use crate::support::{Scripted, failure, fan_out, hello, ms};

fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Lets every task that can run do so.
async fn settle_down() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_loser_is_on_record_before_the_report_is_given() {
    let a = Scripted::takes().after(5);
    let untouched = Scripted::hangs().telling(Effect::None);
    let written = Scripted::hangs().telling(Effect::Maybe);
    let silent = Scripted::hangs();
    let sinks = [&a, &untouched, &written, &silent];
    let report = fan_out(policy::first(), &sinks).build().unwrap().send(hello()).await;
    let told = |name| {
        let delivery = report.get(name).unwrap();
        assert!(matches!(delivery.outcome(), Outcome::Cancelled));
        assert_eq!(delivery.stop_reason(), Some(StopReason::PolicyDecided));
        delivery.effect()
    };
    assert_eq!([told("b"), told("c"), told("d")], [Effect::None, Effect::Maybe, Effect::Maybe]);
    assert_eq!((untouched.dropped(), written.dropped(), silent.dropped()), (1, 1, 1));
    assert_eq!(alive(), 0, "nothing is detached");
}

#[tokio::test(start_paused = true)]
async fn what_was_told_is_believed_and_never_taken_back() {
    let back = sink_fn(|_, attempt| async move {
        assert_eq!(attempt.reached(Effect::Maybe), Reach::Proceed);
        assert_eq!(attempt.reached(Effect::None), Reach::Proceed);
        std::future::pending().await
    });
    let send = FanOut::builder(policy::first())
        .sink("back", back)
        .sink("done", Scripted::hangs().telling(Effect::Done))
        .sink("fast", Scripted::takes().after(5))
        .build()
        .unwrap();
    let report = send.send(hello()).await;
    let effect = |name| report.get(name).unwrap().effect();
    assert_eq!((effect("back"), effect("done")), (Effect::Maybe, Effect::Done));
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_the_others_and_keeps_the_verdict() {
    let (a, b) = (Scripted::fails(Effect::None).after(5), Scripted::takes().after(50));
    let send = fan_out(policy::all().fail_fast(), &[&a, &b]).rest(Rest::Drain).build().unwrap();
    let report = send.send(hello()).await;
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::SinkFailed));
    assert!(report.get("b").unwrap().is_delivered());
    assert_eq!(report.elapsed(), ms(50));
}

#[tokio::test(start_paused = true)]
async fn detach_gives_the_verdict_now_and_the_rest_later() {
    let (a, b, c) = (Scripted::takes(), Scripted::takes().after(5), Scripted::takes().after(50));
    let send = fan_out(policy::quorum(2), &[&a, &b, &c]).build().unwrap();
    let report = send.send(hello()).await;
    assert_eq!((report.elapsed(), report.verdict()), (ms(5), Verdict::Satisfied));
    assert!(matches!(report.get("c").unwrap().outcome(), Outcome::Pending));
    assert_eq!(report.completeness(), Completeness::Unknown);
    assert_eq!((report.get("c").unwrap().effect(), send.detached()), (Effect::Maybe, 1));
    let under_way = report.get("c").unwrap();
    assert_eq!((under_way.attempts(), under_way.started()), (1, Some(ms(0))));
    assert_eq!(under_way.stop_reason(), None);
    let report = report.settled().await;
    assert!(report.get("c").unwrap().is_delivered());
    assert_eq!(report.get("c").unwrap().elapsed(), ms(50));
    assert_eq!((report.completeness(), c.completed()), (Completeness::Full, 1));
    let order: Vec<_> = report.completion_order().iter().map(|d| d.sink().to_owned()).collect();
    assert_eq!(order, ["a", "b", "c"]);
    settle_down().await;
    assert_eq!((send.detached(), alive()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn above_the_limit_a_send_drains_instead_and_is_counted() {
    let (a, b) = (Scripted::takes(), Scripted::takes().after(1_000));
    let send = fan_out(policy::quorum(1), &[&a, &b]).build().unwrap();
    for _ in 0..1_024 {
        assert!(matches!(send.send(hello()).await.get("b").unwrap().outcome(), Outcome::Pending));
    }
    assert_eq!((send.detached(), send.detach_overflows()), (1_024, 0));
    let report = send.send(hello()).await;
    assert!(report.get("b").unwrap().is_delivered());
    assert_eq!((report.elapsed(), send.detach_overflows()), (ms(1_000), 1));
    settle_down().await;
    assert_eq!(send.detached(), 0);
    assert!(matches!(send.send(hello()).await.get("b").unwrap().outcome(), Outcome::Pending));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_keeps_what_is_done_and_ends_the_rest() {
    let (a, b) = (Scripted::takes(), Scripted::takes().after(10));
    let (c, d) = (Scripted::hangs(), Scripted::hangs().telling(Effect::None));
    let send = fan_out(policy::all(), &[&a, &b, &c, &d]).deadline(ms(100)).build().unwrap();
    let report = send.send(hello()).await;
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Deadline));
    assert_eq!(report.elapsed(), ms(100));
    assert!(report.get("a").unwrap().is_delivered() && report.get("b").unwrap().is_delivered());
    let error = report.get("c").unwrap().error().unwrap();
    assert_eq!((error.kind(), error.scope()), (ErrorKind::Timeout, Some(TimeoutScope::FanOut)));
    assert_eq!(report.get("c").unwrap().effect(), Effect::Maybe);
    assert_eq!(report.get("d").unwrap().effect(), Effect::None);
    assert_eq!(report.get("c").unwrap().stop_reason(), Some(StopReason::DeadlineWouldPass));
    assert_eq!((c.dropped(), d.dropped(), alive()), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_what_waits_is_skipped_and_the_policy_has_the_last_word() {
    let (a, b) = (Scripted::hangs(), Scripted::takes());
    let send = fan_out(policy::sequential(), &[&a, &b]).deadline(ms(100)).build().unwrap();
    let report = send.send(hello()).await;
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Deadline));
    let skipped = report.get("b").unwrap();
    assert!(matches!(skipped.outcome(), Outcome::Skipped(SkipReason::Deadline)));
    assert_eq!(skipped.stop_reason(), Some(StopReason::DeadlineWouldPass));
    let send = fan_out(policy::all_settled().min_success(1), &[&a, &b]).deadline(ms(100));
    assert_eq!(send.build().unwrap().send(hello()).await.verdict(), Verdict::Satisfied);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_there_at_the_deadline_counts() {
    let (a, b) = (Scripted::takes().after(100), Scripted::takes().after(100));
    let send = fan_out(policy::all(), &[&a, &b]).deadline(ms(100)).build().unwrap();
    assert_eq!(send.send(hello()).await.verdict(), Verdict::Satisfied);
    // And so does a refusal: it is no timeout.
    let refuses = Scripted::fails(Effect::None).after(100);
    let send = fan_out(policy::all(), &[&a, &refuses]).deadline(ms(100)).build().unwrap();
    let report = send.send(hello()).await;
    assert_eq!(report.get("b").unwrap().error().unwrap().kind(), ErrorKind::Rejected);
    assert_eq!(report.get("b").unwrap().stop_reason(), Some(StopReason::NotRetryable));
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_once_the_deadline_has_come() {
    let (a, b) = (Scripted::takes().after(100), Scripted::takes());
    let send = fan_out(policy::sequential(), &[&a, &b]).deadline(ms(100)).build().unwrap();
    let report = send.send(hello()).await;
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Deadline));
    assert!(report.get("a").unwrap().is_delivered());
    assert_eq!(b.started(), 0);
}

#[tokio::test(start_paused = true)]
async fn detached_sends_end_at_the_deadline_of_their_send() {
    let (a, b) = (Scripted::takes(), Scripted::hangs());
    let send = fan_out(policy::quorum(1), &[&a, &b]).deadline(ms(100)).build().unwrap();
    let report = send.send(hello()).await.settled().await;
    assert_eq!(report.verdict(), Verdict::Satisfied);
    assert_eq!(report.get("b").unwrap().error().unwrap().scope(), Some(TimeoutScope::FanOut));
    assert_eq!(report.get("b").unwrap().elapsed(), ms(100));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_keeps_the_deadline_itself_is_a_timeout_of_the_fan_out_too() {
    let polite = sink_fn(|_, attempt| async move {
        tokio::time::sleep_until(attempt.deadline().unwrap()).await;
        Err(fanout::Error::timeout(TimeoutScope::Attempt, "no answer").with_effect(Effect::None))
    });
    let send = FanOut::builder(policy::all()).sink("a", polite).deadline(ms(100)).build().unwrap();
    let report = send.send(hello()).await;
    assert_eq!(report.get("a").unwrap().error().unwrap().scope(), Some(TimeoutScope::FanOut));
    assert_eq!(report.get("a").unwrap().effect(), Effect::None);
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Deadline));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_lifted_never_comes() {
    let a = Scripted::takes().after(3_600_000);
    let report = fan_out(policy::all(), &[&a]).no_deadline().build().unwrap().send(hello()).await;
    assert_eq!((report.verdict(), report.elapsed()), (Verdict::Satisfied, ms(3_600_000)));
    let report = fan_out(policy::all(), &[&a]).build().unwrap().send(hello()).await;
    assert_eq!(report.elapsed(), ms(35_000), "the default");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_send_leaves_nothing_behind_and_nothing_may_be_written_any_more() {
    let kept = Arc::new(Mutex::new(None));
    let sink = {
        let kept = Arc::clone(&kept);
        sink_fn(move |_, attempt| {
            *kept.lock().unwrap() = Some(attempt);
            std::future::pending::<Result<Receipt, fanout::Error>>()
        })
    };
    let b = Scripted::hangs();
    let send = FanOut::builder(policy::all()).sink("a", sink).sink("b", b.clone()).build().unwrap();
    tokio::select! {
        biased;
        _ = send.send(hello()) => unreachable!("the sinks hang"),
        () = tokio::time::sleep(ms(5)) => {}
    }
    let attempt = kept.lock().unwrap().take().unwrap();
    assert_eq!(attempt.reached(Effect::Maybe), Reach::Abandoned);
    assert_eq!((b.dropped(), alive(), send.detached()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_has_ended_may_not_write_any_more() {
    let kept = Arc::new(Mutex::new(None));
    let sink = {
        let kept = Arc::clone(&kept);
        sink_fn(move |_, attempt| {
            assert_eq!(attempt.reached(Effect::None), Reach::Proceed);
            *kept.lock().unwrap() = Some(attempt);
            std::future::ready(Ok(Receipt::new()))
        })
    };
    let send = FanOut::builder(policy::all()).sink("a", sink).build().unwrap();
    assert!(send.send(hello()).await.is_satisfied());
    let attempt = kept.lock().unwrap().take().unwrap();
    assert_eq!(attempt.reached(Effect::Maybe), Reach::Abandoned);
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_the_detached_then_cuts_and_counts() {
    let (a, b) = (Scripted::takes(), Scripted::takes().after(1_000));
    let send = fan_out(policy::quorum(1), &[&a, &b]).build().unwrap();
    let soon = send.send(hello()).await;
    assert_eq!(send.shutdown(ms(2_000)).await, 0);
    assert!(soon.settled().await.get("b").unwrap().is_delivered());

    let never = Scripted::hangs();
    let send = fan_out(policy::quorum(1), &[&a, &never, &never]).build().unwrap();
    let reports = [send.send(hello()).await, send.send(hello()).await];
    let began = tokio::time::Instant::now();
    assert_eq!(send.shutdown(ms(2_000)).await, 4, "two sinks of two sends");
    assert_eq!((began.elapsed(), alive()), (ms(2_000), 0));
    for report in reports {
        let report = report.settled().await;
        let delivery = report.get("c").unwrap();
        assert!(matches!(delivery.outcome(), Outcome::Cancelled));
        assert_eq!(delivery.stop_reason(), Some(StopReason::Shutdown));
        assert_eq!(delivery.effect(), Effect::Maybe);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_shutdown_every_sink_is_skipped() {
    let (a, mirror) = (Scripted::takes(), Scripted::takes());
    let send = fan_out(policy::all_settled(), &[&a]).mirror("m", mirror.clone()).build().unwrap();
    assert_eq!(send.shutdown(ms(0)).await, 0);
    let report = send.send(hello()).await;
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Shutdown));
    assert!(report.deliveries().iter().all(|delivery| {
        matches!(delivery.outcome(), Outcome::Skipped(SkipReason::Shutdown))
            && delivery.stop_reason() == Some(StopReason::Shutdown)
    }));
    assert_eq!((report.nothing_sent(), report.completeness()), (true, Completeness::None));
    assert_eq!((a.started(), mirror.started()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_would_be_detached_after_the_shutdown_is_cut() {
    let (a, b) = (Scripted::takes().after(10), Scripted::hangs());
    let send = fan_out(policy::quorum(1), &[&a, &b]).build().unwrap();
    let (report, cut) = tokio::join!(send.send(hello()), send.shutdown(ms(0)));
    assert_eq!((report.verdict(), cut), (Verdict::Satisfied, 0));
    let report = report.settled().await;
    assert_eq!(report.get("b").unwrap().stop_reason(), Some(StopReason::Shutdown));
    assert_eq!(send.shutdown(ms(0)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_there_is_not_cut() {
    let (a, b) = (Scripted::takes().after(10), Scripted::takes().after(10));
    let send = fan_out(policy::quorum(1), &[&a, &b]).build().unwrap();
    let (report, _) = tokio::join!(send.send(hello()), send.shutdown(ms(0)));
    let report = report.settled().await;
    assert!(report.get("a").unwrap().is_delivered() && report.get("b").unwrap().is_delivered());
    assert_eq!(send.shutdown(ms(0)).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_panics_while_it_is_dropped_disturbs_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("scripted");
        }
    }
    let bomb = || {
        sink_fn(|_, _| async {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
            Ok(Receipt::new())
        })
    };
    let send = FanOut::builder(policy::first())
        .sink("a", bomb())
        .sink("b", bomb())
        .sink("c", Scripted::takes().after(5))
        .build()
        .unwrap();
    let report = send.send(hello()).await;
    assert_eq!(report.winner().unwrap().sink(), "c");
    assert!(matches!(report.get("a").unwrap().outcome(), Outcome::Cancelled));
}

#[tokio::test]
async fn what_a_sink_throws_may_panic_too() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("scripted");
            }
        }
    }
    let thrower = sink_fn(|_, _| async { std::panic::panic_any(Bomb) });
    let send = FanOut::builder(policy::all_settled()).sink("a", thrower);
    let report = send.sink("b", Scripted::takes()).build().unwrap().send(hello()).await;
    assert_eq!(report.get("a").unwrap().error().unwrap().kind(), ErrorKind::Panic);
    assert!(report.get("b").unwrap().is_delivered());
}

#[test]
fn without_a_runtime_a_mirror_is_called_off_at_the_verdict() {
    /// Starts everything, and is content.
    #[derive(Debug)]
    struct Content;
    impl FanOutPolicy for Content {
        fn decide(&self, progress: &Progress<'_>) -> Decision {
            match progress.waiting() {
                0 => Decision::Settle(Verdict::Satisfied),
                _ => Decision::Start(Start::All),
            }
        }
        fn rest(&self) -> Rest {
            Rest::Cancel
        }
    }
    let (a, mirror) = (Scripted::takes(), Scripted::takes());
    let send = FanOut::builder(Content).sink("a", a).mirror("m", mirror).build().unwrap();
    let report = send.send(hello()).now_or_never().expect("nothing is waited for");
    for delivery in report.deliveries() {
        assert!(matches!(delivery.outcome(), Outcome::Cancelled));
        // Started, but never polled.
        assert_eq!((delivery.effect(), delivery.attempts()), (Effect::None, 0));
    }
}

#[tokio::test]
async fn ten_thousand_sinks_in_turn_and_each_with_its_message() {
    let to_all = |policy: Box<dyn FanOutPolicy>, effect: Option<Effect>| {
        let sink = move |_: Message, _| {
            let failed = effect.map(failure);
            std::future::ready(failed.map_or_else(|| Ok(Receipt::new()), Err))
        };
        let numbers = 0..10_000;
        let builder = numbers.fold(FanOut::builder(policy), |builder, number| {
            builder.sink(format!("s{number}"), sink_fn(sink))
        });
        builder.build().unwrap()
    };
    let report = to_all(Box::new(policy::sequential()), None).send(hello()).await;
    assert_eq!((report.verdict(), report.completion_order().len()), (Verdict::Satisfied, 10_000));
    for policy in [
        Box::new(policy::fallback(policy::OnAmbiguous::Stop)) as Box<dyn FanOutPolicy>,
        Box::new(policy::hedged(ms(60_000))),
    ] {
        let report = to_all(policy, Some(Effect::None)).send(hello()).await;
        assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::AllFailed));
        assert_eq!(report.completion_order().len(), 10_000);
    }
    let send = to_all(Box::new(policy::all()), None);
    let names: Vec<_> = send.sinks().into_iter().map(str::to_owned).collect();
    let report = send.send_each(names.iter().rev().map(|name| (name, hello()))).await.unwrap();
    assert!(report.is_satisfied());
}

#[tokio::test]
async fn ten_thousand_sinks_settle_each_once() {
    let builder = (0..10_000).fold(FanOut::builder(policy::all()), |builder, number| {
        let sink = sink_fn(move |_, _| async move {
            if number % 3 == 0 {
                tokio::task::yield_now().await;
            }
            Ok(Receipt::new())
        });
        builder.sink(format!("s{number}"), sink)
    });
    let report = builder.build().unwrap().send(Message::text("hello")).await;
    assert_eq!(report.verdict(), Verdict::Satisfied);
    assert_eq!(report.deliveries().iter().filter(|d| d.attempts() == 1).count(), 10_000);
    assert_eq!(report.completion_order().len(), 10_000);
}
