//! `fanout send --config`: the sinks and the policy come from a file.

use std::path::Path;

use fanout_config::Config;

use super::{Prepared, data};
use crate::args::SendArgs;
use crate::bulk::RecordedTargets;
use crate::exit::Failure;
use crate::ui::printable;

/// Reads the file, and finds the route.
pub(super) fn prepare(path: &Path, args: &SendArgs) -> Result<Prepared, Failure> {
    let config = Config::load(path)?;
    let route = match &args.route {
        Some(name) => name.clone(),
        None => only_route(path, &config)?,
    };
    let (metadata, content_type) = data::headers(args)?;
    Ok(Prepared {
        fan_out: config.route(&route)?,
        wants_json: config.json_sink(&route)?.map(str::to_owned),
        headers: metadata.iter().map(|header| header.name.clone()).collect(),
        // The sinks are built already, so the headers go with the message.
        metadata,
        content_type,
        targets: RecordedTargets::Route { config: path.to_owned(), route },
    })
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
