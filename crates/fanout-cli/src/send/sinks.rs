//! From a target to its sink.

use fanout::{Error, Sink};
use fanout_grpc::{GrpcSink, Schema};
use fanout_http::{Client, ClientBuilder, Guard, HttpSink, HttpVersion, Proxy};

use super::data::{Header, LARGEST, unreadable};
use super::targets::{Address, Target};
use crate::args::SendArgs;
use crate::exit::Failure;

/// Makes sinks that share their connections.
pub(crate) struct Sinks<'a> {
    args: &'a SendArgs,
    /// Given to each sink, not to the message: a sink checks them when it is built.
    headers: Vec<Header>,
    roots: Option<Vec<u8>>,
    schema: Schema,
    clients: Vec<(Way, Client)>,
}

/// What tells one client from another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Way {
    grpc: bool,
    /// Past any proxy of the environment.
    direct: bool,
}

impl<'a> Sinks<'a> {
    /// Reads the files that the arguments name.
    pub(crate) fn new(args: &'a SendArgs, headers: Vec<Header>) -> Result<Self, Failure> {
        let read = |path: &std::path::PathBuf| {
            std::fs::read(path).map_err(|error| unreadable(&path.display().to_string(), &error))
        };
        let schema = match &args.descriptor_set {
            Some(path) => Schema::descriptor_set(read(path)?).map_err(|error| {
                let path = path.display();
                Failure::new(format!("--descriptor-set {path}: {}", error.to_chain()))
            })?,
            None => Schema::reflection(),
        };
        let roots = args.ca_cert.as_ref().map(read).transpose()?;
        Ok(Self { args, headers, roots, schema, clients: Vec::new() })
    }

    /// Makes the sink of `target`.
    pub(crate) fn build(&mut self, target: &Target) -> Result<Box<dyn Sink>, Failure> {
        let wrong = |error: Error| {
            Failure::new(format!("the target {}: {}", target.name, error.to_chain()))
        };
        if let (Some(host), false) = (&target.unencrypted, self.args.allow_plaintext) {
            let (name, address) = (&target.name, &target.address);
            let safe = if matches!(address, Address::Grpc { .. }) { "grpcs" } else { "https" };
            let text = format!(
                "the target {name}: the message and its headers would go to {host} unencrypted"
            );
            return Err(Failure::new(text)
                .hint(format!("use {safe}://, or allow it with --allow-plaintext")));
        }
        let way =
            Way { grpc: matches!(target.address, Address::Grpc { .. }), direct: target.loopback };
        let client = self.client(way)?;
        let headers = self.headers.iter();
        let allowed = self.args.allow_plaintext;
        Ok(match &target.address {
            Address::Http(url) => {
                let builder = HttpSink::request(self.args.method.as_str(), url)
                    .timeout(self.args.timeout)
                    .max_request_body(LARGEST)
                    .client(&client);
                let builder =
                    headers.fold(builder, |b, header| b.header(&header.name, &header.value));
                let builder = if allowed { builder.allow_plaintext() } else { builder };
                Box::new(builder.build().map_err(wrong)?)
            }
            Address::Grpc { server, method } => {
                let builder = GrpcSink::unary(server, method)
                    .schema(self.schema.clone())
                    .timeout(self.args.timeout)
                    .max_request(LARGEST)
                    .client(&client);
                // Names of metadata are in small letters.
                let builder = headers.fold(builder, |b, header| {
                    b.metadata(header.name.to_ascii_lowercase(), &header.value)
                });
                let builder = if allowed { builder.allow_plaintext() } else { builder };
                Box::new(builder.build().map_err(wrong)?)
            }
        })
    }

    fn client(&mut self, way: Way) -> Result<Client, Failure> {
        if let Some((_, client)) = self.clients.iter().find(|(known, _)| *known == way) {
            return Ok(client.clone());
        }
        let mut builder = Client::builder();
        if way.grpc {
            builder = builder.http_version(HttpVersion::Http2);
        }
        if way.direct {
            builder = builder.proxy(Proxy::none());
        }
        if self.args.untrusted {
            builder = builder.guard(Guard::new());
        }
        let client = self.with_roots(builder).build().map_err(|error| {
            Failure::new(match &self.args.ca_cert {
                Some(path) => format!("--ca-cert {}: {}", path.display(), error.to_chain()),
                None => error.to_chain(),
            })
        })?;
        self.clients.push((way, client.clone()));
        Ok(client)
    }

    fn with_roots(&self, builder: ClientBuilder) -> ClientBuilder {
        match &self.roots {
            Some(pem) => builder.root_certificates(pem),
            None => builder,
        }
    }
}
