//! Many messages: `fanout send` with an input, and `fanout resend`.
//!
//! [`input`] reads records, [`job`] makes messages of them, [`run`] sends those and notes how each ended:
//! what was not delivered in [`failed`], what is done in [`state`], the counts in [`tally`].

pub(crate) mod args;
mod failed;
mod input;
mod job;
mod pace;
mod progress;
pub(crate) mod resend;
mod run;
mod state;
mod stop;
mod summary;
mod tally;

use std::io::Write as _;
use std::path::Path;

use fanout::{FanOut, Role};
use uuid::Uuid;

use self::args::RunArgs;
use self::failed::{FailedFile, Origin};
use self::input::{Format, Input};
use self::job::{Maker, Source};
use self::progress::Progress;
use self::run::{Ended, Run};
use self::state::{Binding, State};
use self::stop::Interrupts;
use crate::args::SendArgs;
use crate::exit::Failure;
use crate::send::Prepared;
use crate::ui::{self, say};

pub(crate) use self::failed::{RecordedTarget, Targets as RecordedTargets, To};

/// Sends every record of the input at `path`.
pub(crate) async fn send(
    args: &SendArgs,
    prepared: Prepared,
    format: Format,
    path: &Path,
) -> Result<u8, Failure> {
    let many = &args.many;
    let mut input = Input {
        format,
        path: path.to_owned(),
        max_record: many.max_record,
        skip: many.skip.unwrap_or(0),
    };
    let Prepared { fan_out, metadata, content_type, headers, targets, .. } = prepared;
    let origin = Origin::new(required(&fan_out), headers, targets);
    let binding = |input: &Input| Binding::of(input.format.as_str(), &input.path);
    if many.run.state.is_some() && input.is_stdin() {
        return Err(Failure::new("--state needs an input that can be read again")
            .hint("standard input cannot: write it to a file first"));
    }
    let (failed, state) = open(&many.run, &origin, || binding(&input))?;
    if let Some(state) = &state {
        input.skip = state.done().upto();
    }
    let run = state.as_ref().map_or_else(Uuid::now_v7, State::run);
    let content_type = content_type.unwrap_or_else(|| "application/json".to_owned());
    let interrupts = Interrupts::listen()?;
    let make = Maker { run, content_type, metadata };
    let mut source = Source::Input { reading: input.open()?, make };
    let progress = Progress::new(many.run.quiet, source.bytes());
    let run = Run::new(fan_out, failed, state, many.strict, progress);
    let ended = run.drive(&mut source, &many.run, interrupts).await;
    print(
        &ended,
        &many.run,
        args.json,
        "To go on from there: the same command with --skip {record}",
    );
    Ok(ended.code())
}

/// Opens the files that a run writes.
fn open(
    args: &RunArgs,
    origin: &Origin,
    binding: impl FnOnce() -> Result<Binding, Failure>,
) -> Result<(Option<FailedFile>, Option<State>), Failure> {
    let Some(path) = &args.failed else { return Ok((None, None)) };
    let Some(state) = &args.state else {
        return Ok((Some(FailedFile::create(path, origin, args.force)?), None));
    };
    let mut state = State::open(state, binding()?, origin.clone())?;
    let (failed, numbers) = FailedFile::resume(path, origin)?;
    // Its line may have been the last that was written.
    for number in numbers {
        state.finish(number)?;
    }
    Ok((Some(failed), Some(state)))
}

/// The names of the required sinks, in order.
fn required(fan_out: &FanOut) -> Vec<String> {
    let names = fan_out.sinks().into_iter();
    names
        .filter(|name| fan_out.sink_role(name) == Some(Role::Required))
        .map(str::to_owned)
        .collect()
}

fn print(ended: &Ended, args: &RunArgs, as_json: bool, again: &str) {
    let failed = args.failed.as_deref();
    if as_json {
        drop(writeln!(std::io::stdout(), "{}", summary::json(ended, failed)));
    } else {
        say(&summary::render(ended, failed, again, ui::width()));
    }
}
