//! Asks a server for the types of a method, through its reflection service.

mod proto;
mod shared;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fanout::{Effect, Error, ErrorKind, RetryAdvice};
use fanout_net::Client;
use fanout_net::auth::CredentialSet;
use futures_util::stream;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};
use prost::Message as _;
use prost_types::FileDescriptorProto;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request};

use self::proto::{Answer, Ask, Response};
pub(crate) use self::shared::Shared;
use crate::codec::Raw;
use crate::prove;
use crate::request::{MethodName, timeout_value};
use crate::schema::{Descriptors, Method, no_service};
use crate::wire::{Seen, Wire};

/// A server that is asked, by a deadline.
pub(crate) struct Server<'a> {
    pub(crate) client: &'a Client,
    pub(crate) origin: &'a Uri,
    /// The sink's own metadata: a server may want credentials for this too.
    pub(crate) headers: &'a HeaderMap,
    pub(crate) credentials: &'a CredentialSet,
    pub(crate) deadline: Instant,
}

impl Server<'_> {
    /// Fetches the types of a method. Whatever goes wrong, the message itself was not sent: the effect
    /// of every error is `None`.
    pub(crate) async fn method(&self, name: &MethodName) -> Result<Method, Error> {
        self.fetch(name).await.map_err(|error| error.with_effect(Effect::None))
    }

    async fn fetch(&self, name: &MethodName) -> Result<Method, Error> {
        let ask = || vec![Ask::FileContainingSymbol(name.service().to_owned())];
        // The two have the same messages. A server that knows the newer one need not know the older.
        let (service, first) = match self.ask(V1, ask()).await {
            Err(error) if is_missing(&error) => (V1ALPHA, self.ask(V1ALPHA, ask()).await),
            first => (V1, first),
        };
        let first = match first {
            Err(error) if is_missing(&error) => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "the server has no reflection service: give a descriptor set instead",
                ));
            }
            // As an answer, below, or as the status of the whole stream: servers differ.
            Err(error) if status(&error) == Some(NOT_FOUND) => {
                return Err(self.no_service(service, name).await);
            }
            first => first?,
        };
        let mut files = Files::default();
        for answer in first {
            match answer {
                Answer::Failure(failure) if failure.code == i32::from(NOT_FOUND) => {
                    return Err(self.no_service(service, name).await);
                }
                answer => files.take(answer)?,
            }
        }
        // Some servers return the one file that was asked for, others all that it needs.
        for _ in 0..MOST_ROUNDS {
            let missing = files.missing();
            if missing.is_empty() {
                let found = files.found.values().map(|(bytes, _)| bytes.as_ref());
                return Descriptors::of_files(found)?.method(name);
            }
            if files.found.len() + missing.len() > MOST_FILES {
                return Err(too_much());
            }
            let asks = missing.iter().cloned().map(Ask::FileByName).collect();
            for (name, answer) in missing.iter().zip(self.ask(service, asks).await?) {
                files.take(answer).map_err(|error| error.with_context("file", name.clone()))?;
            }
            // What was asked for by name and did not come will not come.
            if !files.missing().is_disjoint(&missing) {
                return Err(incomplete());
            }
        }
        Err(Error::new(
            ErrorKind::Protocol,
            "the files of the server import each other without end",
        ))
    }

    /// The server does not know the service: say what it has.
    async fn no_service(&self, service: &'static str, name: &MethodName) -> Error {
        let listed = self.ask(service, vec![Ask::ListServices("*".into())]).await;
        let names = match listed.as_deref() {
            Ok([Answer::Services(services)]) => services.services.as_slice(),
            _ => &[],
        };
        no_service(name, names.iter().map(|service| service.name.clone()))
    }

    /// Asks questions over one stream, and returns as many answers, in the same order.
    async fn ask(&self, service: &'static str, asks: Vec<Ask>) -> Result<Vec<Answer>, Error> {
        let seen = Seen::default();
        let wire = Wire {
            client: self.client.clone(),
            attempt: None,
            deadline: self.deadline,
            seen: seen.clone(),
        };
        let mut grpc = Grpc::with_origin(wire, self.origin.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(MOST_BYTES);
        let mut proofs = self.credentials.proofs(self.deadline).await?;
        let mut headers = self.headers.clone();
        prove::write(&mut proofs, &mut headers)?;
        let left = self.deadline.saturating_duration_since(Instant::now());
        headers.insert("grpc-timeout", timeout_value(left));
        let count = asks.len();
        let asks = asks.into_iter().map(|ask| {
            Bytes::from(proto::Request { host: String::new(), ask: Some(ask) }.encode_to_vec())
        });
        let request = Request::from_parts(
            MetadataMap::from_headers(headers),
            Extensions::default(),
            stream::iter(asks.collect::<Vec<_>>()),
        );
        let path = PathAndQuery::from_static(service);
        let failed =
            |status: tonic::Status| seen.answer().into_error(&status, Effect::None, &proofs);
        let mut replies = grpc.streaming(request, path, Raw).await.map_err(failed)?.into_inner();
        let mut answers = Vec::with_capacity(count);
        let mut bytes = 0;
        while answers.len() < count {
            let reply = replies.message().await.map_err(failed)?.ok_or_else(incomplete)?;
            // Each is within the bound of a message; together they have to be too.
            bytes += reply.len();
            if bytes > MOST_BYTES {
                return Err(too_much());
            }
            let answer = Response::decode(reply).ok().and_then(|response| response.answer);
            answers.push(match answer.ok_or_else(incomplete)? {
                // Its words get into errors.
                Answer::Failure(mut failure) => {
                    failure.message = proofs.scrub_text(failure.message);
                    Answer::Failure(failure)
                }
                answer => answer,
            });
        }
        Ok(answers)
    }
}

