//! Every way in which an HTTP sink fails, with a secret in each of its places.

use std::io::Write as _;
use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{Error, FanOut, Message, Secret, SinkExt, async_trait, policy};
use fanout_http::auth::{ApiKey, Basic, Bearer, Credentials, Proof};
use fanout_http::{Client, HttpSink, HttpSinkBuilder, Proxy, Redirects, Signer};
use fanout_net::Guard;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::Instant;

use super::canaries::{Canaries, Canary};
use super::outputs::Outputs;
use super::server::{Play, Server, echo};

/// Credentials of somebody's own making.
struct Own(String);

#[async_trait]
impl Credentials for Own {
    async fn proof(&self, _: Instant) -> Result<Proof, Error> {
        Proof::new().with_header("x-own", &self.0)
    }
}

pub(crate) async fn drive(canaries: &Canaries, outputs: &mut Outputs<'_>) {
    let server = Server::start();
    let plant = |place| canaries.plant(place);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    write!(file, "{}", plant("file of a secret").hard()).expect("it can be written");

    // Each with the secrets that an answer may repeat.
    let dressed: Vec<(&str, Vec<Canary>)> = vec![
        ("bearer", vec![plant("bearer token"), plant("header"), plant("query pair")]),
        ("basic", vec![plant("basic password"), plant("query of the URL")]),
        ("key", vec![plant("API key in a header"), plant("cookie")]),
        ("key in query", vec![plant("API key in the query")]),
        ("own", vec![plant("custom credentials")]),
        ("plain", vec![plant("static authorization")]),
        ("file", vec![plant("file of a secret")]),
        ("signed", vec![plant("path of a webhook")]),
        ("signed with Ed25519", vec![plant("path of a webhook")]),
    ];
    let url = |canaries: &Canaries, query: bool| {
        let path = canaries.plant("path of a webhook").text();
        let query = if query {
            format!("?key={}", canaries.plant("query of the URL").text())
        } else {
            String::new()
        };
        format!("http://{}/{path}{query}", server.address)
    };
    let dress = |name: &str| -> HttpSinkBuilder {
        let secret = |place| Secret::new(plant(place).hard());
        let sink = HttpSink::post(url(canaries, name == "basic"));
        let sink = sink.timeout(Duration::from_millis(200));
        match name {
            "bearer" => sink
                .auth(Bearer::new(secret("bearer token")))
                .header("x-trace-token", plant("header").hard())
                .query("token", plant("query pair").hard()),
            "basic" => sink.auth(Basic::new("user", secret("basic password"))),
            "key" => sink
                .auth(ApiKey::header("x-api-key", secret("API key in a header")))
                .header("cookie", format!("id={}", plant("cookie").hard())),
            "key in query" => sink.auth(ApiKey::query("key", secret("API key in the query"))),
            "own" => sink.auth(Own(plant("custom credentials").hard())),
            "plain" => {
                let token = plant("static authorization").hard();
                sink.header("authorization", format!("Bearer {token}"))
            }
            "file" => sink.secret_header(
                "x-file",
                Secret::from_file(file.path()).expect("a file with a secret"),
            ),
            "signed" => sink.sign(signer(canaries)),
            _ => {
                let key = signing_key("whsk_", &plant("private signing key"));
                sink.sign(Signer::new(Secret::new(key)).expect("a key"))
            }
        }
    };
    let message = || {
        Message::text(format!("a message with {}", plant("payload").text()))
            .with_metadata("x-meta", plant("metadata of the message").text())
    };

    for (name, secrets) in &dressed {
        let sink = dress(name);
        outputs.debug(name, &sink);
        let sink = sink.build().expect("a sound sink");
        outputs.debug(name, &sink);
        for secret in secrets {
            for status in STATUSES {
                server.plays(echo(status, &given(secret)));
                let fan_out = FanOut::builder(policy::all()).sink("a", sink.clone()).build();
                let report = fan_out.expect("a fan-out").send(message()).await;
                outputs.report(&format!("{name}, {status} with the {}", secret.place), report);
            }
        }
        for (what, play) in [
            ("closed", Play::Close),
            ("hangs", Play::Hang),
            ("garbage", Play::Say(format!("{}\r\n\r\n", secrets[0].text()).into_bytes())),
            ("half", Play::Say(b"HTTP/1.1 500 No\r\ncontent-length: 900\r\n\r\nhalf".to_vec())),
            ("huge", Play::Say([b"HTTP/1.1 500 No\r\nx: ", &[b'a'; 1 << 20][..]].concat())),
        ] {
            server.plays(play);
            let fan_out = FanOut::builder(policy::all()).sink("a", sink.clone()).build();
            let report = fan_out.expect("a fan-out").send(message()).await;
            outputs.report(&format!("{name}, {what}"), report);
        }
        // Again and again, until the breaker opens; then two at once with room for one.
        let numbers = Resilience::default()
            .backoff_base(Duration::from_millis(1))
            // Longer than a send may take, or it would wait for the breaker to close.
            .breaker_open(Duration::from_secs(60))
            .max_in_flight(1)
            .max_waiting(0);
        server.plays(echo(500, &given(&secrets[0])));
        let resilient = dress(name).idempotency(fanout::Idempotency::Always).build();
        let resilient = resilient.expect("sound").resilient(numbers).expect("sound");
        let fan_out = FanOut::builder(policy::all()).sink("a", resilient).build().expect("sound");
        outputs.debug(name, &fan_out);
        for _ in 0..3 {
            outputs.report(&format!("{name}, resilient"), fan_out.send(message()).await);
        }
        let (one, two) = tokio::join!(fan_out.send(message()), fan_out.send(message()));
        outputs.report(&format!("{name}, queue"), one);
        outputs.report(&format!("{name}, queue"), two);
        let _cut = fan_out.shutdown(Duration::ZERO).await;
        outputs.report(&format!("{name}, shut down"), fan_out.send(message()).await);
        redirected(name, &dress, &server, message(), outputs).await;
        let too_late =
            FanOut::builder(policy::all()).sink("a", dress(name).build().expect("sound"));
        server.plays(Play::Hang);
        let too_late = too_late.deadline(Duration::from_millis(20)).build().expect("sound");
        outputs.report(&format!("{name}, deadline"), too_late.send(message()).await);
        drop(tokio::time::timeout(Duration::from_millis(5), too_late.send(message())).await);
    }
    clients(canaries, outputs, &server, message()).await;
    wrong(canaries, outputs);
}

