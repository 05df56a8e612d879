//! The one vocabulary in which every fake is told what to do.

use std::time::Duration;

use fanout::{Bytes, Effect, ErrorKind, RetryAdvice};

/// What a fake does with the calls that reach it: one [`Answer`] a call, the last one again and again.
///
/// The same script goes to the sink in memory, to the HTTP fakes and to the gRPC fake. What a fake
/// cannot play it refuses when it is made ([`Unplayable`]); it never plays something else instead.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use fanout::ErrorKind;
/// use fanout_conformance::fakes::{Answer, Script, Stage};
///
/// // Refuses the first call, answers the second late, and leaves all others without an answer.
/// let script = Script::given([
///     Answer::fail(ErrorKind::Unavailable),
///     Answer::respond("done").late(Duration::from_millis(20)),
///     Answer::stall(),
/// ]);
/// // Promises twelve bytes of body, sends six, and resets the connection.
/// let broken = Script::from(Answer::respond("twelve bytes").resets(Stage::HalfBody));
/// # let _ = (script, broken);
/// ```
#[derive(Clone, Debug)]
pub struct Script {
    pub(crate) answers: Vec<Answer>,
    pub(crate) reach: Reach,
    pub(crate) available: bool,
    pub(crate) watch: Watch,
}

/// What a fake does with one call.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(crate) reply: Reply,
    pub(crate) body: Bytes,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) delay: Duration,
    pub(crate) cut: Option<(Cut, Stage)>,
    pub(crate) hangs_up: bool,
    pub(crate) tells: Option<Effect>,
    pub(crate) effect: Option<Effect>,
    pub(crate) advice: Option<RetryAdvice>,
    pub(crate) stubborn: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Take,
    Refuse(ErrorKind),
    Status(u16),
    Page(u16),
    Garbage,
    Panic,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Listens,
    Refuses,
    Ignores,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Stall,
    Close,
    Reset,
}

/// How far a call has come when the fake stalls, closes or resets it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The connection stands, nothing of the request was read.
    Connected,
    /// The request was read whole, nothing was answered.
    Requested,
    /// So many bytes of the answer, its head included, were sent.
    AfterBytes(usize),
    /// The head and half of the body were sent.
    HalfBody,
    /// All was sent but the end: gRPC trailers are missing.
    End,
}

/// What a case wants to learn from a fake, from little to much. Each level includes those before it.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watch {
    /// Nothing: what the sink returns is enough.
    #[default]
    Nothing,
    /// How many requests there were.
    Requests,
    /// What the requests were.
    Received,
    /// Which calls are in flight, how they ended, and how many connections there were.
    Calls,
}

/// A fake was given a script that it cannot play.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fake} cannot play: {what}")]
#[non_exhaustive]
pub struct Unplayable {
    /// The fake.
    pub fake: &'static str,
    /// What it was asked to do.
    pub what: String,
}

impl Script {
    /// Makes a script of these answers, in order. The last one is given again and again.
    ///
    /// # Panics
    ///
    /// When there is no answer at all.
    pub fn given(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Vec<_> = answers.into_iter().collect();
        assert!(!answers.is_empty(), "a script needs at least one answer");
        Self { answers, reach: Reach::Listens, available: true, watch: Watch::Nothing }
    }

    /// Nobody is there: connections are refused.
    pub fn nobody_listens() -> Self {
        Self { reach: Reach::Refuses, ..Self::given([Answer::fail(ErrorKind::Connect)]) }
    }

    /// Connections are neither accepted nor refused, so a sink is stuck before it has sent anything.
    pub fn never_connects() -> Self {
        let stuck = Answer::stall().tells(Effect::None);
        Self { reach: Reach::Ignores, ..Self::given([stuck]) }
    }

    /// The sink says that it is not available, as with an open circuit, and fails with
    /// [`ErrorKind::CircuitOpen`] when it is sent to all the same. In memory only.
    pub fn unavailable() -> Self {
        Self { available: false, ..Self::given([Answer::fail(ErrorKind::CircuitOpen)]) }
    }

    /// Sets what the case wants to learn from the fake.
    #[must_use]
    pub fn watch(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    /// Returns what the case wants to learn from the fake.
    pub fn watched(&self) -> Watch {
        self.watch
    }

    /// Returns true when the script is nothing but to take every message at once, which any healthy
    /// destination does by itself.
    pub fn is_plain(&self) -> bool {
        let plain = |answer: &Answer| {
            answer.reply == Reply::Take
                && answer.body.is_empty()
                && answer.metadata.is_empty()
                && answer.trailers.is_empty()
                && answer.delay == Duration::ZERO
                && answer.cut.is_none()
                && !answer.hangs_up
                && answer.tells.is_none()
        };
        self.reach == Reach::Listens && self.available && self.answers.iter().all(plain)
    }

    pub(crate) fn answer(&self, call: usize) -> &Answer {
        &self.answers[call.min(self.answers.len() - 1)]
    }
}

impl From<Answer> for Script {
    fn from(answer: Answer) -> Self {
        Self::given([answer])
    }
}

impl Answer {
    fn new(reply: Reply, body: Bytes) -> Self {
        Self {
            reply,
            body,
            metadata: Vec::new(),
            trailers: Vec::new(),
            delay: Duration::ZERO,
            cut: None,
            hangs_up: false,
            tells: None,
            effect: None,
            advice: None,
            stubborn: false,
        }
    }

