//! Every way to get a file wrong, each with the whole message.
//!
//! `INSTA_UPDATE=always cargo test -p fanout-config` writes the messages anew: read them.

use fanout_config::Config;

/// One table for each file: what the file is, then the file. Lines count from the first of the text.
const FILES: &[(&str, &str)] = &[
    ("a key without a value", "[sinks.a]\nhttp =\n"),
    ("a text without its end", "[sinks.a]\nhttp = \"https://h/?token=hunter2\n"),
    ("the same key twice", "[sinks.a]\nhttp = \"https://h/\"\nhttp = \"https://hunter2/\"\n"),
    ("a misspelt top level", "[sink.a]\nhttp = \"https://h/\"\n"),
    ("a misspelt key", "[sinks.a]\nhttp = \"https://h/\"\ntimout = \"1s\"\n"),
    ("a strange key", "[sinks.a]\nhttp = \"https://h/\"\ncolour = \"blue\"\n"),
    ("a key that would steer a terminal", "[sinks.a]\nhttp = \"https://h/\"\n\"\\u001b[2J\" = 1\n"),
    ("a sink that is no table", "sinks.a = \"https://h/?token=hunter2\"\n"),
    ("no address", "[sinks.a]\ntimeout = \"1s\"\n"),
    ("a misspelt address", "[sinks.a]\nhtpp = \"https://h/?token=hunter2\"\n"),
    ("two addresses", "[sinks.a]\nhttp = \"https://h/\"\ngrpc = \"https://h/a.B/C\"\n"),
    ("an address that is no text", "[sinks.a]\nhttp = 80\n"),
    ("an address without scheme", "[sinks.a]\nhttp = \"localhost:8080/x?token=hunter2\"\n"),
    ("credentials in the address", "[sinks.a]\nhttp = \"https://ada:hunter2@h/?k=hunter2\"\n"),
    ("plain text to elsewhere", "[sinks.a]\nhttp = \"http://h/?k=hunter2\"\n"),
    ("plain gRPC to elsewhere", "[sinks.a]\ngrpc = \"grpc://h:1/a.B/C\"\n"),
    ("a gRPC address without method", "[sinks.a]\ngrpc = \"https://h/a.B\"\n"),
    ("an unknown gRPC scheme", "[sinks.a]\ngrpc = \"ftp://h/a.B/C\"\n"),
    ("a key of the other transport", "[sinks.a]\ngrpc = \"https://h/a.B/C\"\nmethod = \"PUT\"\n"),
    ("a bad method", "[sinks.a]\nhttp = \"https://h/\"\nmethod = \"GE T\"\n"),
    (
        "a bad header name",
        "[sinks.a]\nhttp = \"https://h/\"\n\n[sinks.a.headers]\nX-Good = \"1\"\n\"bad name\" = \"hunter2\"\n",
    ),
    (
        "a bad header value",
        "[sinks.a]\nhttp = \"https://h/\"\nheaders = { Authorization = \"hunter2\\n\" }\n",
    ),
    ("a header that is a number", "[sinks.a]\nhttp = \"https://h/\"\nheaders = { X-Pin = 4711 }\n"),
    (
        "headers that are a text",
        "[sinks.a]\nhttp = \"https://h/\"\nheaders = \"Authorization: hunter2\"\n",
    ),
    (
        "metadata of gRPC itself",
        "[sinks.a]\ngrpc = \"https://h/a.B/C\"\nmetadata = { grpc-timeout = \"1S\" }\n",
    ),
    ("a time without unit", "[sinks.a]\nhttp = \"https://h/\"\ntimeout = 10\n"),
    ("a time with a strange unit", "[sinks.a]\nhttp = \"https://h/\"\ntimeout = \"10 parsecs\"\n"),
    ("no time at all", "[sinks.a]\nhttp = \"https://h/\"\ntimeout = \"0s\"\n"),
    ("a negative time", "[sinks.a]\nhttp = \"https://h/\"\ntimeout = \"-1s\"\n"),
    ("a time without end", "[sinks.a]\nhttp = \"https://h/\"\ntimeout = \"9000000000000000s\"\n"),
    (
        "connecting longer than the attempt",
        "[sinks.a]\nhttp = \"https://h/\"\ntimeout = \"2s\"\nconnect_timeout = \"3s\"\n",
    ),
    ("a version that is a text", "[sinks.a]\nhttp = \"https://h/\"\nversion = \"v1\"\n"),
    (
        "a version in two places",
        "[sinks.a]\nhttp = \"https://h/{version}\"\nversion = { path = \"v1\", query = { name = \"v\", value = \"1\" } }\n",
    ),
    (
        "a version in a strange place",
        "[sinks.a]\nhttp = \"https://h/\"\nversion = { headers = { name = \"v\", value = \"1\" } }\n",
    ),
    (
        "a version without its value",
        "[sinks.a]\nhttp = \"https://h/\"\nversion = { header = { name = \"v\" } }\n",
    ),
    (
        "a version that would leave the path",
        "[sinks.a]\nhttp = \"https://h/{version}\"\nversion = { path = \"..\" }\n",
    ),
    (
        "a version for which the address has no place",
        "[sinks.a]\nhttp = \"https://h/?token=hunter2\"\nversion = { path = \"v1\" }\n",
    ),
    (
        "a place for a version that is not named",
        "[sinks.a]\nhttp = \"https://h/{version}?token=hunter2\"\n",
    ),
    (
        "a guard for a trusted sink",
        "[sinks.a]\nhttp = \"https://h/\"\nuntrusted = false\nguard = {}\n",
    ),
    (
        "an address where a network is meant",
        "[sinks.a]\nhttp = \"https://h/\"\nguard = { allow = [\"h\", \"10.1.2.3/8\"] }\n",
    ),
    ("an unknown rule of a guard", "[sinks.a]\nhttp = \"https://h/\"\nguard = { alow = [] }\n"),
    ("a refused address", "[sinks.a]\nhttp = \"https://10.0.0.1/hunter2\"\nuntrusted = true\n"),
    ("an unknown mode", "[sinks.a]\nhttp = \"https://h/\"\nidempotency = \"keys\"\n"),
    (
        "a key beside the key",
        "[sinks.a]\nhttp = \"https://h/\"\nidempotency = \"key\"\nheaders = { Idempotency-Key = \"hunter2\" }\n",
    ),
    ("a size that is negative", "[sinks.a]\nhttp = \"https://h/\"\nmax_request_body = -1\n"),
    ("unknown redirects", "[sinks.a]\nhttp = \"https://h/\"\nredirects = \"same-origin\"\n"),
    ("redirects that are a flag", "[sinks.a]\nhttp = \"https://h/\"\nredirects = true\n"),
    ("redirects without which", "[sinks.a]\nhttp = \"https://h/\"\nredirects = { max = 2 }\n"),
    (
        "no redirects at all",
        "[sinks.a]\nhttp = \"https://h/\"\nredirects = { follow = \"same_origin\", max = 0 }\n",
    ),
    ("a status that is none", "[sinks.a]\nhttp = \"https://h/\"\nretry_on = [409, \"5xy\"]\n"),
    ("a status that is a time", "[sinks.a]\nhttp = \"https://h/\"\nnever_on = [1.5]\n"),
    ("an unknown version of HTTP", "[sinks.a]\nhttp = \"https://h/\"\nhttp_version = \"3\"\n"),
    ("an unknown compression", "[sinks.a]\nhttp = \"https://h/\"\ncompression = \"zip\"\n"),
    ("an unknown proxy", "[sinks.a]\nhttp = \"https://h/\"\nproxy = \"off\"\n"),
    (
        "a proxy of another kind",
        "[sinks.a]\nhttp = \"https://h/\"\nproxy = \"socks5://u:hunter2@p\"\n",
    ),
    ("a proxy without scheme", "[sinks.a]\nhttp = \"https://h/\"\nproxy = \"u:hunter2@p:3128\"\n"),
    ("a proxy without url", "[sinks.a]\nhttp = \"https://h/\"\nproxy = { except = [\"h\"] }\n"),
    (
        "a guard in vain",
        "[sinks.a]\nhttp = \"https://h/\"\nuntrusted = true\nproxy = \"http://p:3128\"\n",
    ),
    ("auth that is a text", "[sinks.a]\nhttp = \"https://h/\"\nauth = \"Bearer hunter2\"\n"),
    (
        "auth of an unknown way",
        "[sinks.a]\nhttp = \"https://h/\"\nauth = { baerer = \"hunter2\" }\n",
    ),
    ("auth of no way", "[sinks.a]\nhttp = \"https://h/\"\nauth = {}\n"),
    ("a token that is empty", "[sinks.a]\nhttp = \"https://h/\"\nauth = { bearer = \"\" }\n"),
    ("a token that is a number", "[sinks.a]\nhttp = \"https://h/\"\nauth = { bearer = 4711 }\n"),
    (
        "a token with a line break",
        "[sinks.a]\nhttp = \"https://h/\"\nauth = { bearer = \"hunter2\\n\" }\n",
    ),
    (
        "a token from two places",
        "[sinks.a]\nhttp = \"https://h/\"\nauth = { bearer = { env = \"A\", file = \"b\" } }\n",
    ),
    (
        "a token of a strange place",
        "[sinks.a]\nhttp = \"https://h/\"\nauth = { bearer = { environment = \"A\" } }\n",
    ),
    (
        "a secret in the name of its variable",
        "[sinks.a]\nhttp = \"https://h/\"\nauth = { bearer = { env = \"hunter2 \" } }\n",
    ),
    (
        "a password without its user",
        "[sinks.a]\nhttp = \"https://h/\"\nauth = { basic = { password = \"hunter2\" } }\n",
    ),
    (
        "a key to nowhere",
        "[sinks.a]\nhttp = \"https://h/\"\nauth = { api_key = { value = \"hunter2\" } }\n",
    ),
    (
        "two who write one header",
        "[sinks.a]\nhttp = \"https://h/\"\nheaders = { Authorization = \"hunter2\" }\nauth = { bearer = \"hunter2\" }\n",
    ),
    (
        "a query for gRPC",
        "[sinks.a]\ngrpc = \"https://h/a.B/C\"\nauth = { api_key = { query = \"k\", value = \"hunter2\" } }\n",
    ),
    (
        "tokens from nowhere",
        "[sinks.a]\nhttp = \"https://h/\"\nauth.oauth2 = { client_id = \"a\", client_secret = \"hunter2\" }\n",
    ),
    (
        "tokens for nobody",
        "[sinks.a]\nhttp = \"https://h/\"\nauth.oauth2 = { token_url = \"https://i/t\", client_id = \"\", client_secret = \"hunter2\" }\n",
    ),
    (
        "tokens without a secret",
        "[sinks.a]\nhttp = \"https://h/\"\nauth.oauth2 = { token_url = \"https://i/t\", client_id = \"a\" }\n",
    ),
    (
        "tokens in plain text",
        "[sinks.a]\nhttp = \"https://h/\"\nauth.oauth2 = { token_url = \"http://i/?k=hunter2\", client_id = \"a\", client_secret = \"hunter2\" }\n",
    ),
    (
        "a misspelt part of tokens",
        "[sinks.a]\nhttp = \"https://h/\"\nauth.oauth2 = { token_url = \"https://i/t\", client_id = \"a\", client_secret = \"hunter2\", scopes = \"a\" }\n",
    ),
    (
        "an unknown way to ask for tokens",
        "[sinks.a]\nhttp = \"https://h/\"\nauth.oauth2 = { token_url = \"https://i/t\", client_id = \"a\", client_secret = \"hunter2\", client_auth = \"bassic\" }\n",
    ),
    (
        "a parameter that is ours",
        "[sinks.a]\nhttp = \"https://h/\"\nauth.oauth2 = { token_url = \"https://i/t\", client_id = \"a\", client_secret = \"hunter2\", params = { grant_type = \"hunter2\" } }\n",
    ),
    (
        "a parameter twice",
        "[sinks.a]\nhttp = \"https://h/\"\nauth.oauth2 = { token_url = \"https://i/t\", client_id = \"a\", client_secret = \"hunter2\", scope = \"a\", params = { scope = \"hunter2\" } }\n",
    ),
    (
        "tokens that are a text",
        "[sinks.a]\nhttp = \"https://h/\"\nauth = { oauth2 = \"hunter2\" }\n",
    ),
    ("tls that is a flag", "[sinks.a]\nhttp = \"https://h/\"\ntls = true\n"),
    (
        "a misspelt part of tls",
        "[sinks.a]\nhttp = \"https://h/\"\ntls = { certificate = \"a.pem\" }\n",
    ),
    ("a CA that is not there", "[sinks.a]\nhttp = \"https://h/\"\ntls = { ca = \"no/ca.pem\" }\n"),
    ("an old TLS", "[sinks.a]\nhttp = \"https://h/\"\ntls = { min_version = \"1.1\" }\n"),
    (
        "a server name that is a URL",
        "[sinks.a]\nhttp = \"https://h/\"\ntls = { server_name = \"https://h\" }\n",
    ),
    (
        "a certificate without its key",
        "[sinks.a]\nhttp = \"https://h/\"\ntls = { cert = \"Cargo.toml\" }\n",
    ),
    ("a host that is a URL", "[sinks.a]\nhttp = \"https://h/\"\nhost = \"https://h/?k=hunter2\"\n"),
    (
        "an authority that is a URL",
        "[sinks.a]\ngrpc = \"https://h/a.B/C\"\nauthority = \"https://h/?k=hunter2\"\n",
    ),
    ("a head too small", "[sinks.a]\nhttp = \"https://h/\"\nmax_response_head = 4_096\n"),
    (
        "a proxy's user without password",
        "[sinks.a]\nhttp = \"https://h/\"\nproxy = { url = \"http://p\", user = \"a\" }\n",
    ),
    (
        "a proxy with two users",
        "[sinks.a]\nhttp = \"https://h/\"\nproxy = { url = \"http://u:hunter2@p\", user = \"a\", password = \"hunter2\" }\n",
    ),
    ("signing that is a text", "[sinks.a]\nhttp = \"https://h/\"\nsigning = \"whsec_hunter2\"\n"),
    ("no key to sign with", "[sinks.a]\nhttp = \"https://h/\"\nsigning = { keys = [] }\n"),
    (
        "a key that is none",
        "[sinks.a]\nhttp = \"https://h/\"\nsigning = { keys = [\"hunter2\"] }\n",
    ),
    (
        "a signature of what is compressed",
        "[sinks.a]\nhttp = \"https://h/\"\ncompression = \"gzip\"\nsigning = { keys = \"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\" }\n",
    ),
    ("an unknown schema", "[sinks.a]\ngrpc = \"https://h/a.B/C\"\nschema = \"reflexion\"\n"),
    ("a schema of nothing", "[sinks.a]\ngrpc = \"https://h/a.B/C\"\nschema = {}\n"),
    (
        "a descriptor set that is not there",
        "[sinks.a]\ngrpc = \"https://h/a.B/C\"\nschema = { descriptor_set = \"no/such.binpb\" }\n",
    ),
    (
        "an unknown profile",
        "[sinks.a]\nhttp = \"https://h/\"\nresilience = { profile = \"llms\" }\n",
    ),
    ("a profile in the wrong place", "[sinks.a]\nhttp = \"https://h/\"\nresilience = \"llm\"\n"),
    ("resilience that is true", "[sinks.a]\nhttp = \"https://h/\"\nresilience = true\n"),
    (
        "a misspelt number",
        "[sinks.a]\nhttp = \"https://h/\"\n\n[sinks.a.resilience]\nmax_attempt = 3\n",
    ),
    ("no attempts", "[sinks.a]\nhttp = \"https://h/\"\nresilience = { max_attempts = 0 }\n"),
    (
        "a ratio above one",
        "[sinks.a]\nhttp = \"https://h/\"\n[sinks.a.resilience]\nbudget_ratio = 20\n",
    ),
    (
        "a ratio that is no number",
        "[sinks.a]\nhttp = \"https://h/\"\n[sinks.a.resilience]\nbreaker_ratio = nan\n",
    ),
    (
        "a ratio that is a text",
        "[sinks.a]\nhttp = \"https://h/\"\n[sinks.a.resilience]\nbreaker_ratio = \"50%\"\n",
    ),
    (
        "one limit twice",
        "[sinks.a]\nhttp = \"https://h/\"\ntimeout = \"1s\"\nresilience = { attempt_timeout = \"2s\" }\n",
    ),
    (
        "an attempt longer than the total",
        "[sinks.a]\nhttp = \"https://h/\"\n[sinks.a.resilience]\nattempt_timeout = \"20s\"\ntotal_timeout = \"10s\"\n",
    ),
    (
        "an attempt longer than the default total",
        "[sinks.a]\nhttp = \"https://h/\"\ntimeout = \"1m\"\n",
    ),
    (
        "a window too short for two attempts",
        "[sinks.a]\nhttp = \"https://h/\"\ntimeout = \"10s\"\nresilience = { breaker_window = \"15s\" }\n",
    ),
    (
        "a pause above the longest",
        "[sinks.a]\nhttp = \"https://h/\"\nresilience = { backoff_base = \"30s\" }\n",
    ),
    ("a variable without its end", "[sinks.a]\nhttp = \"https://h/?k=hunter2${TOKEN\"\n"),
    ("a variable without a name", "[sinks.a]\nhttp = \"https://h/?k=${hunter2 }\"\n"),
    ("a default of another shell", "[sinks.a]\nhttp = \"https://h/?k=${TOKEN-hunter2}\"\n"),
    ("a variable that is not set", "[sinks.a]\nhttp = \"https://h/?k=${FANOUT_NO_SUCH}\"\n"),
    (
        "a choice from the environment",
        "[sinks.a]\nhttp = \"https://h/\"\nidempotency = \"${FANOUT_NO_SUCH:-kei}\"\n",
    ),
    (
        "a number from the environment",
        "[sinks.a]\nhttp = \"https://h/\"\nmax_request_body = \"${FANOUT_NO_SUCH:-1k}\"\n",
    ),
    (
        "a time from the environment",
        "[sinks.a]\nhttp = \"https://h/\"\ntimeout = \"${FANOUT_NO_SUCH:-10}\"\n",
    ),
    ("a route without sinks", "[routes.r]\npolicy = \"all\"\n"),
    ("a route of nobody", "[routes.r]\nsinks = []\n"),
    ("a sink that is a text", "[sinks.a]\nhttp = \"https://h/\"\n[routes.r]\nsinks = \"a\"\n"),
    (
        "a sink that is a number",
        "[sinks.a]\nhttp = \"https://h/\"\n[routes.r]\nsinks = [\"a\", 2]\n",
    ),
    (
        "a sink that is not there",
        "[sinks.billing]\nhttp = \"https://h/\"\n[sinks.audit]\nhttp = \"https://i/\"\n[routes.r]\nsinks = [\n  \"audit\",\n  \"biling\",\n]\n",
    ),
    ("a sink twice", "[sinks.a]\nhttp = \"https://h/\"\n[routes.r]\nsinks = [\"a\", \"a\"]\n"),
    (
        "a sink that is its own mirror",
        "[sinks.a]\nhttp = \"https://h/\"\n[routes.r]\nsinks = [\"a\"]\nmirrors = [\"a\"]\n",
    ),
    (
        "an unknown policy",
        "[sinks.a]\nhttp = \"https://h/\"\n[routes.r]\nsinks = [\"a\"]\npolicy = \"qorum\"\n",
    ),
    (
        "a quorum of nothing said",
        "[sinks.a]\nhttp = \"https://h/\"\n[routes.r]\nsinks = [\"a\"]\npolicy = \"quorum\"\n",
    ),
    (
        "a quorum above the sinks",
        "[sinks.a]\nhttp = \"https://h/\"\n[sinks.b]\nhttp = \"https://i/\"\n[routes.r]\nsinks = [\"a\", \"b\"]\npolicy = \"quorum\"\nk = 3\n",
    ),
    (
        "more successes than sinks",
        "[sinks.a]\nhttp = \"https://h/\"\n[routes.r]\nsinks = [\"a\"]\npolicy = \"all_settled\"\nmin_success = 2\n",
    ),
    (
        "a fallback without an answer",
        "[sinks.a]\nhttp = \"https://h/\"\n[routes.r]\nsinks = [\"a\"]\npolicy = \"fallback\"\n",
    ),
    (
        "a fallback with a wrong answer",
        "[sinks.a]\nhttp = \"https://h/\"\n[routes.r]\nsinks = [\"a\"]\npolicy = \"fallback\"\non_ambiguous = \"procede\"\n",
    ),
    (
        "a hedge without delay",
        "[sinks.a]\nhttp = \"https://h/\"\n[routes.r]\nsinks = [\"a\"]\npolicy = \"hedged\"\n",
    ),
    (
        "a key of another policy",
        "[sinks.a]\nhttp = \"https://h/\"\n[routes.r]\nsinks = [\"a\"]\nk = 1\n",
    ),
    (
        "an unknown rest",
        "[sinks.a]\nhttp = \"https://h/\"\n[routes.r]\nsinks = [\"a\"]\nrest = \"abort\"\n",
    ),
    (
        "a deadline before its sinks",
        "[sinks.a]\nhttp = \"https://h/\"\nresilience = { total_timeout = \"20s\" }\n[routes.r]\nsinks = [\"a\"]\ndeadline = \"5s\"\n",
    ),
    (
        "the default deadline before its sinks",
        "[sinks.a]\nhttp = \"https://h/\"\nresilience = { profile = \"llm\" }\n[routes.r]\nsinks = [\"a\"]\n",
    ),
    (
        "a deadline before a bare sink",
        "[sinks.a]\nhttp = \"https://h/\"\ntimeout = \"1m\"\nresilience = false\n[routes.r]\nsinks = [\"a\"]\n",
    ),
];

