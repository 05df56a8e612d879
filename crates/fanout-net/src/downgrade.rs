//! The destinations that asked for HTTP/1.1.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Remembers which destinations reset a stream with `HTTP_1_1_REQUIRED`, so that the next connection to
/// them does not offer HTTP/2.
///
/// # Standards
///
/// RFC 9113 section 7.
#[derive(Debug, Default)]
pub(crate) struct Downgraded(Mutex<HashSet<String>>);

impl Downgraded {
    /// Remembers `destination`, a host with its port. Beyond a bound no more are remembered.
    pub(crate) fn add(&self, destination: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST {
            all.insert(destination.to_owned());
        }
    }

    pub(crate) fn contains(&self, destination: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(destination)
    }
}

/// A client that meets more of such servers than this pays one more round trip for each of the rest.
const MOST: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_remembered_up_to_the_bound() {
        let all = Downgraded::default();
        assert!(!all.contains("h:1"));
        for port in 0..2 * MOST {
            all.add(&format!("h:{port}"));
        }
        assert!(all.contains("h:1") && !all.contains(&format!("h:{MOST}")));
    }
}
