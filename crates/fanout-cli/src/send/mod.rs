//! `fanout send`: one message to every target at once, or many.

pub(crate) mod data;
mod print;
mod route;
mod sinks;
mod targets;

use std::path::Path;
use std::time::Duration;

use fanout::{BuildError, FanOut, Outcome, Report};

use self::data::Header;
use self::sinks::Sinks;
use self::targets::{Address, Target};
use crate::args::SendArgs;
use crate::bulk::{self, RecordedTargets, To};
use crate::exit::{self, Failure};
use crate::ui::tell;

/// Everything about a send but its message.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) fan_out: FanOut,
    /// The headers that go with the message, because the sinks do not have them.
    pub(crate) metadata: Vec<Header>,
    pub(crate) content_type: Option<String>,
    /// A sink that takes JSON and nothing else.
    pub(crate) wants_json: Option<String>,
    /// The names of all headers that were given.
    pub(crate) headers: Vec<String>,
    /// How to find these sinks again.
    pub(crate) targets: RecordedTargets,
}

/// Sends, prints what happened, and returns the exit code.
pub(crate) async fn run(args: &SendArgs) -> Result<u8, Failure> {
    let prepared = prepare(args)?;
    match args.many.input() {
        Some((format, path)) => bulk::send(args, prepared, format, path).await,
        None => one(args, prepared).await,
    }
}

/// Sends one message.
async fn one(args: &SendArgs, prepared: Prepared) -> Result<u8, Failure> {
    let message = data::message(args, prepared.content_type.as_deref())?;
    check_json(prepared.wants_json.as_deref(), message.payload())?;
    // Names of gRPC metadata are in small letters, and those of HTTP may be.
    let message = prepared.metadata.into_iter().fold(message, |message, header| {
        message.with_metadata(header.name.to_ascii_lowercase(), header.value)
    });
    let fan_out = prepared.fan_out;
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

/// Makes the fan-out that the arguments describe, or the file that they name, or the one that is there.
pub(crate) fn prepare(args: &SendArgs) -> Result<Prepared, Failure> {
    if let Some(path) = &args.config {
        return route::prepare(path, args);
    }
    if !args.to.is_empty() {
        return targeted(args);
    }
    let path = Path::new(FOUND_BY_ITSELF);
    if !path.is_file() {
        return Err(Failure::new("nobody to send to").hint(
            "give targets with --to URL, a file with --config FILE, or write fanout.toml in this folder",
        ));
    }
    if let Some(argument) = args.of_targets() {
        let text = format!("--{argument} is for --to targets, and there is none");
        return Err(Failure::new(text).hint("fanout.toml says it in its own way"));
    }
    tell(&format!("{0}using fanout.toml in this folder{0:#}", crate::ui::DIM));
    route::prepare(path, args)
}

/// Makes the fan-out that the arguments alone describe.
fn targeted(args: &SendArgs) -> Result<Prepared, Failure> {
    // One list, so that no mirror gets the name of a target.
    let texts: Vec<_> = args.to.iter().chain(&args.mirror).cloned().collect();
    let targets = targets::parse(&texts)?;
    let policy = args.policy.build(args.min_success, args.on_ambiguous.map(Into::into))?;
    let (headers, content_type) = data::headers(args)?;
    let names = headers.iter().map(|header| header.name.clone()).collect();
    let grpc = targets.iter().find(|target| matches!(target.address, Address::Grpc { .. }));
    let wants_json = grpc.map(|target| target.name.clone());

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
    let recorded = recorded(args, &targets[..args.to.len()]);
    Ok(Prepared {
        fan_out: builder.build().map_err(explain)?,
        metadata: Vec::new(),
        content_type,
        wants_json,
        headers: names,
        targets: RecordedTargets::To(Box::new(recorded)),
    })
}

/// What of the arguments a later resend needs.
fn recorded(args: &SendArgs, targets: &[Target]) -> To {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    To {
        to: targets.iter().map(Target::recorded).collect(),
        policy: args.policy.to_string(),
        min_success: args.min_success,
        on_ambiguous: args.on_ambiguous.map(|what| what.as_str().to_owned()),
        method: args.method.to_string(),
        timeout_ms: millis(args.timeout),
        deadline_ms: args.deadline.map(millis),
        ca_cert: args.ca_cert.clone(),
        descriptor_set: args.descriptor_set.clone(),
        allow_plaintext: args.allow_plaintext,
    }
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

/// The file that is used without being named.
const FOUND_BY_ITSELF: &str = "fanout.toml";
