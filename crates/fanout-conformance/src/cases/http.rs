//! HTTP sinks: what status codes, redirects and broken answers mean.
//!
//! Section numbers are those of RFC 9110 unless another document is named.

use std::sync::Arc;

use fanout::{BodyState, Effect, Error, ErrorKind, Message, Receipt};

use super::http_status::{Advice, check_row, due};
use super::scene::{Scene, shown};
use super::{SinkCase, sink_case};
use crate::fakes::{Answer, Script, Stage, Watch};
use crate::harness::{Harness, SECRET};
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[SinkCase] = &[
    sink_case!(
        redirect,
        "http/redirect_is_not_followed",
        [Http],
        "a redirect to another host is not followed: its target is told, and nothing goes there \
         (section 15.4)"
    ),
    sink_case!(
        idle_close,
        "http/idle_close_is_transparent",
        [Http],
        "when a pooled connection was closed by the server while idle, the next send is not disturbed \
         (RFC 9112 section 9.3.1)"
    ),
    sink_case!(
        interrupted,
        "http/interrupted_before_the_head",
        [Http],
        "a connection that ends before the head is whole is `Interrupted`, effect `Maybe` \
         (section 9.2.2)"
    ),
    sink_case!(
        broken_success,
        "http/broken_body_of_a_success",
        [Http],
        "a 2xx whose body breaks off is delivered, with a receipt that says the body is broken"
    ),
    sink_case!(
        broken_refusal,
        "http/broken_body_of_a_refusal",
        [Http],
        "a refusal whose body breaks off is classified by its status"
    ),
    sink_case!(
        long_body,
        "http/long_body_is_cut",
        [Http],
        "a body of 8 MiB is read up to what the sink keeps, and the receipt says that it was cut"
    ),
    sink_case!(
        headers,
        "http/metadata_is_headers",
        [Http],
        "metadata and the content type of a message are headers of the request"
    ),
    sink_case!(
        bad_header,
        "http/bad_metadata_is_a_build_error",
        [Http],
        "metadata that no header can hold is a `Build` error, and nothing is sent (section 5.5)"
    ),
    sink_case!(
        echo,
        "http/credential_that_is_repeated",
        [Http],
        "a credential that an answer repeats, in its body or in a field, is in no text of the error and in no \
         notice"
    ),
];

async fn redirect(harness: Arc<dyn Harness>) -> Outcome {
    let watch = Script::from(Answer::respond("")).watch(Watch::Requests);
    let elsewhere = harness.endpoint(watch).await?;
    let target = format!("http://{}/elsewhere", elsewhere.address());
    for code in [301, 302, 303, 307, 308] {
        let answer = Answer::status(code).with_metadata("location", &target);
        let result = Scene::set(&harness, answer).await?.send().await;
        let requests = elsewhere.counts().requests;
        ensure!(requests == 0, "after {code}, {requests} requests went to the other host");
        let Err(error) = &result else {
            return Err(Stop::Failed(format!("{code} returned a receipt")));
        };
        let kind = error.kind();
        ensure!(kind == ErrorKind::Redirected, "{code} is {kind}");
        let chain = error.to_chain();
        ensure!(chain.contains(elsewhere.address()), "the target is not told: {chain}");
        ensure!(!chain.contains(SECRET), "the secret is in the error");
    }
    Ok(())
}

async fn echo(harness: Arc<dyn Harness>) -> Outcome {
    let location = format!("/next/{SECRET}");
    let link = format!("<{location}>; rel=\"successor-version deprecation\"");
    for code in [200, 308, 400, 401, 403, 410, 429, 500] {
        let answer = if code == 200 { Answer::respond("") } else { Answer::status(code) };
        let answer = answer
            .with_body(format!("{{\"error\":\"Bearer {SECRET} is not known\"}}"))
            .with_metadata("www-authenticate", &format!("Bearer error=\"{SECRET}\""))
            .with_metadata("location", &location)
            .with_metadata("deprecation", "true")
            .with_metadata("link", &link);
        let result = Scene::set(&harness, answer).await?.send().await;
        let text = match &result {
            Ok(receipt) => {
                format!("{:?} {:?}", receipt.notices().collect::<Vec<_>>(), receipt.api())
            }
            Err(error) => format!(
                "{} {error:?} {:?} {:?} {}",
                error.to_chain(),
                error.excerpt(),
                error.notices().collect::<Vec<_>>(),
                serde_json::to_string(error).unwrap_or_default(),
            ),
        };
        ensure!(!text.contains(SECRET), "after {code}, the credential is shown");
    }
    Ok(())
}

async fn idle_close(harness: Arc<dyn Harness>) -> Outcome {
    sends_after_an_idle_close(&harness).await
}

