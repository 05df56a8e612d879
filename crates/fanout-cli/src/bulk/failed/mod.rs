//! The file of what was not delivered: written by `send`, read by `resend`.

mod origin;
mod reader;
mod record;
mod writer;

pub(crate) use self::origin::{Origin, RecordedTarget, Targets, To};
pub(crate) use self::reader::{Entries, read};
pub(crate) use self::record::Entry;
pub(crate) use self::writer::FailedFile;
