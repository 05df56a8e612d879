//! Compressing request bodies.

use std::io::Write;

use bytes::Bytes;
use http::HeaderValue;

/// How the bodies of requests are compressed.
///
/// HTTP has no way to ask a server beforehand what it takes: choose what the server documents. A
/// message that names its own `content-encoding` in its metadata is left as it is.
///
/// # Standards
///
/// RFC 9110 section 8.4.1; RFC 1952 (gzip); RFC 8878 (Zstandard).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// The payload goes out as the exact bytes of the message.
    #[default]
    None,
    /// gzip, at its usual level.
    Gzip,
    /// Zstandard, at its usual level.
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Compression {
    /// Returns the name of the content coding, and the payload in it.
    pub(crate) fn apply(self, payload: &Bytes) -> Option<(HeaderValue, Bytes)> {
        match self {
            Self::None => None,
            Self::Gzip => {
                let to = Vec::with_capacity(payload.len() / 2);
                let mut encoder = flate2::write::GzEncoder::new(to, flate2::Compression::default());
                let written = encoder.write_all(payload).and_then(|()| encoder.finish());
                let bytes = written.expect("writing to memory does not fail");
                Some((HeaderValue::from_static("gzip"), bytes.into()))
            }
            #[cfg(feature = "zstd")]
            Self::Zstd => {
                let bytes = zstd::bulk::compress(payload, zstd::DEFAULT_COMPRESSION_LEVEL)
                    .expect("compressing in memory does not fail");
                Some((HeaderValue::from_static("zstd"), bytes.into()))
            }
        }
    }
}
