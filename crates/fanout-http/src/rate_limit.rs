//! The `RateLimit` field: when there will be quota again.

use std::time::Duration;

use http::HeaderMap;
use sfv::{BareItem, Item, List, ListEntry, Parser};

/// Returns after how long the last of the used-up quotas has room again, if any is used up.
///
/// A quota counts as used up when nothing remains (`r=0`), and has a say when it tells the time (`t`).
/// `RateLimit-Policy` is not read: it says how large quotas are, not when there is one again. What is
/// malformed anywhere counts as not there, the whole field, as structured fields have it.
///
/// # Standards
///
/// draft-ietf-httpapi-ratelimit-headers-11; RFC 9651 sections 3.1 and 4.2.
pub(crate) fn reset(headers: &HeaderMap) -> Option<Duration> {
    let lines: Option<Vec<_>> =
        headers.get_all("ratelimit").iter().map(|value| value.to_str().ok()).collect();
    let field = lines.filter(|lines| !lines.is_empty())?.join(", ");
    let list: List = Parser::new(&field).parse().ok()?;
    list.iter().filter_map(used_up).max()
}

fn used_up(entry: &ListEntry) -> Option<Duration> {
    let ListEntry::Item(Item { bare_item: BareItem::String(_), params }) = entry else {
        return None;
    };
    let number = |name| match params.get(name) {
        Some(BareItem::Integer(number)) => u64::try_from(i64::from(*number)).ok(),
        _ => None,
    };
    if number("r")? != 0 {
        return None;
    }
    number("t").map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(lines: &[&'static str], expected: Option<u64>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("ratelimit", HeaderValue::from_static(line));
        }
        assert_eq!(reset(&headers), expected.map(Duration::from_secs), "{lines:?}");
    }

    #[test]
    fn only_a_quota_of_which_nothing_remains_says_when() {
        check(&[r#""default";r=0;t=30"#], Some(30));
        check(&[r#""default";r=0;t=0"#], Some(0));
        check(&[r#""default";r=1;t=30"#], None);
        check(&[r#""default";r=0"#], None);
        check(&[r#""default";t=30"#], None);
        check(&[r#""default";r=0;t=30;pk=:QUJD:;x"#], Some(30));
        check(&[], None);
    }

    #[test]
    fn the_last_of_the_used_up_quotas_counts() {
        check(&[r#""a";r=0;t=5, "b";r=0;t=9, "c";r=3;t=99"#], Some(9));
        check(&[r#""a";r=0;t=5"#, r#""b";r=0;t=9"#], Some(9));
    }

    #[test]
    fn what_is_malformed_is_not_there() {
        check(&["limit=10, remaining=0, reset=5"], None);
        check(&[r#""a";r=0;t=-1"#], None);
        check(&[r#""a";r=0;t=1.5"#], None);
        check(&[r#""a";r=0;t="5""#], None);
        check(&["a;r=0;t=5"], None);
        check(&[r#"("a" "b");r=0;t=5"#], None);
        check(&[r#""a";r=0;t=5,"#], None);
        check(&[r#""a";r=0;t=9999999999999999"#], None);
        check(&["\"a\";r=0;t=5", ";"], None);
    }
}
