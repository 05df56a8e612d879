//! The arguments of `fanout check`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::send::data::parse_limit;

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The file
    #[arg(long, value_name = "FILE", default_value = "fanout.toml")]
    pub(crate) config: PathBuf,

    /// Look at the sinks of this route alone
    #[arg(long, value_name = "NAME")]
    pub(crate) route: Option<String>,

    /// Look at the file alone, and use no network
    #[arg(long, conflicts_with = "connect_only")]
    pub(crate) offline: bool,

    /// Connect to each sink, and ask it nothing
    #[arg(long)]
    pub(crate) connect_only: bool,

    /// The longest time that one sink may take; all are looked at at once
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_limit)]
    pub(crate) timeout: Duration,

    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) const AFTER_HELP: &str = "\
Examples:
  fanout check                            fanout.toml in this directory
  fanout check --config fanout.toml --route orders
  fanout check --offline                  the file alone: what a test of every change can do
  fanout check --json | jq '.sinks[].findings[] | select(.level != \"ok\")'

No message is sent. Each sink is connected to, past its guard and through its proxy, and asked
something that changes nothing, with its credentials (a token of OAuth 2.0 is fetched for it): an
HTTP API by OPTIONS, a gRPC server for the types of the method and for its health. An answer of
HTTP may say that the API is deprecated. A certificate that ends within 30 days is a warning.

Then come the paths on which one message may be applied twice: by the policy of a route, or by a
retry. They are no faults; it is good to know them.

Exit codes:
  0  all is well, or there are but warnings
  2  the file is faulty, or the usage is wrong
  4  a sink cannot be reached, has an expired certificate, or refuses us";
