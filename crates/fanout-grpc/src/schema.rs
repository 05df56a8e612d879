//! Where the types of a method come from, and finding a method among them.

use std::path::Path;

use fanout::{Error, ErrorKind};
use prost::Message as _;
use prost_reflect::{DescriptorPool, MessageDescriptor, ServiceDescriptor};
use prost_types::method_options::IdempotencyLevel;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

use crate::any::reaches_any;
use crate::nearest::{listed, nearest};
use crate::request::MethodName;

/// How a payload becomes the bytes of the request, and the reply the body of the receipt.
///
/// With anything but [`Encoded`](Self::Encoded) the payload is JSON in the protobuf mapping, whatever the
/// message says its content type is: field names in `lowerCamelCase` or as in the proto file, 64-bit
/// numbers as numbers or strings, bytes as base64. An unknown field, a value of the wrong type and two
/// members of a oneof are errors before anything is sent. The reply comes back in the same mapping,
/// 64-bit numbers as strings, fields with default values left out.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub enum Schema {
    /// The payload is an encoded protobuf message already, and so is the receipt's body. The default.
    #[default]
    Encoded,
    /// JSON, by the types of a descriptor set.
    Descriptors(Descriptors),
    /// JSON, by the types that the server itself tells through its reflection service.
    ///
    /// They are fetched at the first send and kept; a fetch that failed is tried again at the next send.
    Reflection,
}

/// The types of a descriptor set: see [`Schema::descriptor_set`].
#[derive(Clone)]
pub struct Descriptors(DescriptorPool);

/// A unary method and its types.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) input: MessageDescriptor,
    pub(crate) output: MessageDescriptor,
    /// Whether the output can hold an `Any`.
    pub(crate) output_has_any: bool,
    /// Annotated as idempotent or without side effects.
    pub(crate) repeatable: bool,
}

impl Schema {
    /// JSON by the types of an encoded `google.protobuf.FileDescriptorSet`, as `protoc
    /// --include_imports --descriptor_set_out` and `buf build -o` write it.
    ///
    /// The types of `google/protobuf/*.proto` need not be in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the bytes are no descriptor set, when a file that is imported is
    /// missing, or when a file uses protobuf editions, which are not supported.
    pub fn descriptor_set(bytes: impl AsRef<[u8]>) -> Result<Self, Error> {
        let set = FileDescriptorSet::decode(bytes.as_ref()).map_err(|error| {
            Error::new(ErrorKind::Build, "the bytes are not a protobuf descriptor set")
                .with_source(error)
        })?;
        pool_of(&set, bytes.as_ref()).map(|pool| Self::Descriptors(Descriptors(pool)))
    }

    /// As [`descriptor_set`](Self::descriptor_set), from a file, which is read now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the file cannot be read, and as for `descriptor_set`.
    pub fn descriptor_set_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = || path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| {
            Error::new(ErrorKind::Build, "the descriptor set cannot be read")
                .with_context("file", file())
                .with_source(error)
        })?;
        Self::descriptor_set(bytes).map_err(|error| error.with_context("file", file()))
    }

    /// JSON by the types that the server's reflection service tells: [`Reflection`](Self::Reflection).
    pub fn reflection() -> Self {
        Self::Reflection
    }
}

impl Descriptors {
    /// Finds a unary method.
    pub(crate) fn method(&self, name: &MethodName) -> Result<Method, Error> {
        let Some(service) = self.0.get_service_by_name(name.service()) else {
            return Err(no_service(name, self.0.services().map(|s| s.full_name().to_owned())));
        };
        let Some(method) = service.methods().find(|method| method.name() == name.method()) else {
            return Err(no_method(name, &service));
        };
        if method.is_client_streaming() || method.is_server_streaming() {
            return Err(Error::new(
                ErrorKind::Build,
                format!("{name} is a streaming method; only unary methods can be sent to"),
            ));
        }
        let options = method.method_descriptor_proto().options.as_ref();
        let level = options.map_or(IdempotencyLevel::IdempotencyUnknown, |o| o.idempotency_level());
        Ok(Method {
            input: method.input(),
            output_has_any: reaches_any(&method.output()),
            output: method.output(),
            repeatable: level != IdempotencyLevel::IdempotencyUnknown,
        })
    }

