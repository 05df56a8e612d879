//! The pipeline with numbers that were tampered with.

use std::time::Duration;

use fanout::resilience::{Resilience, RetryMaybe};
use fanout_conformance::fanout_resilience;

use super::{Row, seconds};

pub(super) const NUMBERS: &[Row] = &[
    Row {
        name: "lets an attempt take as long as the total",
        make: |sink, settings| {
            let total = seconds(&settings, "total_timeout");
            let longer = settings.attempt_timeout(total).breaker_window(total * 2);
            fanout_resilience(sink, longer)
        },
        rules: &["resilience/attempt_timeout"],
    },
    Row {
        name: "has no total",
        make: |sink, settings| {
            fanout_resilience(sink, settings.total_timeout(Duration::from_secs(3_600)))
        },
        rules: &["resilience/total_timeout", "resilience/no_sleep_into_the_wall"],
    },
    Row {
        name: "takes the defaults for what is impossible",
        make: |sink, settings| match settings.validate() {
            Ok(()) => fanout_resilience(sink, settings),
            Err(_) => fanout_resilience(sink, Resilience::default()),
        },
        rules: &["resilience/impossible_numbers_are_build_errors"],
    },
    Row {
        name: "tries once",
        make: |sink, settings| fanout_resilience(sink, settings.max_attempts(1)),
        rules: &[
            "resilience/unsent_is_retried",
            "resilience/repeatable_is_retried",
            "resilience/attempts_are_on_record",
            "resilience/effect_is_the_worst",
        ],
    },
    Row {
        name: "repeats what may have been applied, though told not to",
        make: |sink, settings| {
            fanout_resilience(sink, settings.retry_maybe(RetryMaybe::IfRepeatable))
        },
        rules: &["resilience/retry_maybe_never"],
    },
    Row {
        name: "ignores the seed",
        make: |sink, settings| fanout_resilience(sink, settings.seed(None)),
        rules: &["resilience/seed_gives_the_same_pauses"],
    },
    Row {
        name: "does not double its pauses",
        make: |sink, settings| {
            let base = seconds(&settings, "backoff_base");
            fanout_resilience(sink, settings.throttle_base(base).backoff_max(base))
        },
        rules: &["resilience/pauses_grow_to_the_cap", "resilience/throttle_has_its_own_step"],
    },
    Row {
        name: "waits as long as the sink likes",
        make: |sink, settings| {
            fanout_resilience(sink, settings.max_server_delay(Duration::from_secs(3_600)))
        },
        rules: &["resilience/server_delay_too_long"],
    },
    Row {
        name: "has no budget",
        make: |sink, settings| fanout_resilience(sink, settings.budget_floor(1e6)),
        rules: &["resilience/budget_bounds_retries", "resilience/empty_budget_ends_at_once"],
    },
    Row {
        name: "wants a hundred calls before it judges",
        make: |sink, settings| {
            fanout_resilience(sink, settings.breaker_consecutive(100).breaker_min_calls(100))
        },
        rules: &["resilience/breaker_opens_at_low_traffic"],
    },
    Row {
        name: "opens for the same time again and again",
        make: |sink, settings| {
            let open = seconds(&settings, "breaker_open");
            fanout_resilience(sink, settings.breaker_open_max(open))
        },
        rules: &["resilience/breaker_stays_open_longer"],
    },
    Row {
        name: "has as many permits as anybody wants",
        make: |sink, settings| fanout_resilience(sink, settings.max_in_flight(1_000)),
        rules: &["resilience/permits_bound_attempts", "resilience/permits_hold_on_many_threads"],
    },
    Row {
        name: "has a queue without end",
        make: |sink, settings| fanout_resilience(sink, settings.max_waiting(1_000_000)),
        rules: &["resilience/full_queue_fails_at_once"],
    },
];
