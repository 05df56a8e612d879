//! Descriptor sets: finding methods, and refusing what would make the pool panic.

use std::sync::LazyLock;

use fanout::Effect;
use prost_types::{FieldDescriptorProto, MessageOptions};

use super::*;

/// The types of `tests/proto`, compiled without `protoc`.
pub(crate) fn descriptors() -> &'static Descriptors {
    static SET: LazyLock<Descriptors> = LazyLock::new(|| {
        match Schema::descriptor_set(encoded()).expect("the test types are valid") {
            Schema::Descriptors(descriptors) => descriptors,
            other => panic!("{other:?}"),
        }
    });
    &SET
}

fn encoded() -> Vec<u8> {
    compiled().encode_to_vec()
}

fn compiled() -> FileDescriptorSet {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto");
    protox::compile(["shop/v1/orders.proto"], [root]).expect("the test types compile")
}

fn find(name: &str) -> Result<Method, Error> {
    descriptors().method(&MethodName::parse(name).expect("a name"))
}

fn fails(result: Result<Method, Error>, expected: &[&str]) {
    let error = result.expect_err("an error");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None));
    for piece in expected {
        assert!(error.to_string().contains(piece), "{error}");
    }
}

#[test]
fn a_unary_method_is_found_with_its_types() {
    let method = find("shop.v1.Orders/Place").unwrap();
    assert_eq!(method.input.full_name(), "shop.v1.Order");
    assert_eq!(method.output.full_name(), "shop.v1.Placed");
    assert!(!method.repeatable);
}

#[test]
fn the_annotation_makes_a_method_repeatable() {
    assert!(find("shop.v1.Orders/Find").unwrap().repeatable);
    assert!(find("shop.v1.Orders/Cancel").unwrap().repeatable);
}

#[test]
fn what_is_missing_is_said_with_what_is_there() {
    fails(find("shop.v1.Orders/Plcae"), &["no method Plcae", "did you mean Place?", "Upload"]);
    fails(find("shop.v1.Orders/Refund"), &["no method Refund", "Place, Find, Cancel"]);
    fails(
        find("shop.v1.Order/Place"),
        &["no service shop.v1.Order", "did you mean shop.v1.Orders?"],
    );
    fails(find("bank.Accounts/Open"), &["no service bank.Accounts", "services: shop.v1.Orders"]);
    fails(find("shop.v1.Orders/Watch"), &["streaming"]);
    fails(find("shop.v1.Orders/Upload"), &["streaming"]);
}

/// What building the schema says about a changed set.
fn refused(change: impl FnOnce(&mut FileDescriptorSet)) -> Error {
    let mut set = compiled();
    change(&mut set);
    let error = Schema::descriptor_set(set.encode_to_vec()).expect_err("an error");
    assert_eq!(error.kind(), ErrorKind::Build);
    error
}

fn orders(set: &mut FileDescriptorSet) -> &mut FileDescriptorProto {
    set.file.iter_mut().find(|file| file.name().ends_with("orders.proto")).expect("the file")
}

#[test]
fn editions_are_refused_before_the_pool_sees_them() {
    let error = refused(|set| orders(set).syntax = Some("editions".into()));
    assert!(error.to_string().contains("editions"), "{error}");
    assert!(error.to_string().contains("shop/v1/orders.proto"), "{error}");
    refused(|set| orders(set).syntax = Some("proto4".into()));
}

#[test]
fn a_set_without_its_imports_is_refused() {
    let error = refused(|set| set.file.retain(|file| !file.name().ends_with("items.proto")));
    assert!(error.to_chain().contains("items.proto"), "{}", error.to_chain());
}

#[test]
fn the_well_known_types_need_not_be_in_the_set() {
    let mut set = compiled();
    set.file.retain(|file| !file.name().starts_with("google/"));
    Schema::descriptor_set(set.encode_to_vec()).expect("a schema");
}

