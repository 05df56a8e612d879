//! The names of all keys, one list for each kind of table. What reads a table asks here which there are.

/// The file itself.
pub(crate) const ROOT: &[&str] = &["sinks", "routes"];

/// `[sinks.NAME]`, whatever it sends by.
pub(crate) const SINK: &[&str] = &[
    "timeout",
    "idempotency",
    "resilience",
    "allow_plaintext",
    "proxy",
    "tls",
    "max_response_head",
    "untrusted",
    "guard",
    "auth",
];

/// `auth` of a sink: one of these.
pub(crate) const AUTH: &[&str] = &["bearer", "basic", "api_key", "oauth2"];

/// `oauth2` of `auth`.
pub(crate) const OAUTH2: &[&str] = &[
    "token_url",
    "client_id",
    "client_secret",
    "scope",
    "audience",
    "params",
    "client_auth",
    "timeout",
    "refresh_margin",
    "allow_plaintext",
    "proxy",
    "tls",
];

/// `tls` of a sink.
pub(crate) const TLS: &[&str] = &["ca", "cert", "key", "min_version", "server_name"];

/// `basic` of `auth`.
pub(crate) const BASIC: &[&str] = &["user", "password"];

/// `api_key` of `auth`.
pub(crate) const API_KEY: &[&str] = &["header", "query", "value"];

/// A secret, where it is a table: one of these.
pub(crate) const SECRET: &[&str] = &["env", "file"];

/// `signing` of an HTTP sink.
pub(crate) const SIGNING: &[&str] = &["keys"];

/// `proxy` of a sink, where it is a table.
pub(crate) const PROXY: &[&str] = &["url", "user", "password", "except"];

/// `guard` of a sink.
pub(crate) const GUARD: &[&str] = &["allow", "deny"];

/// `[sinks.NAME]` with `http`.
pub(crate) const HTTP: &[&str] = &[
    "http",
    "method",
    "host",
    "headers",
    "query",
    "content_type",
    "connect_timeout",
    "max_request_body",
    "max_receipt_body",
    "compression",
    "http_version",
    "redirects",
    "success_on",
    "never_on",
    "retry_on",
    "trust_503",
    "vendor_codes",
    "rate_limit_fields",
    "version",
    "signing",
];

/// `version` of an HTTP sink: one of these.
pub(crate) const VERSION: &[&str] = &["path", "header", "query", "media_type", "vendor_type"];

/// What all of them but `path` are made of.
pub(crate) const VERSION_PAIR: &[&str] = &["name", "value"];

/// `redirects` of an HTTP sink, where it is a table.
pub(crate) const REDIRECTS: &[&str] = &["follow", "max"];

/// `[sinks.NAME]` with `grpc`.
pub(crate) const GRPC: &[&str] =
    &["grpc", "schema", "metadata", "authority", "max_request", "max_response", "compression"];

/// `schema` of a gRPC sink, where it is a table.
pub(crate) const SCHEMA: &[&str] = &["descriptor_set"];

/// `[routes.NAME]`, whatever its policy.
pub(crate) const ROUTE: &[&str] = &["sinks", "mirrors", "policy", "deadline", "rest"];

/// `[routes.NAME]`: those that belong to some policies, with them.
pub(crate) const POLICY: &[(&str, &[&str])] = &[
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
        let lists = [
            ROOT,
            SINK,
            AUTH,
            BASIC,
            API_KEY,
            OAUTH2,
            TLS,
            SECRET,
            SIGNING,
            PROXY,
            GUARD,
            HTTP,
            VERSION,
            VERSION_PAIR,
            REDIRECTS,
            GRPC,
            SCHEMA,
            ROUTE,
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
