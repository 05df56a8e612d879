//! The gRPC health checking protocol, as far as one question needs it.

use bytes::Bytes;
use fanout::Error;
use prost::Message;

use crate::classify::{LocalFailure, classify_local};

/// What a server says about one of its services.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// It takes calls.
    Serving,
    /// It does not take calls now.
    NotServing,
    /// The health service does not know about it, which says nothing about the service.
    Unknown,
}

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, Message)]
struct Question {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, Message)]
struct Reply {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Encodes the question about one service.
pub(crate) fn question(service: &str) -> Bytes {
    Question { service: service.to_owned() }.encode_to_vec().into()
}

/// Reads what came back: the status `NOT_FOUND` is an answer too.
pub(crate) fn judge(answered: Result<Bytes, Error>) -> Result<Health, Error> {
    let reply = match answered {
        Err(error) if error.status().is_some_and(|status| status.code() == NOT_FOUND) => {
            return Ok(Health::Unknown);
        }
        answered => answered?,
    };
    match Reply::decode(reply).map_err(|_| classify_local(LocalFailure::BadReply))?.status {
        SERVING => Ok(Health::Serving),
        NOT_SERVING => Ok(Health::NotServing),
        _ => Ok(Health::Unknown),
    }
}

pub(crate) const PATH: &str = "/grpc.health.v1.Health/Check";
const NOT_FOUND: u16 = 5;
const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