    /// The names of the unary methods, as `package.Service/Method`.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn unary_methods(&self) -> Vec<String> {
        let methods = self.0.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        methods
            .filter(|method| !method.is_client_streaming() && !method.is_server_streaming())
            .map(|method| format!("{}/{}", method.parent_service().full_name(), method.name()))
            .collect()
    }

    /// Returns true for the files of the well-known types.
    pub(crate) fn knows_file(name: &str) -> bool {
        DescriptorPool::global().get_file_by_name(name).is_some()
    }

    /// Makes the types of files that were fetched one by one, each encoded as it came.
    pub(crate) fn of_files<'a>(files: impl Iterator<Item = &'a [u8]>) -> Result<Self, Error> {
        // A set is nothing but its files as field 1; the bytes stay as they are, custom options too.
        let mut bytes = Vec::new();
        for file in files {
            bytes.push(0x0a);
            prost::encoding::encode_varint(file.len() as u64, &mut bytes);
            bytes.extend_from_slice(file);
        }
        let set = FileDescriptorSet::decode(bytes.as_slice()).map_err(|error| {
            Error::new(ErrorKind::Protocol, "the descriptors cannot be decoded").with_source(error)
        })?;
        pool_of(&set, &bytes).map(Self)
    }
}

impl std::fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let services: Vec<_> = self.0.services().map(|s| s.full_name().to_owned()).collect();
        f.debug_struct("Descriptors").field("services", &services).finish_non_exhaustive()
    }
}

/// The error for a service that is not among `services`.
pub(crate) fn no_service(name: &MethodName, services: impl Iterator<Item = String>) -> Error {
    let services: Vec<_> = services.collect();
    let hint = nearest(name.service(), services.iter().map(String::as_str));
    let message = match hint {
        Some(near) => format!("there is no service {}; did you mean {near}?", name.service()),
        None => format!("there is no service {}", name.service()),
    };
    Error::new(ErrorKind::Build, message)
        .with_context("services", listed(services.iter().map(String::as_str)))
}

fn no_method(name: &MethodName, service: &ServiceDescriptor) -> Error {
    let methods: Vec<_> = service.methods().map(|method| method.name().to_owned()).collect();
    let methods = || methods.iter().map(String::as_str);
    let message = match nearest(name.method(), methods()) {
        Some(near) => format!(
            "the service {} has no method {}; did you mean {near}?",
            name.service(),
            name.method()
        ),
        None => format!("the service {} has no method {}", name.service(), name.method()),
    };
    Error::new(ErrorKind::Build, message).with_context("methods", listed(methods()))
}

/// Resolves the types of a set. `bytes` is its encoding, with the options that `set` has lost.
fn pool_of(set: &FileDescriptorSet, bytes: &[u8]) -> Result<DescriptorPool, Error> {
    // The well-known types are there already, and a file of theirs in the set is passed over: nobody
    // else's idea of a timestamp meets code that knows what a timestamp is.
    let mut pool = DescriptorPool::global();
    for file in &set.file {
        if pool.get_file_by_name(file.name()).is_none() {
            check_file(file)?;
        }
    }
    pool.decode_file_descriptor_set(bytes).map_err(|error| {
        Error::new(ErrorKind::Build, "the protobuf descriptors do not fit together")
            .with_source(error)
    })?;
    Ok(pool)
}

/// Refuses what the pool takes for granted, and would panic on.
fn check_file(file: &FileDescriptorProto) -> Result<(), Error> {
    let refused = |message: String| {
        Err(Error::new(ErrorKind::Build, message).with_context("file", file.name().to_owned()))
    };
    match file.syntax() {
        "" | "proto2" | "proto3" => {}
        "editions" => {
            return refused("protobuf editions are not supported; only proto2 and proto3".into());
        }
        _ => return refused("the syntax of the file is not known; only proto2 and proto3".into()),
    }
    let mut left: Vec<&DescriptorProto> = file.message_type.iter().collect();
    while let Some(message) = left.pop() {
        left.extend(&message.nested_type);
        let is_map_entry = message.options.as_ref().is_some_and(|options| options.map_entry());
        if is_map_entry && !is_entry(message) {
            return refused(format!("the map entry {:?} has no key and value", message.name()));
        }
    }
    Ok(())
}

/// A map entry has a key and a value under the numbers 1 and 2, once each, and no more.
fn is_entry(message: &DescriptorProto) -> bool {
    use prost_types::field_descriptor_proto::{Label, Type};
    let [first, second] = message.field.as_slice() else { return false };
    let (key, value) = if first.number() == 1 { (first, second) } else { (second, first) };
    let single = key.label() != Label::Repeated && value.label() != Label::Repeated;
    let scalar = !matches!(
        key.r#type(),
        Type::Message | Type::Group | Type::Enum | Type::Float | Type::Double | Type::Bytes
    ) && key.type_name.is_none();
    key.number() == 1 && value.number() == 2 && single && scalar && message.oneof_decl.is_empty()
}

#[cfg(test)]
pub(crate) mod tests;