async fn interrupted(harness: Arc<dyn Harness>) -> Outcome {
    for answer in [
        Answer::respond("").closes(Stage::Requested),
        Answer::respond("").resets(Stage::Requested),
        Answer::respond("").closes(Stage::AfterBytes(10)),
    ] {
        let stage = answer.cut;
        let script = Script::from(answer).watch(Watch::Requests);
        let scene = Scene::set(&harness, script).await?;
        let result = scene.send().await;
        let due = Some((ErrorKind::Interrupted, Effect::Maybe, Advice::Backoff));
        check_row(&format!("{stage:?}"), &result, due)?;
        let requests = scene.endpoint.counts().requests;
        ensure!(requests == 1, "{stage:?}: one send made {requests} requests");
    }
    Ok(())
}

async fn broken_success(harness: Arc<dyn Harness>) -> Outcome {
    for answer in
        [Answer::half_body("0123456789"), Answer::respond("0123456789").resets(Stage::HalfBody)]
    {
        let result = Scene::set(&harness, answer).await?.send().await;
        let state = result.as_ref().map(Receipt::body_state);
        ensure!(
            matches!(state, Ok(BodyState::Broken)),
            "half of the body of a 200 came, and it returned {}",
            shown(&result)
        );
    }
    Ok(())
}

async fn broken_refusal(harness: Arc<dyn Harness>) -> Outcome {
    let answer = Answer::status(404).with_body("there is no such").closes(Stage::HalfBody);
    let result = Scene::set(&harness, answer).await?.send().await;
    check_row("a broken 404", &result, due(404))
}

async fn long_body(harness: Arc<dyn Harness>) -> Outcome {
    const LENGTH: usize = 8 << 20;
    let scene = Scene::set(&harness, Answer::respond(vec![b'x'; LENGTH])).await?;
    let result = scene.send().await;
    let Ok(receipt) = &result else {
        return Err(Stop::Failed(format!("it returned {}", shown(&result))));
    };
    let (state, kept) = (receipt.body_state(), receipt.body().len());
    ensure!(state == BodyState::Cut, "the receipt says {state:?}");
    ensure!(kept < LENGTH / 4, "{kept} bytes were kept");
    // What was not read does not spoil the next send.
    let again = scene.send().await;
    ensure!(again.is_ok(), "the next send returned {}", shown(&again));
    Ok(())
}

async fn headers(harness: Arc<dyn Harness>) -> Outcome {
    let script = Script::from(Answer::respond("")).watch(Watch::Received);
    let mut scene = Scene::set(&harness, script).await?;
    let message = scene.message.with_metadata("x-tenant", "blue").with_metadata("x-tenant", "red");
    let content_type = message.content_type().map(str::to_owned);
    scene.message = message;
    let result = scene.send().await;
    ensure!(result.is_ok(), "it returned {}", shown(&result));
    let received = scene.endpoint.received();
    let request = received.first().ok_or_else(|| Stop::Failed("nothing arrived".to_owned()))?;
    let tenants: Vec<_> = request
        .metadata
        .iter()
        .filter(|(name, _)| name == "x-tenant")
        .flat_map(|(_, value)| value.split(','))
        .map(str::trim)
        .collect();
    ensure!(tenants == ["blue", "red"], "`x-tenant` arrived as {tenants:?}");
    let arrived = request.get("content-type");
    ensure!(arrived == content_type.as_deref(), "the content type arrived as {arrived:?}");
    Ok(())
}

async fn bad_header(harness: Arc<dyn Harness>) -> Outcome {
    bad_metadata_is_refused(&harness, &[("x-bad", "one\r\nx-injected: two"), ("not a name", "x")])
        .await
}

/// Sends messages with metadata that the protocol cannot carry.
pub(super) async fn bad_metadata_is_refused(
    harness: &Arc<dyn Harness>,
    pairs: &[(&str, &str)],
) -> Outcome {
    let script = Script::from(Answer::respond("")).watch(Watch::Requests);
    let scene = Scene::set(harness, script).await?;
    for (name, value) in pairs {
        let message: Message = scene.message.clone().with_metadata(name, value);
        let result = scene.sink().send(&message, &scene.attempt()).await;
        let kind = result.as_ref().err().map(Error::kind);
        ensure!(kind == Some(ErrorKind::Build), "{name:?} gave {}", shown(&result));
        let requests = scene.endpoint.counts().requests;
        ensure!(requests == 0, "{name:?} was sent all the same");
    }
    Ok(())
}

/// Sends twice on a connection that the server closes in between, and once more.
pub(super) async fn sends_after_an_idle_close(harness: &Arc<dyn Harness>) -> Outcome {
    let script = Script::given([Answer::respond("").hangs_up(), Answer::respond("")]);
    let scene = Scene::set(harness, script.watch(Watch::Calls)).await?;
    for number in 1..=3 {
        let result = scene.send().await;
        ensure!(result.is_ok(), "send {number} returned {}", shown(&result));
        let requests = scene.endpoint.counts().requests;
        ensure!(requests == number, "{number} sends made {requests} requests");
        if number == 1 {
            // The fake counts a connection as closed when the client has closed its side too: a request
            // that is written before it knows is ambiguous by right.
            scene.endpoint.until(|counts| counts.closed == 1).await;
        }
    }
    Ok(())
}
