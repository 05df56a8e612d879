//! `fanout sandbox`: endpoints that print what they receive, to try things on.

mod args;
mod faults;
mod grpc;
mod http;
mod log;
mod schema;
mod serve;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::exit::{self, Failure};
use crate::ui::{self, say};

pub(crate) use self::args::{AFTER_HELP, SandboxArgs};
pub(crate) use self::faults::{Faults, parse_chance};
pub(crate) use self::log::{Observer, Received};
pub(crate) use self::serve::Endpoint;

/// The method of the gRPC endpoint that takes an order.
pub(crate) const PLACE: &str = "fanout.sandbox.v1.Orders/Place";

/// Starts an HTTP endpoint on `address` (port 0: a free one).
pub(crate) async fn start_http(
    address: SocketAddr,
    faults: Arc<Faults>,
    observe: Observer,
) -> io::Result<Endpoint> {
    let answer = move |request| http::answer(request, Arc::clone(&faults), Arc::clone(&observe));
    Endpoint::start(address, answer).await
}

/// Starts a gRPC endpoint with server reflection on `address` (port 0: a free one).
pub(crate) async fn start_grpc(
    address: SocketAddr,
    faults: Arc<Faults>,
    observe: Observer,
) -> io::Result<Endpoint> {
    let endpoint = grpc::endpoint();
    let answer =
        move |request| endpoint.clone().answer(request, Arc::clone(&faults), Arc::clone(&observe));
    Endpoint::start(address, answer).await
}

/// Runs the endpoints until Ctrl-C.
pub(crate) async fn run(args: SandboxArgs) -> Result<u8, Failure> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let faults = || {
        let delay = args.delay.unwrap_or_default();
        Arc::new(Faults::new(delay, args.fail, args.status, seed))
    };
    let (http_count, grpc_count) = (Arc::default(), Arc::default());
    let host = args.bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    // Neither port given: both endpoints, on free ports.
    let neither = args.http.is_none() && args.grpc.is_none();
    let wanted = |port: Option<u16>| port.or(neither.then_some(0)).map(|port| (host, port).into());

    let http = match wanted(args.http) {
        Some(address) => {
            let endpoint = start_http(address, faults(), printer(&http_count)).await;
            Some(endpoint.map_err(|error| no_port("HTTP", address, &error))?)
        }
        None => None,
    };
    let grpc = match wanted(args.grpc) {
        Some(address) => {
            let endpoint = start_grpc(address, faults(), printer(&grpc_count)).await;
            Some(endpoint.map_err(|error| no_port("gRPC", address, &error))?)
        }
        None => None,
    };

    let strong = ui::STRONG;
    if let Some(http) = &http {
        say(&format!("{strong}http{strong:#}  http://{}/  any method, any path", http.address()));
    }
    if let Some(grpc) = &grpc {
        say(&format!("{strong}grpc{strong:#}  grpc://{}/{PLACE}  with reflection", grpc.address()));
    }
    say(&format!("{0}Ctrl-C ends it.{0:#}", ui::DIM));

    until_asked_to_end().await?;
    let counts: Vec<String> = [(&http, &http_count, "HTTP"), (&grpc, &grpc_count, "gRPC")]
        .into_iter()
        .filter(|(endpoint, ..)| endpoint.is_some())
        .map(|(_, count, name)| format!("{} over {name}", count.load(Ordering::Relaxed)))
        .collect();
    say(&format!("received {}", counts.join(", ")));
    Ok(exit::SATISFIED)
}

/// Prints and counts what comes.
fn printer(count: &Arc<AtomicUsize>) -> Observer {
    let count = Arc::clone(count);
    Arc::new(move |received: Received| {
        count.fetch_add(1, Ordering::Relaxed);
        say(&received.line(ui::width()));
    })
}

/// Waits for Ctrl-C, or for the polite signal that a service manager sends.
async fn until_asked_to_end() -> Result<(), Failure> {
    let cannot = |error: io::Error| Failure::new(format!("cannot listen for Ctrl-C: {error}"));
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate()).map_err(cannot)?;
        tokio::select! {
            ended = tokio::signal::ctrl_c() => ended.map_err(cannot),
            _ = term.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map_err(cannot)
}

