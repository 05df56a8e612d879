//! `fanout send --config`: the sinks and the policy come from a file.

use std::path::Path;

use fanout::{FanOut, Message};
use fanout_config::Config;

use super::{check_json, data};
use crate::args::SendArgs;
use crate::exit::Failure;
use crate::ui::printable;

/// Reads the file, finds the route, and makes the message.
pub(super) fn prepare(path: &Path, args: &SendArgs) -> Result<(Message, FanOut), Failure> {
    let config = Config::load(path)?;
    let name = match &args.route {
        Some(name) => name.clone(),
        None => only_route(path, &config)?,
    };
    let fan_out = config.route(&name)?;
    let (message, headers) = data::message(args)?;
    check_json(config.json_sink(&name)?, message.payload())?;
    // The sinks are built already, so the headers go with the message. Names of gRPC metadata are in
    // small letters, and those of HTTP may be.
    let message = headers.into_iter().fold(message, |message, header| {
        message.with_metadata(header.name.to_ascii_lowercase(), header.value)
    });
    Ok((message, fan_out))
}

fn only_route(path: &Path, config: &Config) -> Result<String, Failure> {
    let mut names = config.routes();
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only.to_owned()),
        (None, _) => Err(Failure::new(format!("{} has no routes", path.display()))
            .hint("a route is a table: [routes.orders], with sinks = [\"billing\", \"audit\"]")),
        (Some(first), Some(_)) => {
            let all: Vec<_> = config.routes().map(printable).collect();
            let (first, all) = (printable(first), all.join(", "));
            Err(Failure::new(format!("{} has several routes", path.display()))
                .hint(format!("say which: --route {first}; there are {all}")))
        }
    }
}