/// As it was planted: in a URL nothing else may be than letters and digits.
fn given(secret: &Canary) -> String {
    let is_plain = ["path of a webhook", "query of the URL"].contains(&secret.place);
    if is_plain { secret.text() } else { secret.hard() }
}

async fn redirected(
    name: &str,
    dress: &dyn Fn(&str) -> HttpSinkBuilder,
    server: &Server,
    message: Message,
    outputs: &mut Outputs<'_>,
) {
    for location in ["/elsewhere", "http://127.0.0.2:1/", "https://127.0.0.1:1/", "::", "ftp://h/"]
    {
        let answer =
            format!("HTTP/1.1 307 No\r\ncontent-length: 0\r\nlocation: {location}\r\n\r\n");
        server.plays(Play::Say(answer.into_bytes()));
        for redirects in [Redirects::same_origin(), Redirects::any_origin()] {
            let sink = dress(name).redirects(redirects).build().expect("a sound sink");
            let fan_out = FanOut::builder(policy::all()).sink("a", sink).build().expect("sound");
            let report = fan_out.send(message.clone()).await;
            outputs.report(&format!("{name}, redirected to {location}"), report);
        }
    }
}

/// What a client is told, and how it fails.
async fn clients(
    canaries: &Canaries,
    outputs: &mut Outputs<'_>,
    server: &Server,
    message: Message,
) {
    let secret = |place| canaries.plant(place).text();
    let password = canaries.plant("proxy password").hard();
    let encoded = utf8_percent_encode(&password, NON_ALPHANUMERIC);
    let proxy = format!("http://user:{encoded}@{}", server.address);
    let proxy = Proxy::url(proxy).expect("a proxy");
    outputs.debug("proxy", &proxy);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    let nobody = nobody.expect("a port that was free");
    let path = secret("path of a webhook");
    let query = secret("query of the URL");
    let token = secret("bearer token");
    let urls = [
        format!("http://{nobody}/{path}?{query}"),
        format!("https://{}/{path}?{query}", server.address),
        format!("http://name.invalid/{path}?{query}"),
    ];
    for (name, client) in [
        ("direct", Client::builder().proxy(Proxy::none())),
        ("proxied", Client::builder().proxy(proxy)),
        ("guarded", Client::builder().proxy(Proxy::none()).guard(Guard::new())),
    ] {
        let client = client.connect_timeout(Duration::from_millis(300));
        outputs.debug(name, &client);
        let client = client.build().expect("a client");
        outputs.debug(name, &client);
        for url in &urls {
            // Who never gets there need not be answered in three ways.
            let never = !url.starts_with(&format!("http://{}", nobody.ip())) && name != "proxied";
            let mut plays = vec![echo(407, &token), echo(502, &token), Play::Close];
            plays.extend((400..=407).map(|status| echo(status, &password)));
            plays.push(echo(407, &format!("user:{password}")));
            for play in plays.into_iter().take(if never { 1 } else { usize::MAX }) {
                server.plays(play);
                let sink = HttpSink::post(url.as_str()).client(&client).allow_plaintext();
                let sink = sink.auth(Bearer::new(Secret::new(token.clone())));
                let sink = match sink.timeout(Duration::from_secs(2)).build() {
                    Ok(sink) => sink,
                    // The guard says so at once where the host is an address.
                    Err(error) => {
                        outputs.paths += 1;
                        outputs.error(&format!("{name} client"), &error);
                        continue;
                    }
                };
                let fan_out = FanOut::builder(policy::all()).sink("a", sink).build();
                let report = fan_out.expect("a fan-out").send(message.clone()).await;
                outputs.report(&format!("{name} client"), report);
            }
        }
    }
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        secret("client key")
    );
    for (chain, key) in [(pem.as_str(), pem.as_str()), (pem.as_str(), "x"), ("x", pem.as_str())] {
        let builder = Client::builder().client_identity(chain, key).root_certificates(key);
        outputs.debug("identity", &builder);
        if let Err(error) = builder.build() {
            outputs.paths += 1;
            outputs.error("identity", &error);
        }
    }
}

