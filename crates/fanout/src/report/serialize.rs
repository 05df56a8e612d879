//! The report as stable JSON. Keys are only ever added.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{Completeness, Delivery, Outcome, Report};
use crate::policy::Verdict;
use crate::{Receipt, Status};

impl Serialize for Report {
    /// Writes the report as JSON. Bodies are left out: an answer may hold a token. Their length is told.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Report", 12)?;
        out.serialize_field("message_id", &self.message_id.to_string())?;
        if let Some(name) = self.fan_out() {
            out.serialize_field("fan_out", name)?;
        }
        out.serialize_field("policy", self.policy())?;
        match self.verdict() {
            Verdict::Satisfied => out.serialize_field("verdict", "satisfied")?,
            Verdict::Unsatisfied(reason) => {
                out.serialize_field("verdict", "unsatisfied")?;
                out.serialize_field("reason", reason.as_str())?;
            }
        }
        out.serialize_field("completeness", self.completeness().as_str())?;
        out.serialize_field("nothing_sent", &self.nothing_sent())?;
        out.serialize_field("elapsed_ms", &millis(self.elapsed()))?;
        out.serialize_field("deliveries", self.deliveries())?;
        let order: Vec<_> =
            self.completion_order().iter().map(|delivery| delivery.sink()).collect();
        out.serialize_field("completion_order", &order)?;
        let names = |deliveries: &[&Delivery]| -> Vec<String> {
            deliveries.iter().map(|delivery| delivery.sink().to_owned()).collect()
        };
        let resend = self.resend();
        out.serialize_field(
            "resend",
            &ResendNames { unsent: names(&resend.unsent), ambiguous: names(&resend.ambiguous) },
        )?;
        out.end()
    }
}

#[derive(serde::Serialize)]
struct ResendNames {
    unsent: Vec<String>,
    ambiguous: Vec<String>,
}

impl Serialize for Delivery {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Delivery", 15)?;
        out.serialize_field("sink", self.sink())?;
        out.serialize_field("role", self.role().as_str())?;
        out.serialize_field("outcome", self.outcome().as_str())?;
        if let Outcome::Skipped(reason) = self.outcome() {
            out.serialize_field("skip_reason", reason.as_str())?;
        }
        out.serialize_field("effect", self.effect().as_str())?;
        out.serialize_field("attempts", &self.attempts())?;
        out.serialize_field("started_ms", &self.started().map(millis))?;
        out.serialize_field("elapsed_ms", &millis(self.elapsed()))?;
        out.serialize_field("delay_ms", &millis(self.delay()))?;
        out.serialize_field("stop_reason", &self.stop_reason().map(|reason| reason.as_str()))?;
        out.serialize_field("idempotency_key", &self.idempotency_key().to_string())?;
        match self.outcome() {
            Outcome::Delivered(receipt) => out.serialize_field("receipt", receipt)?,
            Outcome::Failed(error) => {
                if let Some(status) = error.status() {
                    out.serialize_field("status", status)?;
                }
                out.serialize_field("error", error)?;
            }
            Outcome::Cancelled | Outcome::Skipped(_) | Outcome::Pending => {}
        }
        if let Some(api) = self.api() {
            out.serialize_field("api", api)?;
        }
        if let Some(report) = self.report() {
            out.serialize_field("report", report)?;
        }
        out.end()
    }
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Receipt", 5)?;
        if let Some(status) = self.status() {
            out.serialize_field("status", status)?;
        }
        out.serialize_field("accepted", &self.is_accepted())?;
        out.serialize_field("body_bytes", &self.body().len())?;
        out.serialize_field("body_state", self.body_state().as_str())?;
        let notices: Vec<_> = self.notices().collect();
        if !notices.is_empty() {
            out.serialize_field("notices", &notices)?;
        }
        out.end()
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Status", 2)?;
        out.serialize_field("code", &self.code())?;
        out.serialize_field("name", self.name())?;
        out.end()
    }
}

impl Serialize for Completeness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Milliseconds with three decimals: microseconds are as fine as anybody reads.
pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
