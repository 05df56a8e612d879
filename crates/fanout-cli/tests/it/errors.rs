//! Every error that a first user meets.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::harness::{CLOSED, Sandbox, check, fanout, send, silent_server};

#[test]
fn no_target() {
    check!("error_no_target", fanout(["send", "-d", "{}"]).seen());
}

#[test]
fn no_scheme() {
    check!("error_no_scheme", send("--to localhost:8080/orders").seen());
}

#[test]
fn unknown_scheme() {
    check!("error_unknown_scheme", send("--to ftp://example.com/orders").seen());
}

#[test]
fn wrong_url() {
    check!("error_wrong_url", send("--to http://exa[mple.com/orders").seen());
}

#[test]
fn plain_text_to_another_machine() {
    check!("error_plaintext", send("--to http://api.invalid/orders?k=hunter2").seen());
    check!("error_plaintext_grpc", send("--to grpc://api.invalid:1/shop.v1.Orders/Place").seen());
    // Two dots in a row are in no name, so no resolver has to be asked.
    let seen = send("--to http://api..invalid/orders --allow-plaintext").seen();
    assert!(seen.contains("no such host"), "{seen}");
}

#[test]
fn an_untrusted_target_inside() {
    check!("error_untrusted", send("--untrusted --to http://127.0.0.1:9/orders?k=hunter2").seen());
    let seen = send("--untrusted --to grpcs://169.254.169.254:1/shop.v1.Orders/Place").seen();
    assert!(seen.contains("a cloud metadata address"), "{seen}");
}

#[test]
fn credentials_in_the_url() {
    check!(
        "error_credentials_in_url",
        send("--to https://ada:hunter2@example.com/?k=hunter2").seen()
    );
}

#[test]
fn grpc_target_without_a_method() {
    check!("error_no_grpc_method", send("--to grpc://localhost:50051").seen());
}

#[test]
fn refused_connection() {
    check!("error_refused", send(&format!("--to http://{CLOSED}/orders")).seen());
}

#[test]
fn refused_connection_over_grpc() {
    let target = format!("grpc://{CLOSED}/shop.v1.Orders/Place");
    check!("error_refused_grpc", send(&format!("--to {target}")).seen());
}

#[test]
fn unknown_host() {
    // Two dots in a row are in no name, so no resolver has to be asked.
    check!("error_unknown_host", send("--to https://api..invalid/orders").seen());
}

#[test]
fn tls_certificate_for_another_name() {
    let (address, root, _dir) = tls_server("api.example.com");
    let port = address.rsplit(':').next().unwrap();
    let seen = send(&format!("--to https://127.0.0.1:{port}/orders --ca-cert {root}")).seen();
    check!("error_tls_name", seen.replace(&root, "root.pem"));
}

#[test]
fn tls_certificate_that_nobody_trusts() {
    let (address, ..) = tls_server("127.0.0.1");
    let (_, other, _dir) = tls_server("127.0.0.1");
    let seen = send(&format!("--to https://{address}/orders --ca-cert {other}")).seen();
    check!("error_tls_untrusted", seen.replace(&other, "root.pem"));
}

#[test]
fn plain_http_to_a_tls_port() {
    let (address, ..) = tls_server("127.0.0.1");
    check!("error_http_to_tls", send(&format!("--to http://{address}/orders")).seen());
}

#[test]
fn tls_to_a_plain_http_port() {
    let sandbox = Sandbox::start("");
    let target = sandbox.http.replace("http", "https");
    check!("error_tls_to_http", send(&format!("--to {target}/orders")).seen());
}

#[test]
fn not_found() {
    let sandbox = Sandbox::start("");
    check!("error_404", send(&format!("--to {}/status/404", sandbox.http)).seen());
}

#[test]
fn unauthorized() {
    let sandbox = Sandbox::start("");
    check!("error_401", send(&format!("--to {}/status/401", sandbox.http)).seen());
}

#[test]
fn server_error_with_a_body() {
    let sandbox = Sandbox::start("");
    check!("error_500", send(&format!("--to {}/status/500", sandbox.http)).seen());
}

#[test]
fn grpc_server_error() {
    let sandbox = Sandbox::start("--status 500");
    check!("error_grpc_internal", send(&format!("--to {}", sandbox.place())).seen());
}

#[test]
fn wrong_grpc_method() {
    let sandbox = Sandbox::start("");
    let target = format!("{}/fanout.sandbox.v1.Orders/Plase", sandbox.grpc);
    check!("error_grpc_method", send(&format!("--to {target}")).seen());
}

#[test]
fn wrong_grpc_service() {
    let sandbox = Sandbox::start("");
    let target = format!("{}/fanout.sandbox.v1.Order/Place", sandbox.grpc);
    check!("error_grpc_service", send(&format!("--to {target}")).seen());
}

#[test]
fn grpc_to_an_http_port() {
    let sandbox = Sandbox::start("");
    let target = sandbox.place().replace(&sandbox.grpc, &sandbox.http.replace("http", "grpc"));
    check!("error_grpc_to_http", send(&format!("--to {target}")).seen());
}

