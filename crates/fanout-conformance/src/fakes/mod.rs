//! Destinations that do what a script says: in memory, over HTTP, over gRPC.
//!
//! All three take the same [`Script`]. One that cannot play it says so when it is made.

mod counters;
#[cfg(feature = "grpc")]
mod grpc;
#[cfg(any(feature = "http", feature = "grpc"))]
mod host;
#[cfg(feature = "http")]
mod http_words;
mod memory;
#[cfg(feature = "http")]
mod raw;
mod script;
#[cfg(any(feature = "http", feature = "grpc"))]
mod server;
#[cfg(feature = "http")]
mod wiremock;

pub use self::counters::{Connected, Counters, Counts, Received};
#[cfg(feature = "grpc")]
pub use self::grpc::GrpcFake;
pub use self::memory::ScriptedSink;
#[cfg(feature = "http")]
pub use self::raw::RawHttpFake;
pub use self::script::{Answer, Script, Stage, Unplayable, Watch};
#[cfg(feature = "http")]
pub use self::wiremock::WiremockFake;
