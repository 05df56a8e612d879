//! The arguments, and the help that people read.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use fanout::policy::OnAmbiguous;
use http::Method;

use crate::bulk::args::ManyArgs;
use crate::bulk::resend::{self, ResendArgs};
use crate::check::{self, CheckArgs};
use crate::completions::{self, CompletionsArgs};
use crate::man::{self, ManArgs};
use crate::policy::PolicyName;
use crate::sandbox::{self, SandboxArgs};
use crate::send::data::parse_limit;

/// Send one message to two or more APIs at once, and know exactly what happened at each.
#[derive(Debug, Parser)]
#[command(name = "fanout", version, max_term_width = 100, after_help = TOP_EXAMPLES)]
pub(crate) struct Cli {
    /// Colours: auto (on a terminal, unless NO_COLOR is set), always or never
    ///
    /// CLICOLOR=0 and CLICOLOR_FORCE=1 are obeyed too; NO_COLOR outweighs them, and this option all.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_possible_values = true, display_order = LAST)]
    pub(crate) color: ColorChoice,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See it work: one message to an HTTP and a gRPC endpoint, under several policies
    ///
    /// Starts both endpoints on free ports of this machine, sends one JSON message to both, and shows
    /// what each received and what the report says; then the same with one of them failing, under
    /// four policies. Needs no setup and no network.
    #[command(after_help = DEMO_EXITS)]
    Demo,
    /// Send one message to every target at once, or many
    #[command(after_help = SEND_EXAMPLES)]
    Send(Box<SendArgs>),
    /// Send what was not delivered to those that miss it, and to no other
    #[command(after_help = resend::AFTER_HELP)]
    Resend(Box<ResendArgs>),
    /// Look at a file and its sinks before anything is sent
    #[command(after_help = check::AFTER_HELP)]
    Check(CheckArgs),
    /// Run endpoints that print what they receive, to try things on
    #[command(after_help = sandbox::AFTER_HELP)]
    Sandbox(Box<SandboxArgs>),
    /// Print what makes your shell complete the arguments of fanout
    #[command(after_help = completions::AFTER_HELP)]
    Completions(CompletionsArgs),
    /// Print the manual page, or write all of them into a directory
    #[command(after_help = man::AFTER_HELP)]
    Man(ManArgs),
}

#[derive(Args, Debug)]
pub(crate) struct SendArgs {
    /// Where to send: http(s)://HOST/PATH or grpc(s)://HOST:PORT/package.Service/Method
    ///
    /// Given once for each target. NAME=URL gives the target a name for the report; otherwise it is
    /// named after its host.
    #[arg(long, value_name = "URL")]
    pub(crate) to: Vec<String>,

    /// Send to a route of this TOML file, in place of --to and all that is said about targets here
    ///
    /// The file names sinks, with their timeouts, retries and limits, and routes, with their policy
    /// and deadline. With neither --to nor --config, fanout.toml in this folder is used.
    #[arg(long, value_name = "FILE", conflicts_with_all = IN_THE_FILE)]
    pub(crate) config: Option<PathBuf>,

    /// The route of that file; may be left out where there is only one
    #[arg(long, value_name = "NAME", conflicts_with = "to")]
    pub(crate) route: Option<String>,

    /// A target that gets a copy, and whose failure never matters
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Vec<String>,

    /// What to send: the text itself, @FILE, or @- for standard input
    ///
    /// Without it, standard input is read if something is piped into it.
    #[arg(short, long, value_name = "DATA", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,

    /// The media type of the data [default: application/json if it is JSON, else text or bytes]
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,

    /// A header for every target, 'Name: value'; gRPC targets get it as metadata
    #[arg(short = 'H', long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,

    /// The HTTP method
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "POST")]
    pub(crate) method: Method,

    /// When the whole counts as done
    ///
    ///   all             every target must take it
    ///   all:fail-fast   the same, decided at the first failure
    ///   all_settled     as many as --min-success must take it; everyone is reported on
    ///   first           one must take it; all are sent to, and a fast error does not win
    ///   race            the first answer decides, be it an error
    ///   quorum:N        N must take it
    ///   majority        more than half must take it
    ///   fallback        one after the other, until one takes it
    ///   hedged:DELAY    one; another after each DELAY without an answer
    ///   sequential      one after the other, as long as they take it
    ///
    /// Under first, race and hedged, several targets may end up with the message.
    #[arg(short, long, value_name = "POLICY", default_value = "all", verbatim_doc_comment)]
    pub(crate) policy: PolicyName,

    /// For all_settled: how many targets must take the message [default: 1]
    #[arg(long, value_name = "COUNT")]
    pub(crate) min_success: Option<usize>,

    /// For fallback: what to do when the failed target may have applied the message all the same
    #[arg(long, value_name = "WHAT")]
    pub(crate) on_ambiguous: Option<OnAmbiguousArg>,

    /// The longest time one attempt may take, answer included
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_limit)]
    pub(crate) timeout: Duration,

    /// The longest time everything together may take [default: 35s, or --timeout plus 5s if longer]
    #[arg(long, value_name = "TIME", value_parser = parse_limit)]
    pub(crate) deadline: Option<Duration>,

    /// Trust the certificates in this PEM file instead of the platform's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_cert: Option<PathBuf>,

    /// Send to http:// and grpc:// targets on other machines too, unencrypted
    #[arg(long)]
    pub(crate) allow_plaintext: bool,

    /// Connect to public addresses only: for URLs that somebody else wrote
    #[arg(long)]
    pub(crate) untrusted: bool,

    /// A descriptor set for gRPC servers without reflection (as `protoc --include_imports -o` makes)
    #[arg(long, value_name = "FILE")]
    pub(crate) descriptor_set: Option<PathBuf>,

    /// Print the answers too; with --json, as the `body` of each receipt
    #[arg(long)]
    pub(crate) body: bool,

    /// Print the report as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) many: ManyArgs,
}

