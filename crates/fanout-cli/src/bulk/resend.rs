//! `fanout resend`: what was not delivered, to those that miss it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser as _};

use super::args::RunArgs;
use super::failed::{self, Origin, Targets, To};
use super::job::{Source, Undelivered};
use super::progress::{Progress, number};
use super::run::Run;
use super::state::Binding;
use super::stop::Interrupts;
use super::{open, print, required};
use crate::args::{Cli, Command, SendArgs};
use crate::exit::Failure;
use crate::send::{self, Prepared};
use crate::ui::{printable, tell};

/// What is to be sent again, and to whom.
#[derive(Args, Debug)]
pub(crate) struct ResendArgs {
    /// What `fanout send --failed` or an earlier resend wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The file that names the sinks now, if it is not where it was
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The route of that file now, if its name has changed
    #[arg(long, value_name = "NAME")]
    pub(crate) route: Option<String>,

    /// A target as it is now, NAME=URL; needed for one whose URL has a query, which is not written down
    #[arg(long, value_name = "URL")]
    pub(crate) to: Vec<String>,

    /// A header that the messages were sent with, 'Name: value': values are not written down
    #[arg(short = 'H', long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,

    /// Send to sinks too that may have the message already, and would not know it for a duplicate
    #[arg(long)]
    pub(crate) include_ambiguous: bool,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Sends again, prints what happened, and returns the exit code.
pub(crate) async fn run(args: &ResendArgs) -> Result<u8, Failure> {
    let (was, entries) = failed::read(&args.file)?;
    let same = |path: &PathBuf| {
        path == &args.file
            || (path.canonicalize().ok())
                .is_some_and(|path| Some(path) == args.file.canonicalize().ok())
    };
    if args.run.failed.as_ref().is_some_and(same) {
        return Err(Failure::new("--failed names the file that is being sent")
            .hint("what fails again goes into another one"));
    }
    let arguments = arguments(args, &was)?;
    let Prepared { fan_out, metadata, headers, targets, .. } = send::prepare(&arguments)?;
    let sinks = required(&fan_out);
    if sinks != was.sinks {
        let (sinks, were) = (shown(&sinks), shown(&was.sinks));
        return Err(Failure::new(format!("the sinks are {sinks} now, and were {were}"))
            .hint("a message can only be sent again to the sinks that it was for"));
    }
    let origin = Origin::new(sinks.clone(), headers, targets);
    let (failed, state) = open(&args.run, &origin, || Binding::of("undelivered", &args.file))?;
    let interrupts = Interrupts::listen()?;
    let undelivered = Undelivered {
        entries,
        fan_out: fan_out.clone(),
        sinks,
        metadata,
        include_ambiguous: args.include_ambiguous,
        held: BTreeMap::new(),
    };
    let mut source = Source::Undelivered(Box::new(undelivered));
    let progress = Progress::new(args.run.quiet, source.bytes());
    let run = Run::new(fan_out, failed, state, false, progress);
    let ended = run.drive(&mut source, &args.run, interrupts).await;
    if let Source::Undelivered(undelivered) = &source {
        for (sink, count) in &undelivered.held {
            let (sink, count) = (printable(sink), number(*count));
            tell(&format!(
                "{sink}: {count} left, because it may have them already and would not know the \
                 duplicates (--include-ambiguous sends them all the same)"
            ));
        }
    }
    print(
        &ended,
        &args.run,
        args.json,
        "The rest is in the file still: the same command sends it again, \
         and what was delivered now a second time, under the same keys",
    );
    Ok(ended.code())
}

/// The arguments that the messages were sent with, as far as they were written down, and what is said now.
fn arguments(args: &ResendArgs, was: &Origin) -> Result<SendArgs, Failure> {
    let mut words: Vec<String> =
        vec!["fanout".into(), "send".into(), "--ndjson".into(), "-".into()];
    if matches!(&was.targets, Targets::To(to) if to.allow_plaintext && args.config.is_none()) {
        words.push("--allow-plaintext".into());
    }
    let mut add = |name: &str, value: String| words.push(format!("--{name}={value}"));
    match (&was.targets, &args.config) {
        (Targets::Route { config, route }, given) => {
            if !args.to.is_empty() {
                return Err(Failure::new(
                    "the messages were sent by a route, and --to names a target",
                )
                .hint("the file of the route names its sinks"));
            }
            let config = given.as_ref().unwrap_or(config);
            add("config", config.display().to_string());
            add("route", args.route.clone().unwrap_or_else(|| route.clone()));
        }
        (Targets::To(_), Some(config)) => {
            add("config", config.display().to_string());
            if let Some(route) = &args.route {
                add("route", route.clone());
            }
        }
        (Targets::To(to), None) => recorded(args, to, &mut add)?,
    }
    let given = |name: &String| {
        let mut names = args.header.iter().filter_map(|header| header.split_once(':'));
        names.any(|(given, _)| given.trim().eq_ignore_ascii_case(name))
    };
    if let Some(name) = was.headers.iter().find(|name| !given(name)) {
        return Err(Failure::new(format!("the messages were sent with the header {name}"))
            .hint(format!("its value is not written down: give it with -H '{name}: …'")));
    }
    for header in &args.header {
        add("header", header.clone());
    }
    match Cli::try_parse_from(words) {
        Ok(Cli { command: Command::Send(args), .. }) => Ok(*args),
        // Nothing of it is quoted: a header may be a credential.
        _ => Err(Failure::new(format!("the first line of {} is damaged", args.file.display()))),
    }
}

/// What the arguments were.
fn recorded(args: &ResendArgs, to: &To, add: &mut impl FnMut(&str, String)) -> Result<(), Failure> {
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    for text in &args.to {
        let (name, url) = text.split_once('=').ok_or_else(|| {
            Failure::new("a target needs the name that it had").hint("write --to NAME=URL")
        })?;
        if !to.to.iter().any(|target| target.name == name) {
            let names: Vec<_> = to.to.iter().map(|target| target.name.clone()).collect();
            return Err(Failure::new(format!("there was no target {:?}", printable(name)))
                .hint(format!("the targets were {}", shown(&names))));
        }
        given.insert(name, url);
    }
    for target in &to.to {
        let name = &target.name;
        let url = match given.get(&**name) {
            Some(url) => url,
            None if target.had_query => {
                let text = format!("the URL of {name} had a query, which is not written down");
                return Err(Failure::new(text).hint(format!("give all of it: --to {name}=URL")));
            }
            None => &*target.url,
        };
        add("to", format!("{name}={url}"));
    }
    add("policy", to.policy.clone());
    add("method", to.method.clone());
    add("timeout", format!("{}ms", to.timeout_ms));
    if let Some(millis) = to.deadline_ms {
        add("deadline", format!("{millis}ms"));
    }
    if let Some(count) = to.min_success {
        add("min-success", count.to_string());
    }
    if let Some(what) = &to.on_ambiguous {
        add("on-ambiguous", what.clone());
    }
    for (name, path) in [("ca-cert", &to.ca_cert), ("descriptor-set", &to.descriptor_set)] {
        if let Some(path) = path {
            add(name, path.display().to_string());
        }
    }
    Ok(())
}

fn shown(names: &[String]) -> String {
    names.iter().map(|name| printable(name)).collect::<Vec<_>>().join(", ")
}

/// What stands below the options.
pub(crate) const AFTER_HELP: &str = "\
Examples:
  fanout send --ndjson orders.ndjson --failed failed.ndjson
  fanout resend failed.ndjson --failed still-failed.ndjson

Every message goes to the sinks that miss it by the file, under the id and the idempotency keys that
it had. A sink that may have it already is sent to when that is harmless: when it honours keys, or
its method may be repeated. The others are left, and told.

The targets are those of the file: the same route of the same fanout.toml, or the URLs of --to. What
may be secret is not in it: give headers again with -H, and a URL that has a query with --to NAME=URL.

What fails again goes into the file of --failed. When this run is cut, run it again with the same
--state: what was delivered is then known.

Exit codes:
  those of `fanout send`; what was left makes it 4 at least";
