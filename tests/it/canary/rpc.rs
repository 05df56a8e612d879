//! Every way in which a gRPC sink fails, with a secret in each of its places.

use std::time::Duration;

use fanout::{FanOut, Message, Secret, policy};
use fanout_conformance::fakes::{Answer, GrpcFake, Script, Stage};
use fanout_grpc::auth::Bearer;
use fanout_grpc::{GrpcSink, Schema};

use super::canaries::Canaries;
use super::outputs::Outputs;

pub(crate) async fn drive(canaries: &Canaries, outputs: &mut Outputs<'_>) {
    let token = canaries.plant("bearer token in metadata").text();
    let metadata = canaries.plant("metadata of a sink").text();
    let own = canaries.plant("metadata of a message to gRPC").text();
    let payload = canaries.plant("payload to gRPC").text();
    for secret in [&token, &metadata] {
        let echo = |answer: Answer| {
            answer.with_metadata("x-echo", secret).with_trailer("x-trailer", secret)
        };
        let mut answers: Vec<_> =
            (0..=17).map(|code| echo(Answer::status(code).with_body(secret.clone()))).collect();
        answers.extend(
            [400, 401, 403, 404, 429, 502, 503]
                .map(|page| Answer::page(page).with_body(secret.clone())),
        );
        answers.extend([Answer::garbage(), Answer::stall(), Answer::half_body(secret.clone())]);
        answers.extend(
            [Stage::Requested, Stage::HalfBody, Stage::End]
                .map(|stage| Answer::respond(secret.clone()).closes(stage)),
        );
        for (index, answer) in answers.into_iter().enumerate() {
            let path = format!("gRPC answer {index}");
            let Ok(endpoint) = GrpcFake::start(Script::given([answer])).await else { continue };
            let sink =
                GrpcSink::unary(format!("http://{}", endpoint.address()), "shop.Orders/Place")
                    .auth(Bearer::new(Secret::new(token.clone())))
                    .metadata("x-tenant-key", metadata.clone())
                    .timeout(Duration::from_millis(400));
            outputs.debug(&path, &sink);
            let sink = sink.build().expect("a sound sink");
            outputs.debug(&path, &sink);
            let fan_out = FanOut::builder(policy::all()).sink("a", sink).build().expect("sound");
            let message =
                Message::bytes(payload.clone().into_bytes()).with_metadata("x-own", own.as_str());
            outputs.report(&path, fan_out.send(message).await);
        }
    }
    // The payload where JSON is wanted, and where types have to be asked for first.
    let json = [payload.clone(), format!("{{\"a\":\"{payload}\"}}"), format!("\"{payload}\"")];
    for text in json {
        let endpoint = GrpcFake::start(Script::given([Answer::status(12)])).await.expect("a fake");
        let sink = GrpcSink::unary(format!("http://{}", endpoint.address()), "shop.Orders/Place")
            .auth(Bearer::new(Secret::new(token.clone())))
            .schema(Schema::reflection())
            .build()
            .expect("a sound sink");
        let fan_out = FanOut::builder(policy::all()).sink("a", sink).build().expect("sound");
        outputs.report("JSON over gRPC", fan_out.send(Message::text(text)).await);
    }
    let secret = canaries.plant("a setting of gRPC that is wrong").text();
    for sink in [
        GrpcSink::unary(format!("http://user:{secret}@localhost"), "a.B/C"),
        GrpcSink::unary(format!("http://localhost/?{secret}"), "a.B/C"),
        GrpcSink::unary(secret.as_str(), "a.B/C"),
        // Where a method is no method it may be anything; the name of one is no place for a secret.
        GrpcSink::unary("http://localhost", secret.as_str()),
        GrpcSink::unary("http://localhost", format!("a.B/C?{secret}")),
        GrpcSink::unary("http://localhost", "a.B/C")
            .metadata("authorization", format!("{secret}\n")),
        GrpcSink::unary("http://localhost", "a.B/C").metadata("grpc-timeout", secret.as_str()),
        GrpcSink::unary("http://localhost", "a.B/C").client_identity(&secret, &secret),
    ] {
        outputs.paths += 1;
        outputs.debug("a wrong setting", &sink);
        match sink.build() {
            Ok(sink) => outputs.debug("a setting that is found wrong later", &sink),
            Err(error) => outputs.error("a wrong setting", &error),
        }
    }
}
