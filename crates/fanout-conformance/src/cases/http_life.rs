//! HTTP sinks: what answers announce about the life of the API.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanout::{ApiNotice, Error, Receipt};

use super::http_status::{check_row, due};
use super::scene::{Scene, shown};
use super::{SinkCase, sink_case};
use crate::fakes::{Answer, Script};
use crate::harness::{Harness, SECRET};
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[SinkCase] = &[
    sink_case!(
        deprecation,
        "http/deprecation_is_noticed",
        [Http],
        "`Deprecation` or `Sunset` on a success leaves it a success, is in every receipt as a notice, and is \
         noted in words once per sink (RFC 9745, RFC 8594)"
    ),
    sink_case!(
        refusal,
        "http/deprecation_of_a_refusal",
        [Http],
        "on a failure they leave what it means, and are in the error as they would be in a receipt"
    ),
    sink_case!(
        successor,
        "http/successor_is_named",
        [Http],
        "of `Link` the notice takes `successor-version` and `deprecation`, relative to the URL that was \
         asked, whatever junk stands beside them (RFC 8288, RFC 5829)"
    ),
    sink_case!(
        gone,
        "http/gone_after_its_sunset",
        [Http],
        "a 410 after a `Sunset` that is over says so and names the successor, whether that answer or one \
         before it announced it; a `Sunset` that is to come changes nothing"
    ),
    sink_case!(
        hostile,
        "http/hostile_announcement",
        [Http],
        "nothing that an answer announces shows a secret of a URL, or a character that is not printable"
    ),
];

async fn deprecation(harness: Arc<dyn Harness>) -> Outcome {
    let since = UNIX_EPOCH + Duration::from_secs(1_688_169_599);
    for (fields, deprecated, sunset) in [
        (&[("deprecation", "@1688169599")][..], Some(since), None),
        (&[("sunset", "Fri, 30 Jun 2023 23:59:59 GMT")], None, Some(since)),
        (
            &[("deprecation", "Fri, 30 Jun 2023 23:59:59 GMT"), ("sunset", ENDED)],
            Some(since),
            Some(ended()),
        ),
    ] {
        let scene = Scene::set(&harness, answer(200, fields)).await?;
        // A sink for another version is another sink, and warns again.
        for sink in [scene.sink(), harness.sink(&scene.endpoint).sink()] {
            for wanted in [1, 0] {
                let result = sink.send(&scene.message, &scene.attempt()).await;
                let Ok(receipt) = &result else {
                    return Err(Stop::Failed(format!("{fields:?} made it {}", shown(&result))));
                };
                let notices = receipt.notices().count();
                ensure!(
                    notices == wanted,
                    "{fields:?} is worth {wanted} notices here, and there are {notices}"
                );
                let api = receipt.api().map(|api| (api.deprecated_since(), api.sunset()));
                ensure!(
                    api == Some((deprecated, sunset)),
                    "{fields:?} is in the receipt as {:?}",
                    receipt.api()
                );
            }
        }
    }
    let result = Scene::set(&harness, answer(200, &[("sunset", "soon")])).await?.send().await;
    let api = result.as_ref().map(Receipt::api);
    ensure!(matches!(api, Ok(None)), "junk announces {api:?}");
    Ok(())
}

async fn refusal(harness: Arc<dyn Harness>) -> Outcome {
    for code in [422, 503] {
        let fields = [("deprecation", "true"), ("sunset", ENDED)];
        let scene = Scene::set(&harness, answer(code, &fields)).await?;
        for wanted in [1, 0] {
            let result = scene.send().await;
            check_row(&format!("a deprecated {code}"), &result, due(code))?;
            let notices = result.as_ref().err().map(|error| error.notices().count());
            ensure!(notices == Some(wanted), "there are {notices:?} notices, not {wanted}");
            let api = result.as_ref().err().and_then(Error::api);
            ensure!(
                api.is_some_and(|api| api.is_deprecated() && api.sunset() == Some(ended())),
                "it is in the error as {api:?}"
            );
        }
    }
    Ok(())
}

