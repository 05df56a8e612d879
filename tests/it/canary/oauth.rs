//! Tokens that are fetched: a secret of ours goes to the token endpoint, and one of its own comes back.

use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{FanOut, Message, Secret, SinkExt as _, policy};
use fanout_http::auth::{ClientAuth, OAuth2, OAuth2Builder};
use fanout_http::{Client, HttpSink, Proxy};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::canaries::Canaries;
use super::outputs::Outputs;
use super::server::{Play, Server, echo};

pub(crate) async fn drive(canaries: &Canaries, outputs: &mut Outputs<'_>) {
    let (idp, api) = (Server::start(), Server::start());
    let secret = canaries.plant("OAuth client secret").hard();
    // The code of an error has no quotes: this one could be shown.
    let plain = canaries.plant("OAuth client secret of letters").text();
    let token = canaries.plant("access token").hard();
    let parameter = canaries.plant("parameter of a token request").hard();
    // A token that is wrong is nowhere known, so it must not be shown for what it is not.
    let strange = canaries.plant("access token that is none").text();
    let json = |text: &str| serde_json::to_string(text).expect("a text is JSON");
    let whole = json(&token);
    let good = format!("{{\"access_token\":{whole},\"token_type\":\"Bearer\",\"expires_in\":60}}");
    let answers = |secret: &str| {
        let shown = json(secret);
        let cut = json(&format!("not {secret} nor {}", &secret[..12]));
        [
            said(200, "application/json", &good),
            said(200, "application/json", &format!("{{\"access_token\":\"{strange}\\u0001\"}}")),
            said(200, "application/json", &format!("{{\"access_token\":{{\"{strange}\":1}}}}")),
            said(200, "application/json", &format!("{{\"access_token\":\"{strange}")),
            said(200, "application/json", &good.replace("Bearer", &strange)),
            said(200, "text/html", &format!("<p>Welcome, {secret}</p>")),
            said(400, "application/json", &format!("{{\"error\":{shown}}}")),
            said(
                401,
                "application/json",
                &format!(
                    "{{\"error\":\"invalid_client\",\"error_description\":{shown},\"error_uri\":\"http://h/?{strange}\"}}"
                ),
            ),
            said(401, "application/json", &format!("{{\"error\":{cut}}}")),
            said(403, "text/html", &format!("<h1>{secret}</h1>{parameter}")),
            said(500, "text/plain", secret),
            echo(302, secret),
            echo(403, secret),
            echo(407, secret),
            echo(429, secret),
            echo(503, secret),
            Play::Say(format!("{secret}\r\n\r\n").into_bytes()),
            Play::Say(
                format!("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{{\"access_token\":{whole}")
                    .into_bytes(),
            ),
            Play::Close,
            Play::Hang,
        ]
    };
    let encoded = utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string();
    let password = utf8_percent_encode(&parameter, NON_ALPHANUMERIC);
    let proxied = Proxy::url(format!("http://user:{password}@{}", idp.address)).expect("a proxy");
    let proxied = Client::builder().proxy(proxied).build().expect("a client");
    let direct = Client::builder().proxy(Proxy::none()).build().expect("a client");
    for (auth, client, secret) in [
        (ClientAuth::Basic, &direct, &secret),
        (ClientAuth::Basic, &direct, &plain),
        (ClientAuth::Body, &direct, &plain),
        (ClientAuth::Basic, &proxied, &plain),
    ] {
        for (index, answer) in answers(secret).into_iter().enumerate() {
            let path = format!("OAuth answer {index} by {auth:?}");
            let url = format!("http://{}/token?key={encoded}", idp.address);
            let oauth = ask(url, secret).param("assertion", &parameter).client(client);
            let oauth = oauth.client_auth(auth).timeout(Duration::from_millis(150));
            outputs.debug(&path, &oauth);
            let oauth = oauth.build().expect("sound credentials");
            outputs.debug(&path, &oauth);
            let sink = HttpSink::post(format!("http://{}/", api.address)).auth(oauth).build();
            let sink = sink.expect("a sound sink");
            outputs.debug(&path, &sink);
            // A token that was refused is replaced by another; without one a retry would only wait.
            let is_good = index == 0;
            let numbers = Resilience::default()
                .max_attempts(if is_good { 2 } else { 1 })
                .backoff_base(Duration::from_millis(1))
                .throttle_base(Duration::from_millis(1));
            let sink = sink.resilient(numbers).expect("sound numbers");
            let fan_out = FanOut::builder(policy::all()).sink("a", sink).build().expect("sound");
            idp.plays(answer.clone());
            // With a token the API has its say, and repeats it.
            for status in [401, 403, 404, 500, 422].into_iter().take(if is_good { 5 } else { 1 }) {
                api.plays(echo(status, &token));
                outputs.report(&path, fan_out.send(Message::text("")).await);
            }
        }
    }
    for url in [
        format!("http://user:{secret}@localhost/token"),
        format!("http://example.com/token?{encoded}"),
        format!("http://localhost/#{secret}"),
        secret.clone(),
    ] {
        let wrong = ask(url, &secret);
        refused(outputs, wrong);
    }
    refused(outputs, ask("http://localhost/".to_owned(), &secret).timeout(Duration::ZERO));
    let twice = ask("http://localhost/".to_owned(), &secret).param("a", &secret);
    refused(outputs, twice.param("a", &parameter));
}

fn ask(url: String, secret: &str) -> OAuth2Builder {
    OAuth2::client_credentials(url, "client", Secret::new(secret))
}

fn refused(outputs: &mut Outputs<'_>, builder: OAuth2Builder) {
    outputs.paths += 1;
    outputs.debug("wrong OAuth", &builder);
    match builder.build() {
        Ok(oauth) => outputs.debug("wrong OAuth", &oauth),
        Err(error) => outputs.error("wrong OAuth", &error),
    }
}

fn said(status: u16, kind: &str, body: &str) -> Play {
    let length = body.len();
    Play::Say(
        format!(
            "HTTP/1.1 {status} No\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        )
        .into_bytes(),
    )
}
