//! Runs the property of a fuzz target over its seeds, as plain tests do: a part of each crate's tests.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `property` over every seed of `target`: as it is, cut short, and with single bytes changed.
///
/// The changes are the same in every run, so what fails here fails for everyone.
pub(crate) fn replay(target: &str, property: fn(&[u8])) {
    let directory = format!("{}/../../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut seeds: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{directory}: {error}"))
        .map(|entry| entry.expect("a seed").path())
        .collect();
    seeds.sort();
    assert!(seeds.len() >= FEWEST, "{target} has {} seeds only", seeds.len());

    for path in seeds {
        let seed = fs::read(&path).expect("a seed can be read");
        let run = |input: &[u8], what: &str| {
            let fine = catch_unwind(AssertUnwindSafe(|| property(input))).is_ok();
            assert!(fine, "{}, {what}: {:?}", path.display(), String::from_utf8_lossy(input));
        };
        run(&seed, "as it is");
        let step = seed.len() / CHANGES + 1;
        for at in (0..seed.len()).step_by(step) {
            run(&seed[..at], "cut short");
            let mut changed = seed.clone();
            changed[at] ^= BITS[at % BITS.len()];
            run(&changed, "with a byte changed");
        }
    }
}

/// With fewer seeds a target is not worth its name.
const FEWEST: usize = 5;

/// So many places of each seed are changed at most.
const CHANGES: usize = 48;

/// Other letters, other digits, bytes that are no text.
const BITS: [u8; 4] = [0x01, 0x80, 0x20, 0x13];
