//! How suites are run, filtered, joined and shown.

use std::panic::catch_unwind;

use fanout::{MemorySink, Receipt, policy, sink_fn};
use fanout_conformance::{CaseOutcome, check_policy, check_sink, policy_suites};

#[test]
fn a_suite_runs_without_a_runtime() {
    check_sink(MemorySink::new).into_suite().run().assert_passed();
}

#[test]
fn suites_are_filtered_joined_and_named() {
    let drops = check_sink(MemorySink::new).into_suite().only("drop");
    let pure = check_policy(policy::first()).only("pure");
    let both = drops.and(pure).named("both");
    assert_eq!(both.subject(), "both");
    let ids: Vec<_> = both.rules().map(|rule| rule.id).collect();
    assert_eq!(ids, ["sink/drop_ends_the_call", "sink/drop_leaves_no_task", "policy/pure"]);
    let result = both.run();
    assert_eq!(result.counts(), (2, 0, 1), "{result}");
    assert!(result.is_passed());
    assert!(result.to_string().ends_with("2 passed, 0 failed, 1 not supported"), "{result}");
}

#[test]
fn a_failure_names_the_sink_and_every_rule_that_it_breaks() {
    let grumpy = || sink_fn(|_, _| async { panic!("not today") as Result<Receipt, fanout::Error> });
    let result = check_sink(grumpy).named("grumpy").into_suite().only("sink/delivers").run();
    assert!(matches!(result.get("sink/delivers"), Some(CaseOutcome::Failed(_))));
    let panic = catch_unwind(|| result.assert_passed()).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.starts_with("grumpy breaks the contract:"), "{text}");
    assert!(text.contains("sink/delivers: FAILED: it panicked: not today. The rule: "), "{text}");
}

#[test]
fn the_subjects_of_the_catalogue_have_names_of_their_own() {
    let mut names: Vec<_> =
        policy_suites().iter().map(|suite| suite.subject().to_owned()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
