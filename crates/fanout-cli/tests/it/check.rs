//! `fanout check`: what people see of sinks that are well, ill, or not there.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use jiff::{ToSpan as _, Zoned};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;

use crate::harness::{CLOSED, Sandbox, check, fanout, silent_server};

/// What a person sees who checks this file, in a directory with these certificates.
fn seen(file: &str, arguments: &str) -> String {
    seen_in(&tempfile::tempdir().unwrap(), file, arguments)
}

fn seen_in(directory: &TempDir, file: &str, arguments: &str) -> String {
    let path = directory.path().join("fanout.toml");
    fs::write(&path, file).unwrap();
    let path = path.display().to_string();
    let words = ["check", "--config", &path].into_iter().chain(arguments.split_whitespace());
    let run = fanout(words).variable("FANOUT_TEST_TOKEN", "hunter2");
    let seen = run.seen();
    assert!(!seen.contains("hunter2"), "{seen}");
    seen.replace(&format!("{}{}", directory.path().display(), std::path::MAIN_SEPARATOR), "")
}

/// A server that answers whatever it is asked with what `answer` makes of the request's head.
fn server(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            drop(exchange(stream, &answer));
        }
    });
    address
}

fn exchange(stream: TcpStream, answer: &impl Fn(&str) -> String) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    if head.is_empty() {
        return Ok(());
    }
    let answer = answer(&head);
    write!(reader.get_mut(), "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// A TLS server for `name`, whose certificate, `NAME.pem` in the directory, ends in `days`.
fn tls_server(directory: &TempDir, name: &str, days: i64) -> String {
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    let end = Zoned::now().checked_add(days.days()).unwrap().date();
    let (year, month) = (i32::from(end.year()), end.month().unsigned_abs());
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, month, end.day().unsigned_abs());
    let signing_key = rcgen::KeyPair::generate().unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let cert = params.self_signed(&signing_key).unwrap();
    fs::write(directory.path().join(format!("{name}.pem")), cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![cert.der().clone()], key)
    .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream);
            let mut line = String::new();
            let mut reader = BufReader::new(&mut tls);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {}
            drop(tls.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"));
            drop(tls.flush());
        }
    });
    address
}

/// Takes out a day that is another one tomorrow.
fn without_days(text: &str, days: i64) -> String {
    let day = Zoned::now().checked_add(days.days()).unwrap().date().to_string();
    text.replace(&day, "YYYY-MM-DD")
}

#[test]
fn all_is_well() {
    let sandbox = Sandbox::start("");
    let file = format!(
        "[sinks.billing]\nhttp = \"{}/orders\"\nidempotency = \"key\"\n[sinks.audit]\ngrpc = \"{}\"\n\
         [routes.orders]\nsinks = [\"billing\", \"audit\"]\n",
        sandbox.http,
        sandbox.place()
    );
    check!("check_well", seen(&file, ""));
    check!("check_well_json", seen(&file, "--json"));
    check!("check_connect_only", seen(&file, "--connect-only"));
    check!("check_offline", seen(&file, "--offline"));
}

#[test]
fn what_cannot_be_reached() {
    let silent = silent_server();
    let sandbox = Sandbox::start("");
    let file = format!(
        "[sinks.closed]\nhttp = \"http://{CLOSED}/orders\"\n[sinks.silent]\nhttp = \"http://{silent}/\"\n\
         [sinks.nowhere]\nhttp = \"http://api..invalid/\"\nallow_plaintext = true\n\
         [sinks.misspelt]\ngrpc = \"{}/fanout.sandbox.v1.Orders/Plaec\"\n\
         [sinks.other]\ngrpc = \"grpc://{}/a.B/C\"\n\
         [routes.r]\nsinks = [\"closed\", \"silent\"]\n",
        sandbox.grpc,
        sandbox.http.trim_start_matches("http://")
    );
    check!("check_unreachable", seen(&file, "--timeout 300ms"));
    check!("check_one_route", seen(&file, "--timeout 300ms --route r"));
    check!("check_no_such_route", seen(&file, "--route s"));
}

