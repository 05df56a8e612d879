//! `fanout demo`: the first thing that anybody sees.

use crate::harness::{check, fanout};

#[test]
fn the_whole_demonstration() {
    let run = fanout(["demo"]);
    let seen = run.seen();
    for line in seen.lines() {
        assert!(line.chars().count() <= 80, "wider than 80 columns: {line}");
    }
    check!("demo", seen);
}

#[test]
fn a_proxy_in_the_environment_does_not_matter() {
    let proxied = fanout(["demo"])
        .variable("HTTP_PROXY", "http://127.0.0.1:9")
        .variable("http_proxy", "http://127.0.0.1:9")
        .variable("ALL_PROXY", "http://127.0.0.1:9");
    assert_eq!(proxied.seen(), fanout(["demo"]).seen());
}

#[test]
fn who_runs_it_by_cargo_is_told_what_works_in_a_clone() {
    let seen = fanout(["demo"]).variable("CARGO", "cargo").seen();
    assert!(seen.contains("    cargo run -p fanout-cli -- send -d"), "{seen}");
    assert!(seen.lines().all(|line| line.chars().count() <= 80), "{seen}");
}
