//! `fanout check`: what is wrong, or will be, before anything is sent.

mod args;
mod json;
mod print;

use fanout_config::{Config, ConfigError, Finding, Level, Target, Twice};
use futures_util::future::join_all;

pub(crate) use self::args::{AFTER_HELP, CheckArgs};
use crate::exit::{self, Failure};
use crate::ui::say;

/// What was found out.
struct Outcome<'a> {
    file: String,
    warnings: &'a [ConfigError],
    sinks: Vec<(&'a Target, Vec<Finding>)>,
    routes: Vec<(&'a str, Vec<Twice>)>,
}

impl Outcome<'_> {
    fn worst(&self) -> Option<Level> {
        self.sinks.iter().flat_map(|(_, findings)| findings).map(Finding::level).max()
    }
}

/// Looks at everything, prints it, and returns the exit code.
pub(crate) async fn run(args: &CheckArgs) -> Result<u8, Failure> {
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(error) if args.json => {
            say(&json::faulty(&error));
            return Ok(exit::USAGE);
        }
        Err(error) => return Err(error.into()),
    };
    let route = args.route.as_deref();
    let targets = config.targets(route)?;
    let looking = look(&targets, args);
    let found = tokio::select! {
        found = looking => found,
        Ok(()) = tokio::signal::ctrl_c() => return Ok(exit::INTERRUPTED),
    };
    let mut routes = Vec::new();
    // Last: of some methods the types say whether they are safe to repeat.
    for name in config.routes().filter(|name| route.is_none_or(|route| route == *name)) {
        routes.push((name, config.twice(name)?));
    }
    let outcome = Outcome {
        file: args.config.display().to_string(),
        warnings: config.warnings(),
        sinks: targets.into_iter().zip(found).collect(),
        routes,
    };
    if args.json {
        say(&json::outcome(&outcome));
    } else {
        print::outcome(&outcome, args.offline);
    }
    Ok(if outcome.worst() == Some(Level::Failed) { exit::UNSATISFIED } else { exit::SATISFIED })
}

/// Looks at all of them at once; what was found is in their order.
async fn look(targets: &[&Target], args: &CheckArgs) -> Vec<Vec<Finding>> {
    if args.offline {
        return targets.iter().map(|target| target.glance()).collect();
    }
    join_all(targets.iter().map(|target| target.look(args.timeout, !args.connect_only))).await
}
