//! What answers said beside the failure: kept until the send ends, because a sink may say it only once.

use std::borrow::Cow;

use crate::{ApiNotice, Error, Receipt};

/// The remarks and the notice of the attempts before the last one.
#[derive(Default)]
pub(super) struct Heard {
    notices: Vec<Cow<'static, str>>,
    api: Option<Box<ApiNotice>>,
}

impl Heard {
    /// Takes what `error` says beside the failure out of it.
    pub(super) fn keep(&mut self, error: &mut Error) {
        let (notices, api) = error.take_remarks();
        self.notices.extend(notices);
        self.api = api.or(self.api.take());
    }

    /// Adds it to what the send ends with; what the last answer says itself counts.
    pub(super) fn on_receipt(&mut self, mut receipt: Receipt) -> Receipt {
        for notice in std::mem::take(&mut self.notices) {
            receipt = receipt.with_notice(notice);
        }
        match self.api.take() {
            Some(api) if receipt.api().is_none() => receipt.with_api(*api),
            _ => receipt,
        }
    }

    /// As [`on_receipt`](Self::on_receipt).
    pub(super) fn on_error(&mut self, mut error: Error) -> Error {
        for notice in std::mem::take(&mut self.notices) {
            error = error.with_notice(notice);
        }
        match self.api.take() {
            Some(api) if error.api().is_none() => error.with_api(*api),
            _ => error,
        }
    }
}
