//! A secret in each place of a configuration file, rightly and wrongly written.

use fanout_config::Config;

use super::canaries::Canaries;
use super::outputs::Outputs;

pub(crate) fn drive(canaries: &Canaries, outputs: &mut Outputs<'_>) {
    let literal = canaries.plant("literal in a file").text();
    let variable = canaries.plant("variable for a file").text();
    let http = "[sinks.a]\nhttp = \"http://localhost/\"\n";
    let grpc = "[sinks.a]\ngrpc = \"http://localhost/a.B/C\"\nschema = \"encoded\"\n";
    let values = [format!("\"{literal}\""), "\"${TOKEN}\"".into(), "\"a\\n${TOKEN}\"".into()];
    let mut files = Vec::new();
    for value in &values {
        for (sink, keys) in [(http, &HTTP[..]), (grpc, &GRPC[..])] {
            for key in keys {
                files.push(format!("{sink}{}\n", key.replace("<>", value)));
            }
        }
    }
    for broken in BROKEN {
        files.push(format!("{http}{}\n", broken.replace("<>", &literal)));
    }
    files.push(format!("[sinks.a]\nhttp = \"http://user:{literal}@localhost/\"\n"));
    files.push(format!("[sinks.a]\nhttp = \"http://example.com/?{literal}\"\n"));
    files.push("[sinks.a]\nhttp = \"http://user:${TOKEN}@localhost/\"\n".to_owned());
    files.push("[sinks.a]\nhttp = \"${TOKEN}\"\n".to_owned());
    files.push("[sinks.a]\nhttp = \"${TOKEN}://localhost/\"\n".to_owned());
    for file in files {
        outputs.paths += 1;
        let text = format!("{file}[routes.r]\nsinks = [\"a\"]\n");
        let variables = |name: &str| (name == "TOKEN").then(|| variable.clone());
        // The place by the file's line, which is no output of ours.
        match Config::parse_with("f.toml", &text, variables) {
            Ok(config) => outputs.debug("a file", &config),
            Err(error) => {
                outputs.text(&file, "the error", &error.to_string());
                outputs.debug(&file, &error);
            }
        }
    }
}

/// Where a value may be a secret; most of the forms are wrong.
const HTTP: [&str; 9] = [
    "headers = { Authorization = <> }",
    "headers = { X-Key = [<>, 1] }",
    "headers = { X-Key = { a = <> } }",
    "headers = <>",
    "headers = [<>]",
    "query = { key = <> }",
    "query = <>",
    "content_type = <>",
    "max_request_body = <>",
];

const GRPC: [&str; 3] = ["metadata = { authorization = <> }", "metadata = <>", "metadata = [<>]"];

/// What is no TOML, or has the secret in a name.
const BROKEN: [&str; 6] = [
    "headers = { Authorization = \"<> }",
    "headers = { Authorization = <> }",
    "headers = { \"Authorization: <>\" = \"\" }",
    "headers = { Authorization = \"\\q<>\" }",
    "headers = { Authorization = \"<>\", Authorization = \"<>\" }",
    "query = \"\"\"<>",
];