fn no_port(protocol: &str, address: SocketAddr, error: &io::Error) -> Failure {
    let failure =
        |why: &str| Failure::new(format!("cannot listen on {address} for {protocol}: {why}"));
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            failure("the port is in use").hint("give 0 as the port to take a free one")
        }
        io::ErrorKind::AddrNotAvailable => failure("this machine does not have that address"),
        io::ErrorKind::PermissionDenied => failure("permission denied"),
        _ => failure(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ::http::StatusCode;
    use fanout::policy::all;
    use fanout::{Error, ErrorKind, FanOut, Message, Report, Sink};
    use fanout_grpc::{GrpcSink, Schema};
    use fanout_http::{Client, HttpSink, HttpVersion, Proxy};

    use super::*;

    const FREE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    fn client(version: HttpVersion) -> Client {
        Client::builder().proxy(Proxy::none()).http_version(version).build().unwrap()
    }

    fn observer() -> (Observer, Arc<Mutex<Vec<Received>>>) {
        let seen: Arc<Mutex<Vec<Received>>> = Arc::default();
        let keep = Arc::clone(&seen);
        (Arc::new(move |received| keep.lock().unwrap().push(received)), seen)
    }

    async fn send(sink: impl Sink + 'static, data: &'static str) -> Report {
        let fan_out = FanOut::builder(all()).sink("it", sink).build().unwrap();
        fan_out.send(Message::bytes(data)).await
    }

    fn place(endpoint: &Endpoint, method: &str) -> Result<GrpcSink, Error> {
        GrpcSink::unary(format!("grpc://{}", endpoint.address()), method)
            .schema(Schema::reflection())
            .client(&client(HttpVersion::Http2))
            .build()
    }

    #[tokio::test]
    async fn the_http_endpoint_speaks_both_versions_on_one_port() {
        let (observe, seen) = observer();
        let endpoint = start_http(FREE, Arc::new(Faults::none()), observe).await.unwrap();
        for version in [HttpVersion::Http1, HttpVersion::Http2] {
            let url = format!("http://{}/orders", endpoint.address());
            let sink = HttpSink::post(url).client(&client(version)).build().unwrap();
            assert!(send(sink, "x").await.is_satisfied(), "{version:?}");
        }
        assert_eq!(seen.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn the_grpc_endpoint_takes_json_by_reflection_and_answers() {
        let (observe, seen) = observer();
        let endpoint = start_grpc(FREE, Arc::new(Faults::none()), observe).await.unwrap();
        let report = send(place(&endpoint, PLACE).unwrap(), r#"{"order":17,"tags":["a"]}"#).await;
        let answer: serde_json::Value = report.json("it").unwrap();
        assert_eq!(answer, serde_json::json!({ "order": "17", "placed": true }));
        let seen = seen.lock().unwrap();
        // Reflection is no message.
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].content, r#"{"order":17,"tags":["a"]}"#);
    }

    #[tokio::test]
    async fn a_status_is_a_grpc_code_for_grpc() {
        for (status, kind) in [
            (StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Unavailable),
            (StatusCode::UNAUTHORIZED, ErrorKind::Unauthenticated),
            (StatusCode::NOT_FOUND, ErrorKind::NotFound),
            (StatusCode::TOO_MANY_REQUESTS, ErrorKind::Throttled),
        ] {
            let (observe, seen) = observer();
            let endpoint = start_grpc(FREE, Arc::new(Faults::always(status)), observe).await;
            let endpoint = endpoint.unwrap();
            let report = send(place(&endpoint, PLACE).unwrap(), r#"{"order":17}"#).await;
            assert_eq!(report.headline().unwrap().kind(), kind, "{status}");
            assert!(!seen.lock().unwrap()[0].taken);
        }
    }

    #[tokio::test]
    async fn a_dropped_endpoint_is_gone() {
        let (observe, _) = observer();
        let endpoint = start_http(FREE, Arc::new(Faults::none()), observe).await.unwrap();
        let url = format!("http://{}/", endpoint.address());
        let client = client(HttpVersion::Http1);
        let sink = || HttpSink::post(&url).client(&client).build().unwrap();
        assert!(send(sink(), "x").await.is_satisfied());
        drop(endpoint);
        // The task that listens ends when it is next polled.
        while tokio::net::TcpStream::connect(&url[7..url.len() - 1]).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let report = send(sink(), "x").await;
        assert_eq!(report.headline().unwrap().kind(), ErrorKind::Connect);
    }
}
