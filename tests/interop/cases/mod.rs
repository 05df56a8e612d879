//! The cases, and which servers each is run against.

mod connections;
mod grpc;
mod guard;
mod http;
mod mutual;
mod retries;
mod tls;
mod together;
mod webhooks;

use fanout::{Attempt, Error, Message, Receipt, Sink};
use fanout_http::HttpSink;
use fanout_net::{Client, HttpVersion, Proxy};
use futures_util::future::BoxFuture;

use crate::servers::front::Front;
use crate::servers::front::Via::{Nginx, Node, Python};

/// One case against one server.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) server: &'static str,
    pub(crate) run: fn() -> BoxFuture<'static, ()>,
}

/// Lists cases: `module::function(argument) => "server"`.
macro_rules! cases {
    ($($module:ident :: $case:ident ($($argument:expr)?) => $server:literal),* $(,)?) => {
        vec![$(Case {
            name: stringify!($case),
            server: $server,
            run: || Box::pin($module::$case($($argument)?)),
        }),*]
    };
}

/// All of them, in the order in which they run.
pub(crate) fn all() -> Vec<Case> {
    cases![
        http::a_post_arrives_once_with_its_bytes_and_headers(Python) => "http.server",
        http::a_post_arrives_once_with_its_bytes_and_headers(Node) => "node",
        http::a_post_arrives_once_with_its_bytes_and_headers(Nginx) => "nginx",
        http::statuses_are_classified(Python) => "http.server",
        http::statuses_are_classified(Node) => "node",
        http::statuses_are_classified(Nginx) => "nginx",
        http::an_unknown_method_is_unsupported() => "http.server",
        http::http_1_0_is_understood() => "http.server",
        http::a_big_answer_is_cut(Python) => "http.server",
        http::a_big_answer_is_cut(Nginx) => "nginx",
        http::a_close_without_an_answer_is_ambiguous() => "http.server",
        http::an_answer_that_breaks_off_is_delivered() => "http.server",
        http::a_proxy_that_refuses_by_itself_is_classified() => "nginx",
        http::a_redirect_is_reported_and_not_followed() => "nginx",
        connections::two_sends_share_a_connection(Python) => "http.server",
        connections::two_sends_share_a_connection(Node) => "node",
        connections::two_sends_share_a_connection(Nginx) => "nginx",
        connections::an_announced_close_is_followed_by_a_new_connection() => "nginx",
        connections::an_idle_connection_that_was_closed_costs_no_attempt() => "nginx",
        connections::a_restart_between_two_sends_costs_no_attempt() => "nginx",
        connections::an_http2_restart_between_two_sends_costs_no_attempt() => "nginx",
        tls::http2_is_negotiated(Nginx) => "nginx",
        tls::http2_is_negotiated(Node) => "node",
        tls::http1_is_negotiated() => "nginx",
        tls::http1_is_negotiated_without_http2() => "http.server",
        tls::http1_can_be_demanded() => "nginx",
        tls::another_name_is_refused(Python) => "http.server",
        tls::another_name_is_refused(Node) => "node",
        tls::another_name_is_refused(Nginx) => "nginx",
        tls::an_unknown_authority_is_refused(Python) => "http.server",
        tls::an_unknown_authority_is_refused(Nginx) => "nginx",
        mutual::a_certificate_that_cannot_be_trusted_is_refused() => "openssl",
        mutual::a_good_certificate_is_trusted_and_its_end_told() => "openssl",
        mutual::a_client_certificate_is_demanded() => "openssl",
        mutual::a_version_that_is_too_old_is_refused() => "openssl",
        mutual::both_sinks_get_through_with_a_certificate() => "nginx",
        grpc::an_encoded_payload_arrives_once() => "grpcio",
        grpc::json_is_transcoded_by_reflection() => "grpcio",
        grpc::json_that_does_not_fit_is_not_sent() => "grpcio",
        grpc::codes_are_classified() => "grpcio",
        grpc::an_unknown_method_is_unsupported() => "grpcio",
        grpc::the_deadline_travels_and_ends_the_call() => "grpcio",
        grpc::a_crash_during_the_call_is_ambiguous() => "grpcio",
        grpc::metadata_goes_both_ways() => "grpcio",
        grpc::tls_is_spoken_and_another_name_refused() => "grpcio",
        grpc::a_web_server_is_not_mistaken_for_grpc() => "nginx",
        retries::a_retry_after_is_waited_for() => "nginx",
        retries::a_pushback_is_kept_exactly() => "grpcio",
        retries::a_negative_pushback_forbids_the_retry() => "grpcio",
        guard::public_addresses_are_those_of_python() => "ipaddress",
        webhooks::they_verify_what_we_sign(Python) => "python",
        webhooks::they_verify_what_we_sign(Node) => "node",
        webhooks::they_refuse_what_is_signed_too_early_or_too_late(Python) => "python",
        webhooks::they_refuse_what_is_signed_too_early_or_too_late(Node) => "node",
        webhooks::we_verify_what_they_sign(Python) => "python",
        webhooks::we_verify_what_they_sign(Node) => "node",
        together::one_json_message_reaches_http_and_grpc() => "all",
    ]
}

/// A client that trusts the authority of the case and goes the straight way.
fn client(authority: &str, version: HttpVersion) -> Client {
    let builder = Client::builder().root_certificates(authority).http_version(version);
    builder.proxy(Proxy::none()).build().expect("a sound client")
}

/// A sink that posts to `url`, of a server like `front`.
fn post(front: &Front, url: &str) -> HttpSink {
    let client = client(front.certificates.authority(), HttpVersion::Negotiate);
    HttpSink::post(url).client(&client).build().expect("a sound sink")
}

/// One attempt.
async fn send(sink: &impl Sink, message: &Message) -> Result<Receipt, Error> {
    sink.send(message, &Attempt::first("sink", message)).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
