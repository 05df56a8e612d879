//! One look at one sink: from its URL to an answer.

use std::time::{Duration, SystemTime};

use fanout::{Error, ErrorKind};
use fanout_grpc::{GrpcSink, Health};
use fanout_http::{HttpSink, Probe};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::{Instant, timeout_at};

use super::{Finding, Level, Target, Transport};
use crate::words::time;

impl Target {
    /// Says what can be said without a network.
    pub fn glance(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let endpoint = self.endpoint();
        if !endpoint.is_tls() && !endpoint.is_loopback() {
            let text = "without TLS: whoever is on the way reads the message and its credentials";
            findings.push(Finding::new("plaintext", Level::Warning, text));
        }
        findings
    }

    /// Connects to the sink, and asks it what changes nothing: `OPTIONS` of HTTP, with the headers and
    /// credentials of the sink; the types and the health of gRPC. No message is sent.
    ///
    /// Everything together takes at most `limit`. With `ask` false it only connects.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what it opened.
    pub async fn look(&self, limit: Duration, ask: bool) -> Vec<Finding> {
        let mut findings = self.glance();
        let deadline = Instant::now() + limit;
        let mut look = Look { deadline, limit, origin: self.origin(), findings: Vec::new() };
        let reached = match &self.transport {
            Transport::Http(sink) => look.wait("connection", sink.reach()).await,
            Transport::Grpc(sink) => look.wait("connection", sink.reach()).await,
        };
        if let Some(certificate) = reached {
            let text = format!("{} takes connections", self.origin());
            look.add("connection", Level::Good, text);
            if self.is_guarded {
                look.add("guard", Level::Good, "its address is one that the guard lets through");
            }
            if let Some(certificate) = certificate {
                look.findings.push(expiry(certificate.not_after(), SystemTime::now()));
            }
            match &self.transport {
                _ if !ask => {}
                Transport::Http(sink) => look.ask_http(sink, self).await,
                Transport::Grpc(sink) => look.ask_grpc(sink, self.has_types).await,
            }
        }
        findings.append(&mut look.findings);
        findings
    }
}

struct Look {
    deadline: Instant,
    limit: Duration,
    origin: String,
    findings: Vec<Finding>,
}

impl Look {
    fn add(&mut self, check: &'static str, level: Level, detail: impl Into<String>) {
        self.findings.push(Finding::new(check, level, detail));
    }

    /// What comes of it in time; what goes wrong is a finding.
    async fn wait<T>(
        &mut self,
        check: &'static str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Option<T> {
        let error = match timeout_at(self.deadline, work).await {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => error,
            Err(_) => {
                let text = format!("there was no answer within {}", time(self.limit));
                self.add(check, Level::Failed, text);
                return None;
            }
        };
        let check = match (check, error.kind()) {
            ("connection", ErrorKind::Tls) => "certificate",
            ("connection", ErrorKind::Forbidden) => "guard",
            _ => check,
        };
        let text = match check {
            "connection" => format!("{}: {}", self.origin, words(&error)),
            _ => words(&error),
        };
        self.add(check, Level::Failed, text);
        None
    }

    async fn ask_http(&mut self, sink: &HttpSink, target: &Target) {
        let Some(probe) = self.wait("answer", sink.probe()).await else { return };
        self.findings.push(answer(&probe, target.has_credentials));
        if let Some(notice) = probe.api() {
            let text = format!("{} {notice}", target.name);
            let mut finding = Finding::new("api", Level::Warning, text);
            finding.api = Some(notice.clone());
            self.findings.push(finding);
        }
    }

