//! The engine: drives the deliveries of one send, asks the policy, and gives the report.
//!
//! One future, owned by the caller: dropping it drops every delivery in flight. Only what the policy
//! leaves over at the verdict is spawned, and that is supervised by [`Background`](crate::background).

mod books;
mod flight;
mod will;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::Stream;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep_until};

use crate::background::Place;
use crate::fan_out::Plan;
use crate::policy::{FanOutPolicy, Reason, Rest, Step, Verdict};
use crate::resend::AllFirst;
use crate::{Attempt, Delivery, Error, Message, Report, Sink, StopReason};

use self::books::Books;
use self::flight::{Landed, fly};
pub(crate) use self::will::Will;

/// What is to be sent, and on whose behalf.
pub(crate) struct Order {
    pub(crate) messages: Messages,
    /// The attempt of the fan-out that this one is nested in.
    pub(crate) parent: Option<Attempt>,
    /// What an earlier send of the same message left, in the plan's order.
    pub(crate) earlier: Option<Vec<Delivery>>,
    /// Whether all that waits starts before the policy is asked.
    pub(crate) all_first: bool,
    /// Where to leave what is known when the send is dropped.
    pub(crate) will: Option<Will>,
}

/// Which message each sink gets.
pub(crate) enum Messages {
    /// All the same.
    Same(Message),
    /// Each its own, in the plan's order; a mirror none.
    Each(Vec<Option<Message>>),
}

/// Sends, and gives the report at the time that the [`Rest`] says.
pub(crate) async fn dispatch(plan: Arc<Plan>, order: Order) -> Report {
    let books = Books::open(plan, order);
    let mut run = Run { flights: FuturesUnordered::new(), mirrors: None, books, launch: fly };
    let mut sleep = pin!(None);
    if run.books.plan.background.is_closed() {
        run.books.ledger.decide(Verdict::Unsatisfied(Reason::Shutdown));
    }
    while let Step::Wait(wake) = run.ask() {
        if run.next(wake, sleep.as_mut()).await == Event::Deadline {
            run.expire();
        }
    }
    match run.books.rest() {
        Rest::Cancel => run.cancel_required(),
        Rest::Detach if run.books.ledger.in_flight() > 0 => {
            let place = run.books.plan.background.reserve();
            if let (Some(place), Ok(handle)) = (place, Handle::try_current()) {
                return run.detach(&handle, Some(place));
            }
            run.drain(sleep.as_mut()).await;
        }
        Rest::Drain | Rest::Detach => run.drain(sleep.as_mut()).await,
    }
    if run.mirrors.as_ref().is_some_and(|mirrors| !mirrors.is_empty()) {
        // Mirrors are bounded by places of their own, each at its sink.
        if let Ok(handle) = Handle::try_current() {
            return run.detach(&handle, None);
        }
        run.cancel_mirrors();
    }
    run.books.report()
}

/// One send under way. `F` is the future of one delivery, which `launch` makes.
///
/// The futures come first, so that they are dropped before the books are closed.
struct Run<F, L> {
    flights: FuturesUnordered<F>,
    mirrors: Option<FuturesUnordered<BoxFuture<'static, Landed>>>,
    books: Books,
    launch: L,
}

/// What a send waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    /// A delivery has landed, and is booked.
    Landed,
    /// It is time to ask the policy again.
    Wake,
    /// The deadline of the fan-out has come.
    Deadline,
}