impl SendArgs {
    /// Names an argument that says something about `--to` targets, where one does.
    pub(crate) fn of_targets(&self) -> Option<&'static str> {
        let default: [(&str, bool); 9] = [
            ("mirror", self.mirror.is_empty()),
            ("method", self.method == Method::POST),
            ("policy", self.policy == PolicyName::All),
            ("min-success", self.min_success.is_none()),
            ("on-ambiguous", self.on_ambiguous.is_none()),
            ("deadline", self.deadline.is_none()),
            ("ca-cert", self.ca_cert.is_none()),
            ("allow-plaintext", !self.allow_plaintext),
            ("descriptor-set", self.descriptor_set.is_none()),
        ];
        default.into_iter().find(|(_, is_default)| !is_default).map(|(name, _)| name)
    }
}

/// [`OnAmbiguous`], as it is written on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OnAmbiguousArg {
    /// Do not go on unless the message was surely not applied
    Stop,
    /// Go on: doing it twice is harmless for this message
    Proceed,
}

impl OnAmbiguousArg {
    /// As it is written.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Proceed => "proceed",
        }
    }
}

impl From<OnAmbiguousArg> for OnAmbiguous {
    fn from(arg: OnAmbiguousArg) -> Self {
        match arg {
            OnAmbiguousArg::Stop => Self::Stop,
            OnAmbiguousArg::Proceed => Self::Proceed,
        }
    }
}

/// Behind the options that are a command's own.
const LAST: usize = 900;

/// What a file says in its own way.
const IN_THE_FILE: [&str; 12] = [
    "to",
    "mirror",
    "method",
    "policy",
    "min_success",
    "on_ambiguous",
    "timeout",
    "deadline",
    "ca_cert",
    "allow_plaintext",
    "untrusted",
    "descriptor_set",
];

const TOP_EXAMPLES: &str = "\
Examples:
  fanout demo
  fanout sandbox --http 8081 --grpc 50051
  fanout send --to http://localhost:8081/orders \\
              --to grpc://localhost:50051/fanout.sandbox.v1.Orders/Place \\
              -d '{\"order\":17}'";

const DEMO_EXITS: &str = "\
Exit codes:
  0    it went as it should
  2    the endpoints could not be started
  4    a message was not delivered that should have been
  130  ended by Ctrl-C";

const SEND_EXAMPLES: &str = "\
Examples:
  One JSON message to an HTTP API and a gRPC API; both must take it:
    fanout send --to https://api.example.com/orders \\
                --to grpcs://audit.example.com/audit.v1.Audit/Record -d @order.json

  Two of three must take it; the answers are printed too:
    fanout send --policy quorum:2 --body -d '{\"a\":1}' \\
                --to eu=https://eu.example.com/v1 --to us=https://us.example.com/v1 \\
                --to asia=https://asia.example.com/v1

  The second one only when the first surely did not take it:
    date | fanout send --policy fallback --on-ambiguous stop \\
                --to https://a.example.com/log --to https://b.example.com/log

  To the sinks that a file names, with the retries and limits that it sets:
    fanout send --config fanout.toml --route orders -d @order.json

  A file of messages, and later what was not delivered of it:
    fanout send --ndjson orders.ndjson --failed failed.ndjson
    fanout resend failed.ndjson

Exit codes:
  0    the policy held
  1    many messages: it could not go on to the end; the summary says where it stopped
  2    wrong usage or a faulty file; nothing was sent
  3    all_settled, quorum or majority held, and a target failed
  4    the policy did not hold
  5    the policy did not hold, and a target that failed may have applied the message all the
       same: do not blindly run it again
  130  Ctrl-C came first; every target that was sent to may have applied the message. Of many
       messages, those under way are finished first; a second Ctrl-C cuts them

The exit code of many messages is that of the worst one. Each record that is no message (not
JSON, too long) is told with its line, counted, and kept in the file of --failed; it makes the exit
code 4 at least. Every message has an id of its own, from which its idempotency keys derive: new in
every run, the same in every run with one --state, and the same when `fanout resend` sends it again.

A proxy is taken from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, but never for this machine
itself.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
