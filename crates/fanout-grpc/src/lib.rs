//! The gRPC sink of fanout: any unary method by its full name, without generated code.

pub mod classify;
