//! Through a proxy: plain requests are forwarded, TLS goes through a tunnel.

use fanout::{Effect, ErrorKind};
use fanout_net::{Client, ClientBuilder, HttpVersion, Proxy};
use tokio::net::TcpStream;

use crate::server::{OK, Server};
use crate::tls::Authority;
use crate::{failure, get, post, text};

/// A proxy that tunnels, and answers plain requests itself. It wants `user:s3cret`.
async fn proxy() -> Server {
    Server::start(|mut conn| async move {
        while let Some(request) = conn.request().await {
            if request.header("proxy-authorization") != Some("Basic dXNlcjpzM2NyZXQ=") {
                conn.write(
                    "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
                )
                .await;
                continue;
            }
            let mut words = request.head.split(' ');
            if words.next() != Some("CONNECT") {
                conn.write(OK).await;
                continue;
            }
            let Ok(mut target) = TcpStream::connect(words.next().unwrap()).await else {
                conn.write("HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
                return;
            };
            conn.write("HTTP/1.1 200 Connection established\r\n\r\n").await;
            drop(tokio::io::copy_bidirectional(&mut conn.io, &mut target).await);
            return;
        }
    })
    .await
}

fn through(proxy: &Server, credentials: &str) -> ClientBuilder {
    let url = format!("http://{credentials}{}", proxy.addr);
    Client::builder().proxy(Proxy::url(url).unwrap())
}

#[tokio::test]
async fn plain_requests_are_forwarded_with_their_whole_url() {
    let proxy = proxy().await;
    let client = through(&proxy, "user:s3cret@").build().unwrap();
    let answer = client.send(post("http://api.invalid/a?b=c", "x")).await.unwrap();
    assert_eq!(text(answer).await, "ok");
    let seen = proxy.log.whole();
    assert!(seen[0].head.starts_with("POST http://api.invalid/a?b=c HTTP/1.1\r\n"), "{seen:?}");
    assert_eq!(seen[0].header("host"), Some("api.invalid"));
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_and_the_destination_sees_no_proxy_credentials() {
    let proxy = proxy().await;
    let authority = Authority::new();
    let server = authority.serve(&["127.0.0.1"], &[]).await;
    let client =
        through(&proxy, "user:s3cret@").root_certificates(authority.pem()).build().unwrap();
    let answer = client.send(post(&server.https("127.0.0.1"), "x")).await.unwrap();
    assert_eq!(text(answer).await, "ok");
    let tunnel = &proxy.log.whole()[0];
    assert!(tunnel.head.starts_with(&format!("CONNECT {} HTTP/1.1", server.addr)), "{tunnel:?}");
    let seen = server.log.whole();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("proxy-authorization"), None);
}

#[tokio::test]
async fn http2_with_prior_knowledge_goes_through_a_tunnel() {
    let proxy = proxy().await;
    let server = crate::http2::recording().await;
    let builder = through(&proxy, "user:s3cret@").http_version(HttpVersion::Http2);
    let answer = builder.build().unwrap().send(post(&server.url("/"), "x")).await.unwrap();
    assert_eq!(text(answer).await, "ok");
    assert!(proxy.log.whole()[0].head.starts_with(&format!("CONNECT {}", server.addr)));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    let proxy = proxy().await;
    let url = "https://127.0.0.1:1/";
    let error = failure(through(&proxy, "").build().unwrap().send(get(url)).await);
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unauthenticated, Effect::None));
    let expected =
        format!("the proxy wants other credentials (endpoint: 127.0.0.1:1, proxy: {})", proxy.addr);
    assert_eq!(error.to_chain(), expected);

    let client = through(&proxy, "user:s3cret@").build().unwrap();
    let error = failure(client.send(get(url)).await);
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::None));
    assert!(error.message().contains("did not open a tunnel"), "{error}");
    assert!(!format!("{error:?} {error} {client:?}").contains("s3cret"));

    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let client =
        Client::builder().proxy(Proxy::url(format!("http://{nobody}")).unwrap()).build().unwrap();
    let error = failure(client.send(get(url)).await);
    assert_eq!(error.message(), "connection refused");
    assert!(error.to_chain().contains(&format!("proxy: {nobody}")), "{error}");
}

#[tokio::test]
async fn exceptions_are_reached_directly() {
    let proxy = proxy().await;
    let server = Server::answering(OK).await;
    let way = Proxy::url(format!("http://{}", proxy.addr)).unwrap().except("127.0.0.0/8");
    let client = Client::builder().proxy(way).build().unwrap();
    text(client.send(get(&server.url("/"))).await.unwrap()).await;
    assert_eq!(proxy.log.connections(), 0);
}
