//! `fanout send`: one message to every target at once.

pub(crate) mod data;
mod print;
mod route;
mod sinks;
mod targets;

use std::time::Duration;

use fanout::{BuildError, FanOut, Message, Outcome, Report};

use self::sinks::Sinks;
use self::targets::Address;
use crate::args::SendArgs;
use crate::exit::{self, Failure};
use crate::ui::tell;

/// Sends, prints what happened, and returns the exit code.
pub(crate) async fn run(args: &SendArgs) -> Result<u8, Failure> {
    let (message, fan_out) = match &args.config {
        Some(path) => route::prepare(path, args)?,
        None => prepare(args)?,
    };

    let sent = async {
        let report = fan_out.send(message).await;
        say_what_is_awaited(&report);
        // The end of the process would cut the sends that the policy did not wait for.
        report.settled().await
    };
    let report = tokio::select! {
        report = sent => report,
        Ok(()) = tokio::signal::ctrl_c() => {
            tell("interrupted: a target that was sent to may have applied the message");
            return Ok(exit::INTERRUPTED);
        }
    };
    print::report(&report, args);
    Ok(exit::code(&report))
}

/// Makes the fan-out that the arguments alone describe, and its message.
fn prepare(args: &SendArgs) -> Result<(Message, FanOut), Failure> {
    // One list, so that no mirror gets the name of a target.
    let texts: Vec<_> = args.to.iter().chain(&args.mirror).cloned().collect();
    let targets = targets::parse(&texts)?;
    let policy = args.policy.build(args.min_success, args.on_ambiguous.map(Into::into))?;
    let (message, headers) = data::message(args)?;
    let grpc = targets.iter().find(|target| matches!(target.address, Address::Grpc { .. }));
    check_json(grpc.map(|target| &*target.name), message.payload())?;

    let mut sinks = Sinks::new(args, headers)?;
    let mut builder = FanOut::builder(policy).deadline(deadline(args));
    for (index, target) in targets.iter().enumerate() {
        let sink = sinks.build(target)?;
        builder = if index < args.to.len() {
            builder.sink(target.name.as_str(), sink)
        } else {
            builder.mirror(target.name.as_str(), sink)
        };
    }
    Ok((message, builder.build().map_err(explain)?))
}

/// A gRPC target needs JSON. Found out here, nothing is sent to anyone.
fn check_json(needed_by: Option<&str>, payload: &[u8]) -> Result<(), Failure> {
    match (needed_by, data::json_fault(payload)) {
        (Some(name), Some(fault)) => {
            let text = format!("the data is not valid JSON, which {name} needs: {fault}");
            let failure = Failure::new(text);
            Err(match payload {
                [] => failure.hint("an empty message is -d '{}'"),
                _ => failure,
            })
        }
        _ => Ok(()),
    }
}

fn deadline(args: &SendArgs) -> Duration {
    let roomy = args.timeout.saturating_add(Duration::from_secs(5));
    args.deadline.unwrap_or_else(|| roomy.max(Duration::from_secs(35)))
}

/// Explains why the prompt does not come back although all is decided.
fn say_what_is_awaited(report: &Report) {
    let pending: Vec<_> = report
        .deliveries()
        .iter()
        .filter(|delivery| matches!(delivery.outcome(), Outcome::Pending))
        .map(|delivery| delivery.sink())
        .collect();
    if !pending.is_empty() {
        tell(&format!("{}; waiting for {}", report.verdict(), pending.join(", ")));
    }
}

fn explain(error: BuildError) -> Failure {
    match error {
        BuildError::Policy { policy, needed, required } => {
            let there = match required {
                1 => "there is only one".to_owned(),
                _ => format!("there are only {required}"),
            };
            let text = format!("{policy} needs {needed} targets to take the message; {there}");
            Failure::new(text).hint("every target is one --to; mirrors do not count")
        }
        other => Failure::new(other.to_string()),
    }
}
