//! The arguments of `fanout sandbox`.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use http::StatusCode;

use super::parse_chance;
use crate::send::data::parse_duration;

#[derive(Args, Debug)]
pub(crate) struct SandboxArgs {
    /// The port of the HTTP endpoint; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    pub(crate) http: Option<u16>,

    /// The port of the gRPC endpoint; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    pub(crate) grpc: Option<u16>,

    /// Wait so long before every answer
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) delay: Option<Duration>,

    /// Fail this share of the requests, with --status, or with 503
    #[arg(long, value_name = "SHARE", value_parser = parse_chance)]
    pub(crate) fail: Option<f64>,

    /// The HTTP status to answer with; gRPC callers get the code that fits it
    #[arg(long, value_name = "STATUS", value_parser = parse_status)]
    pub(crate) status: Option<StatusCode>,

    /// Repeat the same luck with --fail
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// The address to listen on [default: 127.0.0.1, so this machine alone]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<IpAddr>,
}

fn parse_status(text: &str) -> Result<StatusCode, String> {
    text.parse()
        .ok()
        .filter(|status: &StatusCode| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| "write an HTTP status from 200 to 599".to_owned())
}

pub(crate) const AFTER_HELP: &str = "\
Examples:
  fanout sandbox                          both endpoints on free ports
  fanout sandbox --http 8081 --grpc 50051
  fanout sandbox --http 8081 --delay 50ms --fail 10%
  fanout sandbox --grpc 50051 --status 503

The HTTP endpoint takes any method and any path. /status/404 answers with that status, /delay/2s
after that time, /echo with what it was sent. Answers of 429 and 503 carry `Retry-After: 1`, by
which a sender knows that the message was surely not taken.

The gRPC endpoint has fanout.sandbox.v1.Orders/Place, which takes order, item, amount, currency,
customer, note and tags, and fanout.sandbox.v1.Orders/Echo, which takes any JSON object. It offers
server reflection.";
