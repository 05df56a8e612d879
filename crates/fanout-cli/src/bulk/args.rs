//! The arguments of sends of many messages, and of `fanout resend`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::input::Format;
use super::pace::Rate;

/// Where many messages come from, and how they are sent.
#[derive(Args, Debug)]
#[command(next_help_heading = "Many messages")]
pub(crate) struct ManyArgs {
    /// One message for each line of this file, which is one JSON value; - is standard input
    ///
    /// Lines with nothing but space are passed over.
    #[arg(long, value_name = "FILE", group = "many", conflicts_with = "data")]
    pub(crate) ndjson: Option<PathBuf>,

    /// One message for each element of the JSON array in this file; - is standard input
    #[arg(long, value_name = "FILE", group = "many", conflicts_with = "data")]
    pub(crate) json_array: Option<PathBuf>,

    /// One message for each row of this file: a JSON object of strings by the names in its first row
    #[arg(long, value_name = "FILE", group = "many", conflicts_with = "data")]
    pub(crate) csv: Option<PathBuf>,

    /// Stop at the first record that is no message (not JSON, too long), in place of going on
    #[arg(long, requires = "many")]
    pub(crate) strict: bool,

    /// The largest record, in bytes, or as 64KiB, 8MiB
    #[arg(long, value_name = "SIZE", requires = "many", value_parser = parse_size,
          default_value = "1MiB")]
    pub(crate) max_record: usize,

    /// Leave out the first COUNT records
    #[arg(long, value_name = "COUNT", requires = "many", conflicts_with = "state")]
    pub(crate) skip: Option<u64>,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// How many messages are sent, by `send` and by `resend`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Many messages")]
pub(crate) struct RunArgs {
    /// Write what was not delivered here, for `fanout resend`: the message and the sinks that miss it
    ///
    /// A line of JSON each, readable by you alone; it holds the payloads. Removed at the end when
    /// everything was delivered. A file that holds something is not written over, unless --force
    /// says so; with --state it is continued.
    #[arg(long, value_name = "FILE")]
    pub(crate) failed: Option<PathBuf>,

    /// Write over a file that --failed names
    #[arg(long, requires = "failed", conflicts_with = "state")]
    pub(crate) force: bool,

    /// Keep here what is done, so that the same command goes on after a crash; needs --failed
    ///
    /// It belongs to this input and these targets, and is refused with others. Every message keeps
    /// its id and its idempotency keys from run to run. After a crash those that were in flight (at
    /// most --concurrency) are sent again: twice, where the crash came between an answer and the
    /// note of it. A receiver that honours the key drops them.
    #[arg(long, value_name = "FILE", requires = "failed")]
    pub(crate) state: Option<PathBuf>,

    /// How many messages may be under way at once
    #[arg(long, value_name = "COUNT", default_value = "32")]
    pub(crate) concurrency: NonZeroUsize,

    /// Begin at most so many messages in a time: 100/s, 30/min; retries are not counted
    #[arg(long, value_name = "RATE")]
    pub(crate) rate: Option<Rate>,

    /// Show no progress; errors and the summary remain
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

impl ManyArgs {
    /// The input, where many messages are to be sent.
    pub(crate) fn input(&self) -> Option<(Format, &PathBuf)> {
        let ndjson = self.ndjson.as_ref().map(|path| (Format::Ndjson, path));
        let array = || self.json_array.as_ref().map(|path| (Format::JsonArray, path));
        let csv = || self.csv.as_ref().map(|path| (Format::Csv, path));
        ndjson.or_else(array).or_else(csv)
    }
}

/// Reads `4096`, `64KiB`, `8MiB`.
fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1_usize,
        "k" | "kib" | "kb" => 1 << 10,
        "m" | "mib" | "mb" => 1 << 20,
        _ => 0,
    };
    let size = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    size.filter(|size| (1..=crate::send::data::LARGEST).contains(size))
        .ok_or_else(|| "write a size up to 64MiB, as in `65536`, `64KiB` or `8MiB`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, size) in [("1", 1), ("64KiB", 65_536), ("8 MiB", 8 << 20), ("64MiB", 64 << 20)] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in ["", "0", "1GiB", "65MiB", "-1", "many", "99999999999999999999"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