    /// Takes the message and answers with this body.
    pub fn respond(body: impl Into<Bytes>) -> Self {
        Self::new(Reply::Take, body.into())
    }

    /// Fails the call in the way of this kind: as an error in memory, as the status that stands for it
    /// on the wire.
    pub fn fail(kind: ErrorKind) -> Self {
        Self::new(Reply::Refuse(kind), Bytes::new())
    }

    /// Answers with this very status: an HTTP status code, or a gRPC code.
    ///
    /// A sink in memory has no statuses, and cannot play it.
    pub fn status(code: u16) -> Self {
        Self::new(Reply::Status(code), Bytes::new())
    }

    /// Answers as a proxy in front of the destination does: plain HTTP of this status, with a page of
    /// HTML. A sink in memory cannot play it.
    pub fn page(status: u16) -> Self {
        let page = format!("<html><body><h1>{status}</h1></body></html>");
        Self::new(Reply::Page(status), page.into()).with_metadata("content-type", "text/html")
    }

    /// Reads the request and never answers.
    pub fn stall() -> Self {
        Self::respond("").stalls(Stage::Requested)
    }

    /// Answers with bytes that are not of the protocol.
    pub fn garbage() -> Self {
        Self::new(Reply::Garbage, Bytes::from_static(b"\x16\x03!! not of this protocol !!\r\n\r\n"))
    }

    /// Panics. In memory only.
    pub fn panic() -> Self {
        Self::new(Reply::Panic, Bytes::new())
    }

    /// Sets the body of the answer.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds a header, or a pair of leading gRPC metadata.
    #[must_use]
    pub fn with_metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a pair of trailing gRPC metadata.
    #[must_use]
    pub fn with_trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits so long, once the request is read, before anything of the answer is sent.
    #[must_use]
    pub fn late(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Goes silent at `stage`, and keeps the connection open.
    #[must_use]
    pub fn stalls(mut self, stage: Stage) -> Self {
        self.cut = Some((Cut::Stall, stage));
        self
    }

    /// Closes the connection at `stage`.
    #[must_use]
    pub fn closes(mut self, stage: Stage) -> Self {
        self.cut = Some((Cut::Close, stage));
        self
    }

    /// Resets the connection, or the stream, at `stage`.
    #[must_use]
    pub fn resets(mut self, stage: Stage) -> Self {
        self.cut = Some((Cut::Reset, stage));
        self
    }

    /// Sends half of the body and closes the connection.
    pub fn half_body(body: impl Into<Bytes>) -> Self {
        Self::respond(body).closes(Stage::HalfBody)
    }

    /// Closes the connection after the answer, without having said so.
    #[must_use]
    pub fn hangs_up(mut self) -> Self {
        self.hangs_up = true;
        self
    }

    /// Tells [`Attempt::reached`](fanout::Attempt::reached) this when the call begins. In memory only;
    /// by default it tells nothing, which counts as `Maybe`.
    #[must_use]
    pub fn tells(mut self, effect: Effect) -> Self {
        self.tells = Some(effect);
        self
    }

    /// Sets the effect of the failure. In memory only; by default the usual one of its kind.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.effect = Some(effect);
        self
    }

    /// Sets the advice of the failure. In memory only; by default the usual one of its kind.
    #[must_use]
    pub fn with_advice(mut self, advice: RetryAdvice) -> Self {
        self.advice = Some(advice);
        self
    }

    /// Ignores the deadline of the attempt, as a sink that does not keep its contract. In memory only.
    #[must_use]
    pub fn stubborn(mut self) -> Self {
        self.stubborn = true;
        self
    }
}

#[cfg(any(feature = "http", feature = "grpc"))]
impl Script {
    /// Refuses what only the sink in memory can do.
    pub(crate) fn check_wire(&self, fake: &'static str) -> Result<(), Unplayable> {
        let refuse = |what: &str| Err(Unplayable { fake, what: what.to_owned() });
        if !self.available {
            return refuse("a sink that says it is not available");
        }
        if self.reach != Reach::Listens {
            return Ok(());
        }
        for answer in &self.answers {
            if answer.reply == Reply::Panic {
                return refuse("a panic of the sink");
            }
            let inside = answer.tells.is_some() || answer.effect.is_some();
            if inside || answer.advice.is_some() || answer.stubborn {
                return refuse("what goes on inside the sink");
            }
        }
        Ok(())
    }
}
