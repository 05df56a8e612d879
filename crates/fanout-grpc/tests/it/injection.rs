//! Whatever the metadata is, nothing gets into a call that was not meant to.

use fanout::ErrorKind;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::server::{Server, order, send};

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-zA-Z][a-zA-Z0-9_.-]{0,8}",
        1 => "[!-~]{1,6}",
        1 => any::<String>(),
        1 => "x(\r\n|\n|\0|:| )[a-z:]{0,4}",
        1 => prop::sample::select(vec![
            "grpc-timeout", "Grpc-Encoding", "content-type", "te", "Host", "content-length",
            "transfer-encoding", "connection", "upgrade", ":path", ":status", "user-agent", "expect",
            "proxy-authorization", "content-encoding", "accept-encoding", "http2-settings", "",
        ]).prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[!-~]([ -~]{0,20}[!-~])?",
        1 => any::<String>(),
        1 => "[a-z]{0,4}(\r\n|\n|\r|\0)injected: yes",
    ]
}

#[test]
fn no_metadata_injects_anything() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(Server::echo());
    let sink = server.place().build().unwrap();
    let run = |pairs: Vec<(String, String)>| {
        let mut message = order("a", 1);
        for (name, value) in &pairs {
            message = message.with_metadata(name, value);
        }
        let before = server.requests().len();
        let result = runtime.block_on(send(&sink, &message));
        let requests = server.requests();
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::Build, "{error}");
            assert_eq!(requests.len(), before, "nothing is sent");
            return;
        }
        let [(path, headers)] = &requests[before..] else { panic!("one call") };
        assert_eq!(path, "/shop.v1.Orders/Place");
        let mut expected: Vec<(String, String)> = pairs
            .iter()
            .filter(|(name, _)| !name.to_ascii_lowercase().ends_with("-bin"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect();
        let ours =
            ["content-type", "te", "user-agent", "grpc-timeout", "grpc-accept-encoding", "host"];
        let mut found: Vec<_> = headers
            .iter()
            .filter(|(name, _)| !ours.contains(&name.as_str()) && !name.as_str().ends_with("-bin"))
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, expected);
        assert_eq!(headers["content-type"], "application/grpc");
        assert_eq!(headers.get_all("te").iter().count(), 1);
        assert_eq!(headers.get_all("grpc-timeout").iter().count(), 1);
    };
    let pairs = prop::collection::vec((name(), value()), 0..4);
    proptest!(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() },
    |(pairs in pairs)| {
        run(pairs);
    });
}
