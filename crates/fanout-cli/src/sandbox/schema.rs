//! The protobuf schema of the gRPC endpoint, ready as a descriptor set.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MethodDescriptor};

/// The encoded descriptor set of `proto/sandbox.proto`, imports included.
pub(crate) const DESCRIPTOR_SET: &[u8] = include_bytes!("../../proto/sandbox.binpb");

/// Finds a method by its path on the wire, `/package.Service/Method`.
pub(crate) fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    POOL.get_service_by_name(service)?.methods().find(|known| known.name() == method)
}

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(DESCRIPTOR_SET).expect("a test decodes the checked-in descriptor set")
});

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE=1 cargo test -p fanout-cli` writes the set anew after a change of the proto file.
    #[test]
    fn the_descriptor_set_is_what_the_proto_file_says() {
        let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
        let compiled = protox::Compiler::new([proto])
            .unwrap()
            .include_source_info(false)
            .include_imports(true)
            .open_file("sandbox.proto")
            .unwrap()
            .encode_file_descriptor_set();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(format!("{proto}/sandbox.binpb"), &compiled).unwrap();
        }
        assert!(compiled == DESCRIPTOR_SET, "sandbox.binpb is out of step: run with UPDATE=1");
    }

    #[test]
    fn methods_are_found_by_path() {
        assert_eq!(method("/fanout.sandbox.v1.Orders/Place").unwrap().input().name(), "Order");
        for path in ["/fanout.sandbox.v1.Orders/place", "/Orders/Place", "/", "", "/a", "//"] {
            assert!(method(path).is_none(), "{path}");
        }
    }
}
