//! What the vocabulary means in HTTP.

use fanout::ErrorKind;

use super::Unplayable;
use super::script::{Answer, Reply};

/// The status that stands for a reply; `None` for what is not an answer of HTTP.
pub(super) fn status(fake: &'static str, answer: &Answer) -> Result<Option<u16>, Unplayable> {
    Ok(Some(match &answer.reply {
        Reply::Take => 200,
        Reply::Status(code) | Reply::Page(code) => *code,
        Reply::Refuse(kind) => match kind {
            ErrorKind::Rejected => 400,
            ErrorKind::Unauthenticated => 401,
            ErrorKind::Forbidden => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::Unsupported => 405,
            ErrorKind::Conflict => 409,
            ErrorKind::TooLarge => 413,
            ErrorKind::Redirected => 302,
            ErrorKind::Throttled => 429,
            ErrorKind::Upstream => 500,
            ErrorKind::Unavailable => 503,
            other => {
                let what = format!("a failure of kind {other}");
                return Err(Unplayable { fake, what });
            }
        },
        Reply::Garbage | Reply::Panic => return Ok(None),
    }))
}