/// The files that came, and what they import.
#[derive(Default)]
struct Files {
    found: BTreeMap<String, (Bytes, Vec<String>)>,
    bytes: usize,
}

impl Files {
    fn take(&mut self, answer: Answer) -> Result<(), Error> {
        let encoded = match answer {
            Answer::Files(files) => files.encoded,
            Answer::Failure(failure) => {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    "the reflection service of the server does not tell a file that is needed",
                )
                .with_advice(RetryAdvice::Never)
                .with_excerpt(failure.message.as_bytes()));
            }
            Answer::Services(_) => return Err(incomplete()),
        };
        for bytes in encoded {
            let file = FileDescriptorProto::decode(bytes.clone()).map_err(|_| incomplete())?;
            self.bytes += bytes.len();
            if self.bytes > MOST_BYTES || self.found.len() >= MOST_FILES {
                return Err(too_much());
            }
            self.found.insert(file.name().to_owned(), (bytes, file.dependency));
        }
        Ok(())
    }

    /// Imports that have not come; the well-known types are at hand anyway.
    fn missing(&self) -> BTreeSet<String> {
        let imports = self.found.values().flat_map(|(_, imports)| imports);
        imports
            .filter(|name| !self.found.contains_key(*name) && !Descriptors::knows_file(name))
            .cloned()
            .collect()
    }
}

/// The server knows neither the service nor, perhaps, gRPC.
fn is_missing(error: &Error) -> bool {
    status(error) == Some(UNIMPLEMENTED)
}

fn status(error: &Error) -> Option<u16> {
    error.status().map(fanout::Status::code)
}

fn incomplete() -> Error {
    Error::new(ErrorKind::Protocol, "the answer of the reflection service is not complete")
}

fn too_much() -> Error {
    Error::new(ErrorKind::TooLarge, "the types of the server are more than 16 MiB or 4096 files")
}

const V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
const NOT_FOUND: u16 = 5;
const UNIMPLEMENTED: u16 = 12;
/// Bounds on what a server can make us keep and ask.
const MOST_BYTES: usize = 16 * 1024 * 1024;
const MOST_FILES: usize = 4096;
const MOST_ROUNDS: usize = 64;
