//! Sending many messages: takes them from a source, keeps so many under way, and notes how each ended.

use std::time::{Duration, Instant};

use fanout::{FanOut, Report};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::args::RunArgs;
use super::failed::{Entry, FailedFile};
use super::input::Place;
use super::job::{Job, Next, Source};
use super::pace::Pace;
use super::progress::Progress;
use super::state::State;
use super::stop::Interrupts;
use super::tally::Tally;
use crate::exit;

/// A run under way.
pub(crate) struct Run {
    fan_out: FanOut,
    failed: Option<FailedFile>,
    state: Option<State>,
    strict: bool,
    progress: Progress,
    tally: Tally,
    /// The last record that was taken.
    last: Place,
    stop: Option<Stop>,
    /// Records that were cut, where there is no file to note them in.
    cut: Vec<u64>,
    told_bad: u32,
}

/// Why no more records are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Ctrl-C, once.
    Asked,
    /// Ctrl-C, twice: what was under way was cut.
    Cut,
    /// The input broke, or a bad record was one too many.
    Input(String),
    /// What was not delivered, or what is done, cannot be noted any more.
    Output(String),
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) tally: Tally,
    pub(crate) last: Place,
    pub(crate) stop: Option<Stop>,
    /// Records that were cut, and are noted nowhere.
    pub(crate) cut: Vec<u64>,
    /// How many messages the file of those has that were not delivered.
    pub(crate) undelivered: Option<u64>,
    /// Those that it ought to have and has not.
    pub(crate) unwritten: Vec<Entry>,
    pub(crate) has_state: bool,
    pub(crate) elapsed: Duration,
}

impl Run {
    pub(crate) fn new(
        fan_out: FanOut,
        failed: Option<FailedFile>,
        state: Option<State>,
        strict: bool,
        progress: Progress,
    ) -> Self {
        let mut tally = Tally::new(&fan_out);
        tally.earlier = state.as_ref().map_or(0, |state| state.done().upto());
        let last = Place { number: tally.earlier, ..Place::default() };
        let (cut, told_bad) = (Vec::new(), 0);
        Self { fan_out, failed, state, strict, progress, tally, last, stop: None, cut, told_bad }
    }

    /// Sends everything, or what it can until it is stopped.
    pub(crate) async fn drive(
        mut self,
        source: &mut Source,
        args: &RunArgs,
        mut interrupts: Interrupts,
    ) -> Ended {
        let began = Instant::now();
        let cancel = CancellationToken::new();
        let mut flights = FuturesUnordered::new();
        let mut pace = Pace::new(args.rate);
        let mut tick = tokio::time::interval(TICK);
        let mut synced = began;
        let mut ended = false;
        loop {
            let wanted = !ended && self.stop.is_none() && flights.len() < args.concurrency.get();
            if flights.is_empty() && (ended || self.stop.is_some()) {
                break;
            }
            tokio::select! {
                biased;
                () = interrupts.next() => {
                    let again = self.stop.is_some();
                    self.interrupted(again, flights.len());
                    if again {
                        cancel.cancel();
                        self.fan_out.shutdown(Duration::ZERO).await;
                    }
                }
                Some((job, report)) = flights.next() => self.land(&job, &report),
                next = taken(&pace, source), if wanted => match next {
                    Next::End => ended = true,
                    Next::Job(job) if self.is_done(job.place) => {}
                    Next::Job(job) => {
                        self.took(job.place);
                        pace.took();
                        let fan_out = self.fan_out.clone();
                        flights.push(fly(fan_out, *job, cancel.clone().cancelled_owned()));
                    }
                    Next::Bad { place, .. } | Next::Left { place, .. } if self.is_done(place) => {}
                    Next::Bad { place, reason, payload } => {
                        self.took(place);
                        self.tally.bad += 1;
                        self.tell_bad(place, &reason);
                        self.note(place, Some(Entry::bad(place, reason, payload.as_ref())));
                    }
                    Next::Left { place, entry } => {
                        self.took(place);
                        self.tally.left += 1;
                        self.note(place, Some(*entry));
                    }
                    Next::Broken(why) => self.stop = Some(Stop::Input(why)),
                },
                _ = tick.tick() => {
                    self.progress.show(&self.tally, self.last.end);
                    if synced.elapsed() >= SYNC {
                        synced = Instant::now();
                        self.sync();
                    }
                }
            }
        }
        if ended && self.stop == Some(Stop::Asked) {
            // The input was at its end, and everything has finished: nothing was stopped.
            self.stop = None;
        }
        self.progress.finish();
        self.end(began.elapsed())
    }