    async fn ask_grpc(&mut self, sink: &GrpcSink, has_types: bool) {
        if has_types {
            if self.wait("schema", sink.load_schema()).await.is_none() {
                return;
            }
            self.add("schema", Level::Good, "the method is there");
        }
        let health = match timeout_at(self.deadline, sink.health()).await {
            Ok(Ok(Health::Serving)) => (Level::Good, "the service takes calls".to_owned()),
            Ok(Ok(Health::NotServing)) => {
                (Level::Failed, "the service says that it takes no calls now".to_owned())
            }
            Ok(Ok(_)) => (Level::Unknown, "the server knows nothing of this service".to_owned()),
            Ok(Err(error)) if error.kind() == ErrorKind::Unsupported => {
                (Level::Unknown, "the server has no health service".to_owned())
            }
            Ok(Err(error)) => (Level::Failed, words(&error)),
            Err(_) => (Level::Unknown, format!("no answer within {}", time(self.limit))),
        };
        self.add("health", health.0, health.1);
    }
}

/// What the status of an answer to `OPTIONS` says about a send.
fn answer(probe: &Probe, has_credentials: bool) -> Finding {
    let status = probe.status();
    let (level, meaning) = match status.code() {
        401 if has_credentials => (Level::Failed, "the credentials are refused"),
        401 => (Level::Failed, "it wants to know who we are"),
        407 => (Level::Failed, "the proxy wants to know who we are"),
        410 => (Level::Failed, "it is gone"),
        403 => (Level::Warning, "not everybody may ask, or we may not"),
        404 => (Level::Warning, "there may be nothing at this path"),
        429 => (Level::Warning, "it is asked too often"),
        500.. => (Level::Warning, "the server is not well"),
        300..=399 => (Level::Warning, "it is somewhere else"),
        _ => (Level::Good, "it answers"),
    };
    Finding::new("answer", level, format!("{meaning} (OPTIONS: {status})"))
}

/// What the end of a certificate means at `now`.
fn expiry(end: SystemTime, now: SystemTime) -> Finding {
    let left = end.duration_since(now).unwrap_or_default();
    let day = Timestamp::try_from(end)
        .map_or_else(|_| "?".to_owned(), |end| TimeZone::UTC.to_datetime(end).date().to_string());
    let (level, text) = match left {
        Duration::ZERO => (Level::Failed, format!("expired on {day}")),
        left if left <= SOON => {
            let days = match left.as_secs() / DAY {
                0 => "less than a day".to_owned(),
                1 => "one day".to_owned(),
                days => format!("{days} days"),
            };
            (Level::Warning, format!("expires in {days}, on {day}"))
        }
        _ => (Level::Good, format!("good until {day}")),
    };
    let mut finding = Finding::new("certificate", level, text);
    finding.expires = Some(end);
    finding
}

/// The error with its causes, without the address, which stands beside it.
fn words(error: &Error) -> String {
    let mut text = without_address(error);
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.downcast_ref().map_or_else(|| error.to_string(), without_address);
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn without_address(error: &Error) -> String {
    let context = error.context().filter(|(key, _)| !matches!(*key, "endpoint" | "method"));
    let context: Vec<_> = context.map(|(key, value)| format!("{key}: {value}")).collect();
    match context.as_slice() {
        [] => error.message().to_owned(),
        context => format!("{} ({})", error.message(), context.join(", ")),
    }
}

const DAY: u64 = 24 * 60 * 60;

/// How long before its end a certificate is worth a warning.
const SOON: Duration = Duration::from_secs(30 * DAY);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_warned_of_thirty_days_before_its_end() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(20_000 * DAY);
        let check = |seconds: i64, level, text: &str| {
            let shift = Duration::from_secs(seconds.unsigned_abs());
            let end = if seconds < 0 { now - shift } else { now + shift };
            let finding = expiry(end, now);
            assert_eq!((finding.level(), finding.detail()), (level, text));
            assert_eq!(finding.expires(), Some(end));
        };
        check(-1, Level::Failed, "expired on 2024-10-03");
        check(0, Level::Failed, "expired on 2024-10-04");
        check(60, Level::Warning, "expires in less than a day, on 2024-10-04");
        check(86_400, Level::Warning, "expires in one day, on 2024-10-05");
        check(30 * 86_400, Level::Warning, "expires in 30 days, on 2024-11-03");
        check(30 * 86_400 + 1, Level::Good, "good until 2024-11-03");
    }
}
