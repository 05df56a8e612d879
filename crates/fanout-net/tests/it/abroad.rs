//! The client for places that nobody here named: guarded, and without what was meant for one server.

use fanout::ErrorKind;
use fanout_net::{Client, Endpoint, Guard, Proxy};

use crate::server::{OK, Server};
use crate::tls::{Authority, trusting};
use crate::{client, failure, get, post, text};

#[tokio::test]
async fn an_open_connection_of_the_others_is_no_way_in() {
    let server = Server::answering(OK).await;
    let client = client();
    assert!(!client.is_guarded() && client.abroad().is_guarded());
    let url = server.url("/");
    assert_eq!(text(client.send(post(&url, "x")).await.unwrap()).await, "ok");
    let error = failure(client.abroad().send(post(&url, "y")).await);
    assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
    assert_eq!(server.log.bodies(), ["x"]);
}

#[tokio::test]
async fn a_guard_that_is_there_stays() {
    let server = Server::answering(OK).await;
    let guard = Guard::new().allow("127.0.0.1").unwrap().deny("*.corp.example").unwrap();
    let client = Client::builder().proxy(Proxy::none()).guard(guard).build().unwrap().abroad();
    assert_eq!(text(client.send(get(&server.url("/"))).await.unwrap()).await, "ok");
    let error = failure(client.send(get("http://a.corp.example/")).await);
    assert!(error.message().contains("denied by a rule"), "{error}");
}

#[tokio::test]
async fn no_client_certificate_and_no_server_name_go_along() {
    let authority = Authority::new();
    let guard = || Guard::new().allow("127.0.0.1").unwrap();
    let (chain, key) = authority.identity();
    let server = authority.serve_clients(&["127.0.0.1"]).await;
    let own = trusting(&authority).guard(guard()).client_identity(chain, key).build().unwrap();
    let url = server.https("127.0.0.1");
    assert!(own.is_for_one_server() && !own.abroad().is_for_one_server());
    assert_eq!(text(own.send(post(&url, "x")).await.unwrap()).await, "ok");
    let error = failure(own.abroad().send(post(&url, "x")).await);
    assert!(error.message().contains("asks for a client certificate"), "{error}");

    let server = authority.serve(&["api.internal"], &[]).await;
    let url = server.https("127.0.0.1");
    let own = trusting(&authority).guard(guard()).server_name("api.internal").build().unwrap();
    assert!(own.is_for_one_server() && !own.abroad().is_for_one_server());
    assert_eq!(text(own.send(post(&url, "x")).await.unwrap()).await, "ok");
    let error = failure(own.abroad().send(post(&url, "x")).await);
    assert!(error.message().contains("not valid for this name"), "{error}");
}

/// The proxy is ours, and on this machine here; where it is sent to is judged as it is written.
#[tokio::test]
async fn through_a_proxy_hosts_are_judged_as_they_are_written() {
    let proxy = Server::answering(OK).await;
    let through = Proxy::url(proxy.url("")).unwrap();
    let abroad = Client::builder().proxy(through).build().unwrap().abroad();
    let answer = abroad.send(post("http://hooks.example/", "x")).await.unwrap();
    assert_eq!(text(answer).await, "ok");
    for scheme in ["http", "https"] {
        for host in ["169.254.169.254", "127.0.0.1", "0x7f.1", "localhost", "[::ffff:10.0.0.1]"] {
            let error = failure(abroad.send(post(&format!("{scheme}://{host}/"), "y")).await);
            assert_eq!(error.kind(), ErrorKind::Forbidden, "{host}: {error}");
        }
    }
    assert_eq!(proxy.log.bodies(), ["x"]);
    assert_eq!(proxy.log.connections(), 1);
    let endpoint = Endpoint::parse("https://hooks.example/").unwrap();
    abroad.admits(&endpoint).unwrap();
}