#[test]
fn every_message_says_where_what_and_what_instead() {
    let mut text = String::new();
    for (what, file) in FILES {
        let error = Config::parse("fanout.toml", file).expect_err(what);
        let message = error.to_string();
        assert!(!message.contains("hunter2"), "{what}: {message}");
        assert!(!format!("{error:?}").contains("hunter2"), "{what}: {error:?}");
        assert!(!message.contains(char::is_control), "{what}: {message:?}");
        assert!(error.line().is_some(), "{what}: {message}");
        text.push_str(&format!("# {what}\n{message}\n\n"));
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("broken_files", text);
    });
}

#[test]
fn a_route_that_is_not_there_is_told_with_those_that_are() {
    let file = "[sinks.a]\nhttp = \"https://h/\"\n[routes.orders]\nsinks = [\"a\"]\n";
    let config = Config::parse("fanout.toml", file).unwrap();
    assert_eq!(
        config.route("order").unwrap_err().to_string(),
        "fanout.toml: there is no route \"order\"; did you mean orders? the routes are orders"
    );
    let empty = Config::parse("fanout.toml", "").unwrap();
    assert_eq!(
        empty.route("orders").unwrap_err().to_string(),
        "fanout.toml: there is no route \"orders\"; the file has no [routes.NAME] at all"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.toml");
    let error = Config::load(&missing).unwrap_err();
    assert_eq!(error.problem(), "cannot be read: there is no such file");
    assert_eq!(error.file(), missing.display().to_string());
    let binary = directory.path().join("binary.toml");
    std::fs::write(&binary, b"\xff\xfe").unwrap();
    assert_eq!(
        Config::load(&binary).unwrap_err().problem(),
        "cannot be read: it is not UTF-8 text"
    );
}

/// The complete file, cut off anywhere, or without any one of its lines, or with one of them twice: some
/// of it is still right; the rest is told with its line, and nothing panics.
#[test]
fn whatever_is_missing_is_told_with_its_line() {
    let whole = include_str!("../../docs/fanout.toml");
    let lines: Vec<_> = whole.lines().collect();
    let without = (0..lines.len()).map(|n| [&lines[..n], &lines[n + 1..]].concat().join("\n"));
    let twice = (0..lines.len()).map(|n| [&lines[..=n], &lines[n..]].concat().join("\n"));
    let cut = (0..whole.len()).step_by(5).map(|n| whole[..n].to_owned());
    let mut refused = 0;
    for text in without.chain(twice).chain(cut) {
        if let Err(error) = Config::parse("fanout.toml", &text) {
            let most = text.lines().count().max(1);
            assert!(error.line().is_some_and(|line| (1..=most).contains(&line)), "{error}\n{text}");
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
}