#[test]
fn a_false_timestamp_is_not_believed() {
    let mut set = compiled();
    for file in &mut set.file {
        if file.name() == "google/protobuf/timestamp.proto" {
            file.message_type[0].field.clear();
        }
    }
    let schema = Schema::descriptor_set(set.encode_to_vec()).expect("a schema");
    let Schema::Descriptors(descriptors) = schema else { panic!("{schema:?}") };
    let method = descriptors.method(&MethodName::parse("shop.v1.Orders/Place").unwrap()).unwrap();
    let json = br#"{"placedAt":"2026-01-31T12:00:00Z"}"#;
    assert!(!crate::transcode::to_wire(json, &method.input).expect("bytes").is_empty());
}

#[test]
fn a_map_entry_without_key_or_value_is_refused() {
    let entry = |set: &mut FileDescriptorSet, change: fn(&mut DescriptorProto)| {
        let order = &mut orders(set).message_type[0];
        change(&mut order.nested_type[0]);
    };
    refused(|set| entry(set, |entry| entry.field.clear()));
    refused(|set| entry(set, |entry| entry.field[0].number = Some(3)));
    refused(|set| entry(set, |entry| entry.field.push(FieldDescriptorProto::default())));
    refused(|set| {
        orders(set).message_type[0].options =
            Some(MessageOptions { map_entry: Some(true), ..Default::default() });
    });
}

#[test]
fn files_that_import_each_other_do_no_harm() {
    let mut set = compiled();
    orders(&mut set).dependency.push("shop/v1/orders.proto".into());
    let items = set.file.iter_mut().find(|file| file.name().ends_with("items.proto"));
    items.expect("the file").dependency.push("shop/v1/orders.proto".into());
    exercise(&set.encode_to_vec());
}

#[test]
fn what_is_no_descriptor_set_is_refused() {
    for bytes in [&b"\xff"[..], b"syntax = \"proto3\";", b"\x0a\x05abc"] {
        assert_eq!(Schema::descriptor_set(bytes).expect_err("an error").kind(), ErrorKind::Build);
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Schema::descriptor_set_file("/nowhere/set.bin").expect_err("an error");
    assert!(error.to_chain().contains("/nowhere/set.bin"), "{}", error.to_chain());
    assert!(std::error::Error::source(&error).is_some());
}

/// Uses whatever can be used of a set: building, finding, transcoding.
fn exercise(bytes: &[u8]) {
    let Ok(Schema::Descriptors(descriptors)) = Schema::descriptor_set(bytes) else { return };
    for service in ["shop.v1.Orders/Place", "shop.v1.Orders/Find"] {
        let Ok(method) = descriptors.method(&MethodName::parse(service).expect("a name")) else {
            continue;
        };
        for message in [&method.input, &method.output] {
            for json in [
                r#"{"orderId":"a","total":1,"items":[{"sku":"x"}],"labels":{"1":"x"},"limit":1}"#,
                r#"{"placedAt":"2026-01-31T12:00:00Z","state":"STATE_NEW","stock":{"a":{}}}"#,
                r#"{"anything":{"a":[1]},"parent":{"parent":{}},"cash":true}"#,
            ] {
                if let Ok(wire) = crate::transcode::to_wire(json.as_bytes(), message) {
                    drop(crate::transcode::to_json(&wire, message, true));
                }
            }
            drop(crate::transcode::to_json(
                b"\x0a\x01a\x10\x01\x22\x05\x08\x01\x12\x01x",
                message,
                true,
            ));
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(500))]

    /// A descriptor set may come from a server: no change to a byte of it may cause a panic.
    #[test]
    fn no_corrupted_descriptor_makes_it_panic(
        changes in proptest::collection::vec((0.0f64..1.0, proptest::num::u8::ANY), 1..4),
    ) {
        static OURS: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let mut set = compiled();
            set.file.retain(|file| !file.name().starts_with("google/"));
            set.encode_to_vec()
        });
        let mut bytes = OURS.clone();
        for (place, value) in changes {
            let index = (bytes.len() as f64 * place) as usize;
            bytes[index] = value;
        }
        exercise(&bytes);
    }
}