    /// Whether an earlier run has done it.
    fn is_done(&mut self, place: Place) -> bool {
        let done = self.state.as_ref().is_some_and(|state| state.done().contains(place.number));
        if done {
            self.tally.earlier += 1;
            self.took(place);
        }
        done
    }

    fn took(&mut self, place: Place) {
        self.last = place;
    }

    fn interrupted(&mut self, again: bool, in_flight: usize) {
        if again {
            self.stop = Some(Stop::Cut);
            return;
        }
        self.stop = Some(Stop::Asked);
        let messages =
            if in_flight == 1 { "1 message".to_owned() } else { format!("{in_flight} messages") };
        self.progress.tell(&format!(
            "stopping: {messages} under way are finished first; Ctrl-C again cuts them"
        ));
    }

    fn land(&mut self, job: &Job, report: &Report) {
        let resent = job.again.as_ref().map(|(_, sinks)| sinks.as_slice());
        let code = self.tally.add(report, resent);
        let entry =
            (code != exit::SATISFIED).then(|| Entry::undelivered(job.place, &job.message, report));
        if entry.is_some() && self.failed.is_none() && self.stop == Some(Stop::Cut) {
            self.cut.push(job.place.number);
        }
        self.note(job.place, entry);
    }

    /// Notes that a record is done; first, what of it is not delivered.
    fn note(&mut self, place: Place, entry: Option<Entry>) {
        let noted = match (entry, &mut self.failed) {
            (Some(entry), Some(failed)) => failed.write(entry),
            _ => Ok(()),
        };
        let noted = noted.and_then(|()| match &mut self.state {
            Some(state) => state.finish(place.number),
            None => Ok(()),
        });
        if let Err(failure) = noted
            && !matches!(self.stop, Some(Stop::Output(_) | Stop::Cut))
        {
            self.progress.tell(&format!("stopping: {failure}"));
            self.stop = Some(Stop::Output(failure.to_string()));
        }
    }

    fn tell_bad(&mut self, place: Place, reason: &str) {
        let Place { number, line, .. } = place;
        if self.strict {
            self.stop = Some(Stop::Input(format!("record {number}, line {line}: {reason}")));
            return;
        }
        self.told_bad += 1;
        if self.told_bad <= TOLD_BAD {
            self.progress.tell(&format!("record {number}, line {line}: {reason}"));
        } else if self.told_bad == TOLD_BAD + 1 {
            self.progress.tell("further bad records are counted, and told no more");
        }
    }

    /// Has the files on the disk, without waiting for it. What is undelivered comes first: a record must
    /// not be known as done whose line is lost.
    fn sync(&self) {
        let handles = [
            self.failed.as_ref().and_then(FailedFile::handle),
            self.state.as_ref().and_then(State::handle),
        ];
        if handles.iter().any(Option::is_some) {
            drop(tokio::task::spawn_blocking(move || {
                for file in handles.into_iter().flatten() {
                    drop(file.sync_data());
                }
            }));
        }
    }

    fn end(self, elapsed: Duration) -> Ended {
        let has_state = self.state.is_some();
        let (undelivered, unwritten) = match self.failed.map(FailedFile::finish) {
            Some((entries, unwritten)) => (Some(entries), unwritten),
            None => (None, Vec::new()),
        };
        if let Some(file) = self.state.as_ref().and_then(State::handle) {
            drop(file.sync_data());
        }
        let Self { tally, last, stop, cut, .. } = self;
        Ended { tally, last, stop, cut, undelivered, unwritten, has_state, elapsed }
    }
}

impl Ended {
    /// The exit code of the run.
    pub(crate) fn code(&self) -> u8 {
        match &self.stop {
            Some(Stop::Asked | Stop::Cut) => exit::INTERRUPTED,
            Some(Stop::Input(_) | Stop::Output(_)) => exit::STOPPED,
            None => self.tally.code(),
        }
    }
}

/// The next of the source, when it is time.
async fn taken(pace: &Pace, source: &mut Source) -> Next {
    pace.ready().await;
    source.next().await
}

/// Sends one message, to the end of what its policy left behind too.
async fn fly(fan_out: FanOut, job: Job, stop: impl Future<Output = ()>) -> (Job, Report) {
    let report = match &job.again {
        None => fan_out.send_until(&job.message, stop).await,
        Some((token, _)) => fan_out
            .resend_by_until(&job.message, token, stop)
            .await
            .expect("the token is of this message, and its sinks were checked before"),
    };
    (job, report.settled().await)
}

const TICK: Duration = Duration::from_millis(200);
const SYNC: Duration = Duration::from_secs(1);

/// Whoever has more of them knows by then.
const TOLD_BAD: u32 = 10;
