//! What an endpoint received, and the one line that says so.

use std::sync::Arc;

use crate::ui::{self, clip};

/// Called once for every request, when it is read and its answer is decided.
pub(crate) type Observer = Arc<dyn Fn(Received) + Send + Sync>;

/// One request, and what is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) protocol: Protocol,
    /// `POST /orders`, or `fanout.sandbox.v1.Orders/Place`.
    pub(crate) what: String,
    pub(crate) bytes: usize,
    /// The payload as JSON, or as text.
    pub(crate) content: String,
    /// `200 OK`, or `14 UNAVAILABLE`.
    pub(crate) answered: String,
    /// Whether the answer says that the message was taken.
    pub(crate) taken: bool,
}

/// Which endpoint it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

impl Protocol {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

impl Received {
    /// Writes the request as one line of at most `width` columns, as far as the fixed parts allow.
    pub(crate) fn line(&self, width: usize) -> String {
        let (protocol, what, bytes) = (self.protocol.as_str(), &self.what, self.bytes);
        let what = ui::printable(what);
        let head = format!("{protocol}  {what}  {bytes} B");
        let arrow = format!("  -> {}", self.answered);
        let room = width.saturating_sub(head.chars().count() + arrow.chars().count() + 2);
        let content = clip(&ui::printable(&self.content), room.max(LEAST));
        let gap = if content.is_empty() { "" } else { "  " };
        let style = if self.taken { ui::GOOD } else { ui::BAD };
        let (dim, code) = (ui::DIM, ui::STRONG);
        format!(
            "{code}{protocol}{code:#}  {what}  {dim}{bytes} B{dim:#}{gap}{content}  -> {style}{}{style:#}",
            self.answered
        )
    }
}

/// So much of the content is shown even when the line gets too long by it.
const LEAST: usize = 16;

/// Text for the log: what is not UTF-8 is told by its size alone.
pub(crate) fn text_of(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => "(binary)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_the_width_and_shows_no_control_characters() {
        let received = Received {
            protocol: Protocol::Http,
            what: "POST /orders".to_owned(),
            bytes: 300,
            content: format!("{{\"a\":\"\u{1b}[31m{}\"}}", "x".repeat(280)),
            answered: "200 OK".to_owned(),
            taken: true,
        };
        let line = anstream::adapter::strip_str(&received.line(80)).to_string();
        assert!(line.chars().count() <= 80, "{line}");
        assert!(line.starts_with("http  POST /orders  300 B  {\"a\":\"�[31mxxx"), "{line}");
        assert!(line.ends_with("…  -> 200 OK"), "{line}");
    }

    #[test]
    fn an_empty_body_leaves_no_gap() {
        let received = Received {
            protocol: Protocol::Grpc,
            what: "a.B/C".to_owned(),
            bytes: 0,
            content: String::new(),
            answered: "0 OK".to_owned(),
            taken: true,
        };
        let line = anstream::adapter::strip_str(&received.line(80)).to_string();
        assert_eq!(line, "grpc  a.B/C  0 B  -> 0 OK");
    }
}