/// A secret where it makes a setting wrong.
fn wrong(canaries: &Canaries, outputs: &mut Outputs<'_>) {
    let secret = canaries.plant("a setting that is wrong").text();
    let bad = format!("{secret}\r\nx: y");
    let post = || HttpSink::post("http://localhost/");
    let sinks: Vec<HttpSinkBuilder> = vec![
        post().header("authorization", bad.as_str()),
        post().header("x-key", format!("{secret}\0")),
        post().header("host", secret.as_str()),
        post().header("content-length", secret.as_str()),
        post().content_type(bad.as_str()),
        post().auth(Bearer::new(Secret::new(bad.clone()))),
        post().auth(Basic::new(bad.as_str(), Secret::new(bad.clone()))),
        post().auth(Bearer::new(Secret::new(secret.clone()))).header("authorization", &*secret),
        post().header("webhook-id", secret.as_str()).sign(signer(canaries)),
        HttpSink::post(format!("http://user:{secret}@localhost/")),
        HttpSink::post(format!("http://example.com/?{secret}")),
        HttpSink::post(format!("http://localhost/#{secret}")),
        HttpSink::post(format!("http://localhost/ {secret}")),
        HttpSink::post(format!("http://localhost:{secret}/")),
        HttpSink::post(format!("{secret}://localhost/")),
        HttpSink::post(secret.as_str()),
    ];
    for sink in sinks {
        outputs.debug("a wrong setting", &sink);
        outputs.paths += 1;
        match sink.build() {
            Ok(sink) => outputs.debug("a setting that is found wrong later", &sink),
            Err(error) => outputs.error("a wrong setting", &error),
        }
    }
    for url in [format!("https://u:{secret}@h"), format!("http://u:{secret}@"), secret.clone()] {
        outputs.paths += 1;
        match Proxy::url(url) {
            Ok(proxy) => outputs.debug("proxy", &proxy),
            Err(error) => outputs.error("proxy", &error),
        }
    }
    for key in [secret.clone(), format!("whsec_{secret}"), format!("whsk_{secret}"), bad.clone()] {
        outputs.paths += 1;
        match Signer::new(key) {
            Ok(signer) => outputs.debug("signer", &signer),
            Err(error) => outputs.debug("signer", &error),
        }
    }
    outputs.debug("secret", &Secret::new(secret.as_str()));
    let message = Message::text(secret.as_str()).with_metadata("x-a", secret.as_str());
    outputs.debug("message", &message);
    outputs.debug("metadata", &Message::text("").with_metadata("x a", bad));
    let missing = Secret::from_file(format!("/nowhere/{}", "x"));
    outputs.debug("missing file", &missing);
}

fn signer(canaries: &Canaries) -> Signer {
    Signer::new(signing_key("whsec_", &canaries.plant("symmetric signing key"))).expect("a key")
}

fn signing_key(prefix: &str, canary: &Canary) -> String {
    use base64::Engine as _;
    let bytes = format!("{:x<32}", canary.text());
    format!("{prefix}{}", base64::prelude::BASE64_STANDARD.encode(bytes))
}

const STATUSES: [u16; 20] = [
    200, 202, 301, 307, 400, 401, 402, 403, 404, 408, 409, 410, 413, 415, 422, 429, 500, 501, 503,
    504,
];