#[test]
fn certificates() {
    let directory = tempfile::tempdir().unwrap();
    let good = tls_server(&directory, "good.internal", 365);
    let soon = tls_server(&directory, "soon.internal", 10);
    let past = tls_server(&directory, "past.internal", -10);
    let sink = |sink: &str, address: &str, name: &str, ca: &str| {
        format!(
            "[sinks.{sink}]\nhttp = \"https://{address}/\"\n\
             tls = {{ ca = \"{ca}.pem\", server_name = \"{name}\" }}\n"
        )
    };
    let file = [
        sink("good", &good, "good.internal", "good.internal"),
        sink("soon", &soon, "soon.internal", "soon.internal"),
        sink("past", &past, "past.internal", "past.internal"),
        sink("name", &good, "api.internal", "good.internal"),
        sink("ca", &good, "good.internal", "soon.internal"),
    ]
    .concat();
    let seen = seen_in(&directory, &file, "");
    let seen = [365, 10, -10].iter().fold(seen, |seen, days| without_days(&seen, *days));
    check!("check_certificates", seen);
}

#[test]
fn what_answers_say() {
    let api = server(|head| match head.split(' ').nth(1).unwrap_or_default() {
        "/v1/orders" => "204 No Content\r\nDeprecation: @1767225600\r\n\
             Sunset: Fri, 31 Dec 2100 00:00:00 GMT\r\n\
             Link: <https://api.example.com/v2/orders>; rel=\"successor-version\""
            .to_owned(),
        "/token" => "401 Unauthorized".to_owned(),
        _ if head.contains("Bearer hunter2") => "401 Unauthorized".to_owned(),
        _ => "404 Not Found".to_owned(),
    });
    let token = "{ env = \"FANOUT_TEST_TOKEN\" }";
    let file = format!(
        "[sinks.api1]\nhttp = \"http://{api}/{{version}}/orders\"\nversion = {{ path = \"v1\" }}\n\
         [sinks.refused]\nhttp = \"http://{api}/\"\nauth = {{ bearer = {token} }}\n\
         [sinks.stranger]\nhttp = \"http://{api}/\"\nauth.oauth2 = {{ token_url = \
         \"http://{api}/token\", client_id = \"shop\", client_secret = {token} }}\n\
         [sinks.nothing]\nhttp = \"http://{api}/nothing\"\n\
         guard = {{ allow = [\"127.0.0.0/8\"] }}\n"
    );
    check!("check_answers", seen(&file, ""));
    let json = seen(&file, "--json");
    let start = json.find('{').unwrap();
    let json = &json[start..json.rfind('}').unwrap() + 1];
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["sinks"][0]["findings"][2]["api"]["sunset"], "2100-12-31T00:00:00Z");
}

#[test]
fn faulty_files() {
    check!(
        "check_guard",
        seen("[sinks.hook]\nhttp = \"https://169.254.169.254/\"\nuntrusted = true\n", "")
    );
    let file = "[sinks.a]\nhttp = \"https://${NO_SUCH_HOST}/\"\n\
                auth = { bearer = { env = \"NO_SUCH_TOKEN\" } }\n\
                [sinks.b]\ngrpc = \"https://h/a.B/C\"\nmetadata = { a = { env = \"NO_SUCH_KEY\" } }\n";
    check!("check_missing", seen(file, ""));
    check!("check_missing_json", seen(file, "--json"));
    let file = "[sinks.a]\nhttp = \"http://api.example.com/\"\nallow_plaintext = true\n\
                auth = { bearer = \"hunter2\" }\n";
    check!("check_warnings", seen(file, "--offline"));
}

#[test]
fn one_message_twice() {
    let mut file = String::new();
    for (name, lines) in [
        ("a", "http = \"https://a.example.com/\""),
        ("b", "http = \"https://b.example.com/\"\nmethod = \"PUT\""),
        ("c", "http = \"https://c.example.com/\"\nidempotency = \"always\""),
        ("d", "http = \"https://a.example.com/\"\ntrust_503 = true"),
        ("e", "http = \"https://e.example.com/\"\nidempotency = \"key\"\nresilience = \"off\""),
    ] {
        file += &format!("[sinks.{name}]\n{lines}\n");
    }
    for (name, lines) in [
        ("hedge", "sinks = [\"a\", \"e\"]\npolicy = \"hedged\"\ndelay = \"1s\""),
        ("step", "sinks = [\"a\", \"e\"]\npolicy = \"fallback\"\non_ambiguous = \"proceed\""),
        ("safe", "sinks = [\"a\", \"e\"]\npolicy = \"fallback\"\non_ambiguous = \"stop\""),
        ("many", "sinks = [\"a\", \"b\", \"c\"]\nmirrors = [\"d\"]"),
        ("both", "sinks = [\"d\"]"),
    ] {
        file += &format!("[routes.{name}]\n{lines}\n");
    }
    check!("check_twice", seen(&file, "--offline"));
}
