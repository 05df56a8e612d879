//! The messages of `grpc.reflection.v1.ServerReflection`, as far as they are used.
//!
//! `v1alpha` has the same messages under another name. They are written by hand because they are few
//! and frozen; a test holds them against generated ones.

use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    #[prost(oneof = "Ask", tags = "3, 4, 7")]
    pub(super) ask: Option<Ask>,
}

#[derive(Clone, PartialEq, Eq, Oneof)]
pub(super) enum Ask {
    #[prost(string, tag = "3")]
    FileByName(String),
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
    #[prost(string, tag = "7")]
    ListServices(String),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Response {
    #[prost(oneof = "Answer", tags = "4, 6, 7")]
    pub(super) answer: Option<Answer>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Answer {
    #[prost(message, tag = "4")]
    Files(Files),
    #[prost(message, tag = "6")]
    Services(Services),
    #[prost(message, tag = "7")]
    Failure(Failure),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) encoded: Vec<bytes::Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Services {
    #[prost(message, repeated, tag = "1")]
    pub(super) services: Vec<ServiceName>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServiceName {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Failure {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

#[cfg(test)]
mod tests {
    use tonic_reflection::pb::v1;

    use super::*;

    #[test]
    fn the_messages_are_those_of_the_generated_code() {
        use v1::server_reflection_request::MessageRequest;
        let asks = [
            (Ask::FileByName("a".into()), MessageRequest::FileByFilename("a".into())),
            (
                Ask::FileContainingSymbol("b".into()),
                MessageRequest::FileContainingSymbol("b".into()),
            ),
            (Ask::ListServices("*".into()), MessageRequest::ListServices("*".into())),
        ];
        for (ours, theirs) in asks {
            let ours = Request { host: "h".into(), ask: Some(ours) };
            let theirs =
                v1::ServerReflectionRequest { host: "h".into(), message_request: Some(theirs) };
            assert_eq!(ours.encode_to_vec(), theirs.encode_to_vec());
        }

        use v1::server_reflection_response::MessageResponse;
        let answers = [
            (
                MessageResponse::FileDescriptorResponse(v1::FileDescriptorResponse {
                    file_descriptor_proto: vec![vec![1, 2]],
                }),
                Answer::Files(Files { encoded: vec![vec![1, 2].into()] }),
            ),
            (
                MessageResponse::ListServicesResponse(v1::ListServiceResponse {
                    service: vec![v1::ServiceResponse { name: "s".into() }],
                }),
                Answer::Services(Services { services: vec![ServiceName { name: "s".into() }] }),
            ),
            (
                MessageResponse::ErrorResponse(v1::ErrorResponse {
                    error_code: 5,
                    error_message: "m".into(),
                }),
                Answer::Failure(Failure { code: 5, message: "m".into() }),
            ),
        ];
        for (theirs, ours) in answers {
            let theirs = v1::ServerReflectionResponse {
                message_response: Some(theirs),
                ..Default::default()
            };
            let decoded = Response::decode(theirs.encode_to_vec().as_slice()).expect("decodes");
            assert_eq!(decoded.answer, Some(ours));
        }
    }
}