async fn successor(harness: Arc<dyn Harness>) -> Outcome {
    for link in [
        "</v2/orders>; rel=\"successor-version\", <https://docs.example/v1>; rel=deprecation",
        "junk;;\"<x>, \", </v9>;rel=other,<https://docs.example/v1?x#y>;title=\"a, b\";REL=\"Deprecation\" , \
         <./../v2/./orders> ; rel = \"next Successor-Version\"",
    ] {
        let scene =
            Scene::set(&harness, answer(200, &[("deprecation", "true"), ("link", link)])).await?;
        let result = scene.send().await;
        let api = result.as_ref().ok().and_then(Receipt::api);
        let expected = format!("http://{}/v2/orders", scene.endpoint.address());
        let found = api.map(|api| (api.successor(), api.documentation()));
        ensure!(
            found == Some((Some(expected.as_str()), Some("https://docs.example/v1"))),
            "{link:?} is in the receipt as {found:?}"
        );
    }
    let link = "</v2/orders>; rel=successor-version, </docs>; rel=deprecation";
    let result = Scene::set(&harness, answer(200, &[("link", link)])).await?.send().await;
    let api = result.as_ref().map(Receipt::api);
    ensure!(matches!(api, Ok(None)), "links alone announce {api:?}");
    Ok(())
}

async fn gone(harness: Arc<dyn Harness>) -> Outcome {
    let link = ("link", "</v2>; rel=successor-version");
    let ending = [("sunset", ENDED), link];
    let to_come = [("sunset", "Tue, 31 Dec 2999 23:59:59 GMT"), link];
    for (answers, is_over) in [
        ([answer(410, &ending), answer(410, &ending)], true),
        ([answer(200, &ending), answer(410, &[])], true),
        ([answer(410, &to_come), answer(410, &to_come)], false),
        ([answer(200, &to_come), answer(410, &[])], false),
        ([answer(200, &[]), answer(410, &[])], false),
    ] {
        let scene = Scene::set(&harness, Script::given(answers)).await?;
        drop(scene.send().await);
        let result = scene.send().await;
        check_row("410", &result, due(410))?;
        let chain = result.as_ref().err().map(Error::to_chain).unwrap_or_default();
        let successor = format!("http://{}/v2", scene.endpoint.address());
        let told = chain.contains("2024-06-30") && chain.contains(&successor);
        ensure!(told == is_over, "the end is over: {is_over}; it says: {chain}");
        let api = result.as_ref().err().and_then(Error::api);
        ensure!(!is_over || api.is_some_and(|api| api.successor() == Some(&successor)), "{api:?}");
    }
    Ok(())
}

async fn hostile(harness: Arc<dyn Harness>) -> Outcome {
    let deceiving = "https://api.example/\u{202e}\u{9b}2Jv2".to_owned();
    let long = format!("https://api.example/{}", "x".repeat(6_000));
    for target in [
        format!("https://user:{SECRET}@api.example/v2?token={SECRET}#{SECRET}"),
        format!("/v2?token={SECRET}"),
        format!("javascript:{SECRET}"),
        deceiving,
        long,
    ] {
        let link = format!("<{target}>; rel=\"successor-version deprecation sunset\"");
        let fields = [("deprecation", "true"), ("sunset", ENDED), ("link", link.as_str())];
        for code in [200, 410] {
            let result = Scene::set(&harness, answer(code, &fields)).await?.send().await;
            let (notices, api) = match &result {
                Ok(receipt) => (receipt.notices().collect::<Vec<_>>(), receipt.api()),
                Err(error) => (error.notices().collect(), error.api()),
            };
            let chain = result.as_ref().err().map(Error::to_chain).unwrap_or_default();
            let urls = api.map(|api: &ApiNotice| {
                format!("{} {}", api.successor().unwrap_or(""), api.documentation().unwrap_or(""))
            });
            let text = format!("{} {} {chain}", notices.join(" "), urls.unwrap_or_default());
            ensure!(!notices.is_empty(), "{code} with {target:?} has no notice");
            ensure!(!text.contains(SECRET), "{target:?} shows the secret");
            let odd = text.chars().find(|c| !c.is_ascii() || c.is_ascii_control());
            ensure!(odd.is_none(), "{target:?} shows {odd:?}");
            ensure!(text.len() < 4_096, "{} bytes are shown of {target:.32}", text.len());
        }
    }
    Ok(())
}

fn answer(code: u16, fields: &[(&str, &str)]) -> Answer {
    let answer = if code == 200 { Answer::respond("") } else { Answer::status(code) };
    fields.iter().fold(answer, |answer, (name, value)| answer.with_metadata(name, value))
}

fn ended() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_719_791_999)
}

/// Over since the summer of 2024.
const ENDED: &str = "Sun, 30 Jun 2024 23:59:59 GMT";
