//! A policy of one's own, as a pure function: the leader and at least one follower.

use std::time::Duration;

use fanout::policy::{Decision, FanOutPolicy, Progress, Reason, SinkState, Start, Verdict};
use fanout::{Error, ErrorKind, FanOut, MemorySink, Message, policy::Simulation};

/// The first sink must take the message, and one of the others.
#[derive(Debug)]
struct LeaderAndOne;

impl FanOutPolicy for LeaderAndOne {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        let leader = progress.sinks().next().map(|sink| sink.state());
        let lost = leader == Some(SinkState::Failed) || progress.failed() + 1 >= progress.total();
        if leader == Some(SinkState::Delivered) && progress.delivered() >= 2 {
            Decision::Settle(Verdict::Satisfied)
        } else if lost {
            Decision::Settle(Verdict::Unsatisfied(Reason::Other("no leader and follower")))
        } else if progress.waiting() > 0 {
            Decision::Start(Start::All)
        } else {
            Decision::Wait
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Any order of events can be tried without a runtime.
    let mut send = Simulation::new(&LeaderAndOne, 3);
    send.settle(2, Err(Error::new(ErrorKind::Rejected, "no")), Duration::from_millis(1));
    assert_eq!(send.verdict(), None, "the leader and one follower are still possible");
    send.settle(1, Err(Error::new(ErrorKind::Rejected, "no")), Duration::from_millis(2));
    assert_ne!(send.verdict(), None, "no follower is left");

    let replicas = FanOut::builder(LeaderAndOne)
        .sink("leader", MemorySink::new())
        .sink("east", MemorySink::new())
        .sink("west", MemorySink::new())
        .build()?;
    let report = replicas.send(Message::text("hello")).await;
    println!("{report}");
    assert!(report.is_satisfied());
    Ok(())
}
