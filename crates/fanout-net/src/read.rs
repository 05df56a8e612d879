//! Reading an answer's body, bounded while it arrives.

use bytes::{Bytes, BytesMut};
use fanout::BodyState;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

/// Reads a body to its end, keeping at most `limit` bytes (inclusive).
///
/// It never holds more than `limit` bytes and one frame. When there is more, reading stops at once:
/// the state is [`BodyState::Cut`]. When the connection breaks, the state is [`BodyState::Broken`] and
/// the bytes are those that had come. Trailers are not kept.
///
/// # Cancel safety
///
/// Dropping the future gives up the body: nothing goes on reading.
pub async fn read_to_limit<B>(body: B, limit: usize) -> (Bytes, BodyState)
where
    B: Body<Data = Bytes> + Unpin,
{
    read_to_limit_by(body, limit, None).await
}

/// Reads as [`read_to_limit`] does, until `deadline` at the latest: a body that has not ended by then
/// is [`BodyState::Broken`], and the bytes are those that had come.
pub async fn read_to_limit_by<B>(
    mut body: B,
    limit: usize,
    deadline: Option<Instant>,
) -> (Bytes, BodyState)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut kept = Kept::default();
    loop {
        let frame = match deadline {
            Some(deadline) => match timeout_at(deadline, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => return (kept.finish(), BodyState::Broken),
            },
            None => body.frame().await,
        };
        match frame {
            None => return (kept.finish(), BodyState::Complete),
            Some(Err(_)) => return (kept.finish(), BodyState::Broken),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                if !kept.push(data, limit) {
                    return (kept.finish(), BodyState::Cut);
                }
            }
        }
    }
}

/// The bytes so far. A body of one frame, the usual case, is never copied.
#[derive(Default)]
struct Kept {
    first: Bytes,
    more: BytesMut,
}

impl Kept {
    /// Adds `data` as far as there is room; false when there was not enough.
    fn push(&mut self, mut data: Bytes, limit: usize) -> bool {
        let room = limit - self.first.len() - self.more.len();
        let fits = data.len() <= room;
        data.truncate(room);
        if self.first.is_empty() {
            self.first = data;
        } else {
            self.more.extend_from_slice(&data);
        }
        fits
    }

    fn finish(self) -> Bytes {
        if self.more.is_empty() {
            return self.first;
        }
        let mut all = BytesMut::with_capacity(self.first.len() + self.more.len());
        all.extend_from_slice(&self.first);
        all.extend_from_slice(&self.more);
        all.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(frames: &[&'static str], limit: usize, expected: &str, all_fit: bool) {
        let mut kept = Kept::default();
        let fits =
            frames.iter().all(|frame| kept.push(Bytes::from_static(frame.as_bytes()), limit));
        assert_eq!(fits, all_fit, "{frames:?} in {limit}");
        assert_eq!(kept.finish(), expected, "{frames:?} in {limit}");
    }

    #[test]
    fn frames_are_kept_up_to_the_limit() {
        check(&[], 0, "", true);
        check(&["a"], 0, "", false);
        check(&["", "ab", "", "cd"], 4, "abcd", true);
        check(&["ab", "cd", "ef"], 6, "abcdef", true);
        check(&["ab", "cd", "ef"], 5, "abcde", false);
        check(&["ab", "cd", "ef"], 4, "abcd", false);
        check(&["abcdef"], 3, "abc", false);
    }
}