impl<F, L> Run<F, L>
where
    F: Future<Output = Landed> + Send + 'static,
    L: Fn(usize, Arc<dyn Sink>, Message, Attempt) -> F + Send + 'static,
{
    /// Asks the policy until it waits or settles, and starts what it wants started.
    fn ask(&mut self) -> Step {
        loop {
            let mut unbuilt = Vec::new();
            let step = self.ask_once(&mut unbuilt);
            if unbuilt.is_empty() {
                return step;
            }
            for (position, error) in unbuilt {
                self.books.land_failed(position, error);
            }
        }
    }

    /// Asks the policy; what could not be built is left in `unbuilt`.
    fn ask_once(&mut self, unbuilt: &mut Vec<(usize, Error)>) -> Step {
        if let Some(verdict) = self.books.ledger.verdict() {
            return Step::Decided(verdict);
        }
        if self.books.is_expired() {
            // Nothing starts any more. What has landed already is booked before the clock is looked at.
            return Step::Wait(None);
        }
        let Self { flights, books, launch, .. } = self;
        let Books { plan, ledger, tracks, messages, elapsed, deadline, all_first, .. } = books;
        let available = |position: usize| plan.entries[position].is_available();
        let mut started = false;
        let every = AllFirst(&*plan.policy);
        let policy: &dyn FanOutPolicy = if *all_first { &every } else { &*plan.policy };
        let step = ledger.step(policy, *elapsed, &available, |position, deliveries| {
            started = true;
            let entry = &plan.entries[position];
            match messages.of(position, entry, deliveries) {
                Ok(message) => {
                    let attempt = Attempt::of(Arc::clone(tracks), position, *deadline);
                    flights.push(launch(position, Arc::clone(&entry.sink), message, attempt));
                }
                Err(error) => unbuilt.push((position, error)),
            }
        });
        if started {
            self.start_mirrors();
        }
        step
    }

    /// Starts the mirrors that wait: with the first start, and none if there is none.
    fn start_mirrors(&mut self) {
        if self.mirrors.is_some() || self.books.plan.required == self.books.plan.entries.len() {
            return;
        }
        let mirrors = self.mirrors.insert(FuturesUnordered::new());
        for position in self.books.plan.required..self.books.plan.entries.len() {
            if self.books.ledger.deliveries()[position].is_waiting() {
                match self.books.launch_mirror(position) {
                    Ok(flight) => mirrors.push(Box::pin(flight)),
                    Err(error) => self.books.land_failed(position, error),
                }
            }
        }
    }

    /// Waits for the next event: a delivery that landed first, the time last.
    async fn next(&mut self, wake: Option<Duration>, mut sleep: Pin<&mut Option<Sleep>>) -> Event {
        let deadline = self.books.deadline;
        let wake = wake.and_then(|elapsed| self.books.began.checked_add(elapsed));
        let until = match (wake, deadline) {
            (Some(wake), Some(deadline)) => Some(wake.min(deadline)),
            (one, other) => one.or(other),
        };
        poll_fn(|cx| {
            if let Some(mirrors) = &mut self.mirrors {
                while let Poll::Ready(Some(landed)) = Pin::new(&mut *mirrors).poll_next(cx) {
                    self.books.land(landed);
                }
            }
            if let Poll::Ready(Some(landed)) = Pin::new(&mut self.flights).poll_next(cx) {
                self.books.land(landed);
                return Poll::Ready(Event::Landed);
            }
            let Some(until) = until else {
                return Poll::Pending;
            };
            // The timer is made when there is something to wait for: sinks that answer at once never
            // need it.
            if sleep.as_ref().as_pin_ref().is_none_or(|sleep| sleep.deadline() != until) {
                sleep.set(Some(sleep_until(until)));
            }
            let timer = sleep.as_mut().as_pin_mut().expect("the timer was just set");
            timer.poll(cx).map(|()| {
                self.books.read_clock();
                match deadline {
                    Some(deadline) if deadline <= until => Event::Deadline,
                    _ => Event::Wake,
                }
            })
        })
        .await
    }

    /// Waits until every required delivery has landed, or the deadline.
    async fn drain(&mut self, mut sleep: Pin<&mut Option<Sleep>>) {
        while self.books.ledger.in_flight() > 0 {
            if self.next(None, sleep.as_mut()).await == Event::Deadline {
                self.expire();
            }
        }
    }

    /// Waits until every delivery has landed, mirrors too, or the deadline.
    async fn drain_all(&mut self) {
        let mut sleep = pin!(None);
        self.drain(sleep.as_mut()).await;
        if let Some(mirrors) = &mut self.mirrors {
            // Each mirror has a limit of its own, which is not behind the deadline.
            while let Some(landed) = poll_fn(|cx| Pin::new(&mut *mirrors).poll_next(cx)).await {
                self.books.land(landed);
            }
        }
    }

    /// Ends everything at the deadline, and asks the policy for the last time.
    fn expire(&mut self) {
        self.flights.clear();
        self.mirrors = None;
        self.books.expire();
    }

    /// Drops the required deliveries that are in flight.
    fn cancel_required(&mut self) {
        self.flights.clear();
        let required = 0..self.books.plan.required;
        self.books.cancel(required, StopReason::PolicyDecided);
    }

    /// Drops the mirrors that are in flight: there is no runtime to go on in.
    fn cancel_mirrors(&mut self) {
        self.mirrors = None;
        let mirrors = self.books.plan.required..self.books.plan.entries.len();
        self.books.cancel(mirrors, StopReason::PolicyDecided);
    }

    /// Drops all deliveries that are in flight, and returns how many those were.
    fn cut(&mut self) -> usize {
        self.flights.clear();
        self.mirrors = None;
        let all = 0..self.books.plan.entries.len();
        self.books.cancel(all, StopReason::Shutdown)
    }

    /// Gives the report now, and lets what is in flight go on in the supervised set.
    fn detach(mut self, handle: &Handle, place: Option<Place>) -> Report {
        let (answer, late) = oneshot::channel();
        let (mut report, pending) = self.books.split();
        report.detached.push(late);
        let background = Arc::clone(&self.books.plan.background);
        let set = Arc::clone(&background);
        background.spawn(handle, async move {
            if !set.drive(self.drain_all()).await {
                set.count_cut(self.cut());
            }
            drop(place);
            // Nobody may be interested any more.
            answer.send(self.books.late(&pending)).ok();
        });
        report
    }
}
