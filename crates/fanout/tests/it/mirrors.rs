//! Mirrors: sinks that are sent a copy and can never matter.

use fanout::policy::{self, Decision, FanOutPolicy, Progress, Reason, Rest, Start, Verdict};
use fanout::{Completeness, Effect, ErrorKind, FanOut, MemorySink, Outcome, Role, SkipReason};

use crate::support::{Scripted, Unavailable, fan_out, hello, ms};

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
