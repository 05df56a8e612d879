//! The names of all keys, one list for each kind of table. What reads a table asks here which there are.

/// The file itself.
pub(crate) const ROOT: [&str; 2] = ["sinks", "routes"];

/// `[sinks.NAME]`, whatever it sends by.
pub(crate) const SINK: [&str; 6] =
    ["timeout", "idempotency", "resilience", "allow_plaintext", "untrusted", "guard"];

/// `guard` of a sink.
pub(crate) const GUARD: [&str; 2] = ["allow", "deny"];

/// `[sinks.NAME]` with `http`.
pub(crate) const HTTP: [&str; 10] = [
    "http",
    "method",
    "headers",
    "query",
    "content_type",
    "connect_timeout",
    "max_request_body",
    "max_receipt_body",
    "redirects",
    "version",
];

/// `version` of an HTTP sink: one of these.
pub(crate) const VERSION: [&str; 5] = ["path", "header", "query", "media_type", "vendor_type"];

/// What all of them but `path` are made of.
pub(crate) const VERSION_PAIR: [&str; 2] = ["name", "value"];

/// `redirects` of an HTTP sink, where it is a table.
pub(crate) const REDIRECTS: [&str; 2] = ["follow", "max"];

/// `[sinks.NAME]` with `grpc`.
pub(crate) const GRPC: [&str; 3] = ["grpc", "schema", "metadata"];

/// `schema` of a gRPC sink, where it is a table.
pub(crate) const SCHEMA: [&str; 1] = ["descriptor_set"];

/// `[routes.NAME]`, whatever its policy.
pub(crate) const ROUTE: [&str; 5] = ["sinks", "mirrors", "policy", "deadline", "rest"];

/// `[routes.NAME]`: those that belong to some policies, with them.
pub(crate) const POLICY: [(&str, &[&str]); 5] = [
    ("min_success", &["all_settled"]),
    ("fail_fast", &["all", "all_settled"]),
    ("k", &["quorum"]),
    ("delay", &["hedged"]),
    ("on_ambiguous", &["fallback"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever adds a key adds it to the page that people read.
    #[test]
    fn the_complete_file_has_every_key() {
        let file = include_str!("../docs/fanout.toml");
        let lists: [&[&str]; 10] = [
            &ROOT,
            &SINK,
            &GUARD,
            &HTTP,
            &REDIRECTS,
            &VERSION,
            &VERSION_PAIR,
            &GRPC,
            &SCHEMA,
            &ROUTE,
        ];
        let policy = POLICY.iter().map(|(key, _)| *key);
        let missing: Vec<_> = lists
            .concat()
            .into_iter()
            .chain(policy)
            .filter(|key| {
                let value = format!("{key} = ");
                let table = [format!("[{key}."), format!(".{key}]")];
                let own_line = |line: &str| line.trim_start_matches("# ").starts_with(&value);
                !file.lines().any(own_line)
                    && !file.contains(&format!("{{ {value}"))
                    && !file.contains(&format!(", {value}"))
                    && !table.iter().any(|table| file.contains(table))
            })
            .collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
