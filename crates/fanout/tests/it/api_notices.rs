//! What an API announces about its life, from the answer to the report.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use fanout::resilience::Resilience;
use fanout::{
    ApiNotice, Error, ErrorKind, FanOut, MemorySink, Receipt, Report, Sink, SinkExt, Status,
    policy, sink_fn,
};
use serde_json::json;

use crate::support::hello;

fn notice(version: &str) -> ApiNotice {
    ApiNotice::new()
        .with_version(version)
        .with_deprecated_since(UNIX_EPOCH + Duration::from_secs(1_688_169_599))
        .with_sunset(UNIX_EPOCH + Duration::from_secs(1_719_791_999))
        .with_successor("https://api.example.com/v2/orders")
}

/// Takes it, or refuses it, with a notice and with the warning that a transport adds.
async fn announced() -> Report {
    let taken = sink_fn(|_, _| async {
        let api = notice("v1");
        let receipt = Receipt::new().with_status(Status::new(200, "OK"));
        Ok(receipt.with_notice(api.to_string()).with_api(api))
    });
    let refused = sink_fn(|_, _| async {
        let api = notice("2024-10-21");
        let error = Error::new(ErrorKind::Rejected, "the sink refused the message");
        Err(error.with_excerpt(b"no").with_notice(api.to_string()).with_api(api))
    });
    let send = FanOut::builder(policy::all())
        .sink("billing", taken)
        .sink("audit", refused)
        .mirror("stats", MemorySink::new());
    send.build().unwrap().send(hello()).await
}

#[tokio::test(start_paused = true)]
async fn successes_and_failures_have_it_in_the_report_and_in_the_json() {
    let report = announced().await;
    let versions: Vec<_> =
        report.api_notices().map(|(sink, api)| (sink, api.version().unwrap())).collect();
    assert_eq!(versions, [("billing", "v1"), ("audit", "2024-10-21")]);
    assert!(report.get("stats").unwrap().api().is_none());

    let report = serde_json::to_value(report).unwrap();
    let api = |version| {
        json!({
            "version": version,
            "deprecated": true,
            "deprecated_since": "2023-06-30T23:59:59Z",
            "sunset": "2024-06-30T23:59:59Z",
            "successor": "https://api.example.com/v2/orders",
        })
    };
    assert_eq!(report["deliveries"][0]["api"], api("v1"));
    assert_eq!(report["deliveries"][1]["api"], api("2024-10-21"));
    assert_eq!(report["deliveries"][2].get("api"), None);
    let warning = "2024-10-21 is deprecated since 2023-06-30, was to be gone on 2024-06-30, \
                   successor https://api.example.com/v2/orders";
    assert_eq!(report["deliveries"][1]["error"]["notices"], json!([warning]));
}

#[tokio::test(start_paused = true)]
async fn the_table_warns_beside_the_outcome() {
    let expected = "\
all: unsatisfied, a sink failed (partial) in 0.0 ms
  sink            outcome    effect  attempts  time    detail
  billing         delivered  done    1         0.0 ms  200 OK; v1 is deprecated since 2023-06-30, \
was to be gone on 2024-06-30, successor https://api.example.com/v2/orders
  audit           failed     none    1         0.0 ms  the sink refused the message; it said: no; \
2024-10-21 is deprecated since 2023-06-30, was to be gone on 2024-06-30, \
successor https://api.example.com/v2/orders
  stats (mirror)  delivered  done    1         0.0 ms";
    assert_eq!(announced().await.to_string(), expected);
}

/// Says it in the first answer, a failure, and never again.
fn once(then: Option<ErrorKind>) -> impl Sink {
    let calls = Arc::new(AtomicUsize::new(0));
    sink_fn(move |_, _| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            let busy = Error::new(ErrorKind::Throttled, "busy");
            match then {
                _ if first => Err(busy.with_notice("warned").with_api(notice("v1"))),
                Some(kind) => Err(Error::new(kind, "then")),
                None => Ok(Receipt::new().with_notice("taken")),
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn what_an_attempt_before_the_last_one_said_is_not_lost() {
    let taken = once(None).resilient(Resilience::default()).unwrap();
    let refused = once(Some(ErrorKind::Rejected)).resilient(Resilience::default()).unwrap();
    let send = FanOut::builder(policy::all()).sink("taken", taken).sink("refused", refused);
    let report = send.build().unwrap().send(hello()).await;
    let versions: Vec<_> = report.api_notices().map(|(_, api)| api.version()).collect();
    assert_eq!(versions, [Some("v1"), Some("v1")]);
    let receipt = report.get("taken").unwrap().receipt().unwrap();
    assert_eq!(receipt.notices().collect::<Vec<_>>(), ["taken", "warned"]);
    let error = report.get("refused").unwrap().error().unwrap();
    assert_eq!(error.notices().collect::<Vec<_>>(), ["warned"]);
}