#[test]
fn http_to_a_grpc_port() {
    let sandbox = Sandbox::start("");
    let target = sandbox.grpc.replace("grpc", "http");
    check!("error_http_to_grpc", send(&format!("--to {target}/orders")).seen());
}

#[test]
fn json_with_an_unknown_field() {
    let sandbox = Sandbox::start("");
    let run = fanout(["send", "--to", &sandbox.place(), "-d", r#"{"order":17,"itme":"x"}"#]);
    check!("error_json_unknown_field", run.seen());
}

#[test]
fn json_with_a_value_of_the_wrong_type() {
    let sandbox = Sandbox::start("");
    let run = fanout(["send", "--to", &sandbox.place(), "-d", r#"{"order":"seventeen"}"#]);
    check!("error_json_wrong_type", run.seen());
}

#[test]
fn data_that_is_no_json_for_a_grpc_target() {
    let sandbox = Sandbox::start("");
    let run = fanout(["send", "--to", &sandbox.place(), "-d", r#"{"order":17"#]);
    check!("error_not_json", run.seen());
}

#[test]
fn a_server_that_says_nothing() {
    let target = format!("http://{}/orders", silent_server());
    check!("error_silent", send(&format!("--to {target} --timeout 300ms")).seen());
}

#[test]
fn a_grpc_server_that_says_nothing() {
    let target = format!("grpc://{}/shop.v1.Orders/Place", silent_server());
    check!("error_silent_grpc", send(&format!("--to {target} --timeout 300ms")).seen());
}

#[test]
fn the_deadline_of_the_whole() {
    let sandbox = Sandbox::start("");
    let targets =
        format!("--to fast={0}/orders --to slow={0}/delay/30s --deadline 500ms", sandbox.http);
    check!("error_deadline", send(&targets).seen());
}

#[test]
fn missing_file() {
    let run = fanout(["send", "--to", "http://localhost:1/", "-d", "@no/such/order.json"]);
    check!("error_missing_file", run.seen());
}

#[test]
fn missing_certificate_file() {
    check!("error_missing_ca", send("--to https://localhost:1/ --ca-cert no/such/root.pem").seen());
}

#[test]
fn certificate_file_without_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("root.pem");
    fs::write(&file, "hello").unwrap();
    let seen = send(&format!("--to https://localhost:1/ --ca-cert {}", file.display())).seen();
    check!("error_bad_ca", seen.replace(&file.display().to_string(), "root.pem"));
}

#[test]
fn descriptor_set_that_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shop.binpb");
    fs::write(&file, "hello").unwrap();
    let target = "--to grpc://localhost:1/shop.v1.Orders/Place --descriptor-set";
    let seen = send(&format!("{target} {}", file.display())).seen();
    check!("error_bad_descriptor_set", seen.replace(&file.display().to_string(), "shop.binpb"));
}

#[test]
fn empty_standard_input() {
    check!("error_empty_stdin", fanout(["send", "--to", "http://localhost:1/"]).seen());
}

#[test]
fn fallback_without_an_answer_to_the_duplicate_risk() {
    let targets = "--to https://a.example/ --to https://b.example/ --policy fallback";
    check!("error_fallback", send(targets).seen());
}

#[test]
fn unknown_policy() {
    check!("error_unknown_policy", send("--to https://a.example/ --policy everyone").seen());
}

#[test]
fn a_quorum_larger_than_the_number_of_targets() {
    check!("error_quorum", send("--to https://a.example/ --policy quorum:3").seen());
}

#[test]
fn a_time_without_a_unit() {
    check!("error_time", send("--to https://a.example/ --timeout 5").seen());
}

#[test]
fn no_time_at_all() {
    check!("error_zero_timeout", send("--to https://a.example/ --timeout 0s").seen());
}

#[test]
fn a_header_without_a_colon() {
    let run =
        fanout(["send", "--to", "https://a.example/", "-d", "x", "-H", "Authorization hunter2"]);
    let seen = run.seen();
    check!("error_header", seen);
}

#[test]
fn a_header_that_grpc_keeps_for_itself() {
    let targets = "--to https://a.example/ --to grpcs://b.example:1/shop.v1.Orders/Place";
    check!("error_reserved_header", send(&format!("{targets} --header grpc-timeout:1S")).seen());
}

#[test]
fn a_port_that_is_taken() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let seen = fanout(["sandbox", "--http", &port]).seen();
    check!("error_port_taken", seen.replace(&port, "#####"));
}

/// A TLS server with a certificate for `name`: its address, its certificate's file, and the
/// directory that holds it.
fn tls_server(name: &str) -> (String, String, tempfile::TempDir) {
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    let signing_key = rcgen::KeyPair::generate().unwrap();
    // Otherwise all would be called the same, and one could be taken for the issuer of another.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    params.distinguished_name.push(rcgen::DnType::CommonName, address.as_str());
    let cert = params.self_signed(&signing_key).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root.pem");
    fs::write(&root, cert.pem()).unwrap();

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream);
            // Handshakes, or says by an alert why not.
            drop(tls.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"));
            drop(tls.flush());
        }
    });
    (address, root.display().to_string(), dir)
}
