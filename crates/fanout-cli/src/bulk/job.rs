//! What is sent next, and where that comes from.

use std::collections::BTreeMap;

use bytes::Bytes;
use fanout::{FanOut, Message, ResendToken};
use uuid::Uuid;

use super::failed::{Entries, Entry};
use super::input::{Content, Item, Place, Reading, Record};
use super::state::message_id;
use crate::exit::Failure;
use crate::send::data::Header;

/// One message to send.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) place: Place,
    pub(crate) message: Message,
    /// Of a resend: where the sinks stand, and those that it is sent to.
    pub(crate) again: Option<(ResendToken, Vec<String>)>,
}

/// What a source gives.
#[derive(Debug)]
pub(crate) enum Next {
    Job(Box<Job>),
    /// A record that is no message.
    Bad {
        place: Place,
        reason: String,
        payload: Option<Bytes>,
    },
    /// Of a resend: a line that stays as it is.
    Left {
        place: Place,
        entry: Box<Entry>,
    },
    End,
    /// It cannot be read any further.
    Broken(String),
}

/// Where messages come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The records of an input.
    Input { reading: Reading, make: Maker },
    /// The lines of a file of undelivered messages.
    Undelivered(Box<Undelivered>),
}

/// Makes messages of records.
#[derive(Debug)]
pub(crate) struct Maker {
    /// From what their ids derive.
    pub(crate) run: Uuid,
    pub(crate) content_type: String,
    /// The headers, where the sinks do not have them already.
    pub(crate) metadata: Vec<Header>,
}

/// Reads what was not delivered.
#[derive(Debug)]
pub(crate) struct Undelivered {
    pub(crate) entries: Entries,
    pub(crate) fan_out: FanOut,
    /// The required sinks, in order.
    pub(crate) sinks: Vec<String>,
    pub(crate) metadata: Vec<Header>,
    /// Send to those too that may have the message, and would not know it.
    pub(crate) include_ambiguous: bool,
    /// How many messages were left at which sink, because it may have them.
    pub(crate) held: BTreeMap<String, u64>,
}

impl Source {
    /// How many bytes there are, where that is known.
    pub(crate) fn bytes(&self) -> Option<u64> {
        match self {
            Self::Input { reading, .. } => reading.bytes,
            Self::Undelivered(undelivered) => Some(undelivered.entries.bytes()),
        }
    }

    /// Gives what comes next.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Next {
        match self {
            Self::Input { reading, make } => match reading.items.recv().await {
                None => Next::End,
                Some(Item::Broken(why)) => Next::Broken(why),
                Some(Item::Record(record)) => make.job(record),
            },
            Self::Undelivered(undelivered) => {
                undelivered.next().unwrap_or_else(|failure| Next::Broken(failure.to_string()))
            }
        }
    }
}

impl Maker {
    fn job(&self, Record { place, content }: Record) -> Next {
        match content {
            Content::Bad { reason, payload } => Next::Bad { place, reason, payload },
            Content::Payload(payload) => {
                let id = message_id(self.run, place.number, &payload);
                let message =
                    Message::bytes(payload).with_id(id).with_content_type(&self.content_type);
                let message = dressed(message, &self.metadata);
                Next::Job(Box::new(Job { place, message, again: None }))
            }
        }
    }
}

impl Undelivered {
    fn next(&mut self) -> Result<Next, Failure> {
        let Some((entry, end)) = self.entries.next()? else { return Ok(Next::End) };
        let place = Place { number: entry.record, line: entry.line, end };
        let (Some(kept), Some(token)) = (&entry.message, &entry.resend) else {
            return Ok(Next::Left { place, entry: Box::new(entry) });
        };
        if !token.sinks().map(|(sink, _)| sink).eq(self.sinks.iter().map(String::as_str)) {
            return Err(self.entries.wrong("it is of other sinks than the first line says"));
        }
        let token = match self.include_ambiguous {
            true => token.clone(),
            false => token.clone().hold_ambiguous(|sink| {
                let hold = self.fan_out.is_sink_repeatable(sink) != Some(true);
                if hold {
                    *self.held.entry(sink.to_owned()).or_default() += 1;
                }
                hold
            }),
        };
        let missing: Vec<_> = token.missing().map(str::to_owned).collect();
        if missing.is_empty() {
            return Ok(Next::Left { place, entry: Box::new(entry) });
        }
        let message = kept.message(&token).map_err(|why| self.entries.wrong(why))?;
        let message = dressed(message, &self.metadata);
        Ok(Next::Job(Box::new(Job { place, message, again: Some((token, missing)) })))
    }
}

fn dressed(message: Message, metadata: &[Header]) -> Message {
    // Names of gRPC metadata are in small letters, and those of HTTP may be.
    metadata.iter().fold(message, |message, header| {
        message.with_metadata(header.name.to_ascii_lowercase(), &header.value)
    })
}
