//! `fanout demo`: one message to an HTTP and a gRPC endpoint of our own, under several policies.

use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fanout::policy::{FanOutPolicy, OnAmbiguous, all, all_settled, fallback, first};
use fanout::{FanOut, Message, Report};
use fanout_grpc::{GrpcSink, Schema};
use fanout_http::{Client, HttpSink, HttpVersion, Proxy};
use http::StatusCode;

use crate::exit::{self, Failure};
use crate::sandbox::{self, Endpoint, Faults, Observer, PLACE, Received};
use crate::table;
use crate::ui::{self, say};

/// Runs the demonstration and returns the exit code.
pub(crate) async fn run() -> Result<u8, Failure> {
    let stage = Stage::set().await?;
    let message = Message::bytes(ORDER).with_content_type("application/json");

    heading("One message, two APIs, both running inside this process");
    say(&format!("  orders     {}", stage.orders()));
    say(&format!("  warehouse  {}", stage.warehouse()));
    say(&format!("\n  {ORDER}"));

    heading("Both take it");
    let report = stage.send(all(), &stage.up, &message).await?;
    let went_well = report.is_satisfied();
    say("What they received:");
    for received in stage.received() {
        say(&format!("  {}", received.line(ui::width().saturating_sub(2))));
    }
    say("\nThe report:");
    say(&table::render(&report, ui::width()));

    heading("Now orders answers 503. What that means is up to the policy");
    let rounds: [(Box<dyn FanOutPolicy>, &str); 4] = [
        (Box::new(all()), "everyone must take it."),
        (Box::new(all_settled().min_success(1)), "everyone is tried; here one is enough."),
        (Box::new(first()), "the first success is enough; a fast error does not win."),
        (
            Box::new(fallback(OnAmbiguous::Stop)),
            "one after the other; the next one only if none before it can have it.",
        ),
    ];
    for (index, (policy, meaning)) in rounds.into_iter().enumerate() {
        if index > 0 {
            say("");
        }
        say(&format!("{0}{1}{0:#}: {meaning}", ui::STRONG, policy.name()));
        let report = stage.send(policy, &stage.down, &message).await?;
        say(&table::render_unnamed(&report, ui::width()));
    }

    heading("Your turn");
    let fanout = own_name();
    say("  In one terminal:");
    say(&format!("    {fanout} sandbox --http 8081 --grpc 50051"));
    say("  In another:");
    say(&format!("    {fanout} send -d '{{\"order\":17}}' \\"));
    say("      --to http://localhost:8081/orders \\");
    say(&format!("      --to grpc://localhost:50051/{PLACE}"));
    Ok(if went_well { exit::SATISFIED } else { exit::UNSATISFIED })
}

/// How to call this program again. Who runs it from a clone, by cargo, need not have it installed.
fn own_name() -> &'static str {
    if std::env::var_os("CARGO").is_some() { "cargo run -p fanout-cli --" } else { "fanout" }
}

/// The endpoints, the connections to them, and what they received.
struct Stage {
    up: Endpoint,
    down: Endpoint,
    grpc: Endpoint,
    web: Client,
    rpc: Client,
    seen: Arc<Mutex<Vec<Received>>>,
}

impl Stage {
    async fn set() -> Result<Self, Failure> {
        let seen: Arc<Mutex<Vec<Received>>> = Arc::default();
        let keep = Arc::clone(&seen);
        let observe: Observer = Arc::new(move |received| {
            keep.lock().unwrap_or_else(PoisonError::into_inner).push(received);
        });
        let free_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let cannot = |error| Failure::new(format!("cannot listen on {free_port}: {error}"));
        let healthy = Arc::new(Faults::none());
        let failing = Arc::new(Faults::always(StatusCode::SERVICE_UNAVAILABLE));
        // Slow enough that the 503 is always there first.
        let slow = Arc::new(Faults::new(Duration::from_millis(20), None, None, 0));
        let start = sandbox::start_http;
        // A proxy of the environment cannot reach the loopback of this machine.
        let direct = || Client::builder().proxy(Proxy::none());
        Ok(Self {
            up: start(free_port, healthy, Arc::clone(&observe)).await.map_err(cannot)?,
            down: start(free_port, failing, Arc::clone(&observe)).await.map_err(cannot)?,
            grpc: sandbox::start_grpc(free_port, slow, observe).await.map_err(cannot)?,
            web: direct().build()?,
            rpc: direct().http_version(HttpVersion::Http2).build()?,
            seen,
        })
    }

    fn orders(&self) -> String {
        format!("http://{}/orders", self.up.address())
    }

    fn warehouse(&self) -> String {
        format!("grpc://{}/{PLACE}", self.grpc.address())
    }

    /// Sends to `orders` and to the gRPC endpoint.
    async fn send(
        &self,
        policy: impl FanOutPolicy + 'static,
        orders: &Endpoint,
        message: &Message,
    ) -> Result<Report, Failure> {
        let url = format!("http://{}/orders", orders.address());
        let server = format!("http://{}", self.grpc.address());
        let orders = HttpSink::post(&url).client(&self.web).build()?;
        let warehouse = GrpcSink::unary(&server, PLACE)
            .schema(Schema::reflection())
            .client(&self.rpc)
            .build()?;
        let fan_out =
            FanOut::builder(policy).sink("orders", orders).sink("warehouse", warehouse).build()?;
        Ok(fan_out.send(message).await)
    }

    /// Takes what was received, in the order of the sinks.
    fn received(&self) -> Vec<Received> {
        let mut seen = mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        seen.sort_by_key(|received| received.protocol);
        seen
    }
}

const ORDER: &str = r#"{"order":17,"item":"espresso machine","amount":249.9,"note":"ring twice"}"#;

fn heading(text: &str) {
    let strong = ui::STRONG;
    say(&format!("\n{strong}{text}{strong:#}\n"));
}
