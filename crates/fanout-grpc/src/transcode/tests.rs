//! The JSON mapping by table: what fits, and what is said about what does not.

use fanout::{Effect, ErrorKind, RetryAdvice};
use serde_json::json;

use super::*;
use crate::schema::tests::descriptors;

fn order() -> MessageDescriptor {
    let name = crate::request::MethodName::parse("shop.v1.Orders/Place").unwrap();
    descriptors().method(&name).unwrap().input
}

/// A parser that does not round right takes the first for its neighbour.
#[test]
fn a_double_keeps_its_last_bit() {
    let weight = |json: &[u8]| {
        let message = DynamicMessage::decode(order(), to_wire(json, &order()).unwrap()).unwrap();
        message.get_field_by_name("weight").unwrap().as_f64().unwrap().to_bits()
    };
    assert_eq!(weight(br#"{"weight":4.107721612447794e149}"#), 4.107721612447794e149_f64.to_bits());
}

#[test]
fn what_fits_comes_back_in_the_canonical_mapping() {
    let long = "9007199254740993"; // 2^53 + 1: no double holds it.
    let cases = [
        (json!({}), json!({})),
        (json!({"order_id": "a"}), json!({"orderId": "a"})),
        (json!({"orderId": "a"}), json!({"orderId": "a"})),
        (json!({"total": 9_007_199_254_740_993_i64}), json!({"total": long})),
        (json!({"total": long}), json!({"total": long})),
        (json!({"big": u64::MAX}), json!({"big": u64::MAX.to_string()})),
        (
            json!({"items": [{"sku": "x", "quantity": 2}]}),
            json!({"items": [{"sku": "x", "quantity": 2}]}),
        ),
        (json!({"labels": {"1": "one"}}), json!({"labels": {"1": "one"}})),
        (json!({"state": "STATE_PAID"}), json!({"state": "STATE_PAID"})),
        (json!({"state": 2}), json!({"state": "STATE_PAID"})),
        (json!({"placedAt": "2026-01-31T12:00:00Z"}), json!({"placedAt": "2026-01-31T12:00:00Z"})),
        (json!({"limit": 0}), json!({"limit": 0})),
        (json!({"blob": "aGk="}), json!({"blob": "aGk="})),
        (json!({"card": null, "cash": true}), json!({"cash": true})),
        (json!({"orderId": null, "items": null}), json!({})),
        (json!({"anything": null}), json!({"anything": null})),
        (
            json!({"anything": [1.0, "b", {"c": null}]}),
            json!({"anything": [1.0, "b", {"c": null}]}),
        ),
        (json!({"weight": "NaN"}), json!({"weight": "NaN"})),
        (json!({"wait": "1.500s"}), json!({"wait": "1.500s"})),
        (json!({"mask": "a.b,c"}), json!({"mask": "a.b,c"})),
        (json!({"nothing": {}}), json!({"nothing": {}})),
        (
            json!({"extra": {"@type": "type.googleapis.com/shop.v1.Item", "sku": "x"}}),
            json!({"extra": {"@type": "type.googleapis.com/shop.v1.Item", "sku": "x"}}),
        ),
    ];
    for (given, expected) in cases {
        let wire = to_wire(given.to_string().as_bytes(), &order())
            .unwrap_or_else(|error| panic!("{given}: {error}"));
        let back = to_json(&wire, &order(), true).expect("decodes");
        let back: serde_json::Value = serde_json::from_slice(&back).unwrap();
        assert_eq!(back, expected, "{given}");
    }
}

/// What is said must hold every piece of `expected`, and never a value.
fn refuses(payload: &str, expected: &[&str]) {
    let error = to_wire(payload.as_bytes(), &order()).expect_err(payload);
    assert_eq!(error.kind(), ErrorKind::Build, "{payload}");
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.advice(), RetryAdvice::Never);
    let text = format!("{} {error:?}", error.to_chain());
    for piece in expected {
        assert!(text.contains(piece), "{payload}: {text}");
    }
    assert!(!text.contains("s3cret"), "{payload}: {text}");
}

#[test]
fn what_does_not_fit_is_named_by_its_path_and_without_its_value() {
    refuses(
        r#"{"order_idd": "s3cret"}"#,
        &["unknown field `order_idd`", "did you mean `order_id`"],
    );
    refuses(r#"{"orderIdd": "s3cret"}"#, &["`orderIdd`", "did you mean `orderId`"]);
    refuses(r#"{"zzz": 1}"#, &["unknown field `zzz` of shop.v1.Order", "order_id, total"]);
    refuses(
        r#"{"items": [{"sku": "a"}, {"skuu": "s3cret"}]}"#,
        &["`items[1].skuu`", "shop.v1.Item"],
    );
    refuses(
        r#"{"items": [{"quantity": "s3cret"}]}"#,
        &["`items[0].quantity` must be a whole number"],
    );
    refuses(r#"{"items": {"sku": "s3cret"}}"#, &["`items` must be a list", "found an object"]);
    refuses(r#"{"items": ["s3cret"]}"#, &["`items[0]` must be an object (shop.v1.Item)"]);
    refuses(r#"{"parent": {"parent": {"total": true}}}"#, &["`parent.parent.total`", "64 bits"]);
    refuses(
        r#"{"total": "s3cret"}"#,
        &["`total` must be a whole number of 64 bits", "found a string"],
    );
    refuses(r#"{"total": 1.5}"#, &["`total` must be"]);
    refuses(r#"{"big": -1}"#, &["`big` must be", "not negative"]);
    refuses(r#"{"items": [{"quantity": 3000000000}]}"#, &["`items[0].quantity`", "32 bits"]);
    refuses(r#"{"state": "s3cret"}"#, &["`state` must be one of STATE_UNSPECIFIED, STATE_NEW"]);
    refuses(r#"{"placedAt": "s3cret"}"#, &["`placedAt` must be a time"]);
    refuses(r#"{"placed_at": {"seconds": 1}}"#, &["`placed_at` must be a time", "found an object"]);
    refuses(r#"{"limit": "s3cret"}"#, &["`limit` must be a whole number of 32 bits"]);
    refuses(r#"{"blob": "s3cret!"}"#, &["`blob` must be a string of base64"]);
    refuses(r#"{"labels": {"s3cret": "x"}}"#, &["a key of `labels[*]` is not a whole number"]);
    refuses(r#"{"labels": {"1": {"s3cret": 1}}}"#, &["`labels[*]` must be a string"]);
    refuses(r#"{"stock": {"s3cret": {"skuu": 1}}}"#, &["`stock[*].skuu`"]);
    refuses(r#"{"card": "s3cret", "cash": true}"#, &["`card` and `cash`", "payment"]);
    refuses(r#"{"weight": "s3cret"}"#, &["`weight` must be a number"]);
    refuses(r#"["s3cret"]"#, &["the payload must be an object (shop.v1.Order)", "found a list"]);
    refuses("null", &["the payload must be an object"]);
    refuses("", &["the payload is empty"]);
    refuses("  ", &["the payload is empty"]);
    refuses(r#"{"total": "s3cret"#, &["ends too early"]);
    refuses(r#"{"total": s3cret}"#, &["the payload is not JSON", "column"]);
    refuses(r#"{"total": 1} s3cret"#, &["the payload is not JSON"]);
    refuses("\u{0}\u{1}s3cret", &["the payload is not JSON"]);
    refuses(r#"{"wait": "s3cret"}"#, &["`wait` must be a duration"]);
    refuses(r#"{"mask": ["s3cret"]}"#, &["`mask` must be a string of field names"]);
    refuses(r#"{"nothing": {"s3cret": 1}}"#, &["`nothing` must be an object"]);
    refuses(r#"{"extra": {"@type": "x/s3cret"}}"#, &["`extra` must be an object with \"@type\""]);
    refuses(r#"{"extra": {"sku": "s3cret"}}"#, &["`extra` must be an object with \"@type\""]);
    refuses("{\"a\\u001b[31m\": 1}", &["unknown field `a\\u{1b}[31m`"]);
}

#[test]
fn of_a_repeated_name_the_last_counts() {
    let wire = to_wire(br#"{"total": 1, "total": 2}"#, &order()).unwrap();
    assert_eq!(to_json(&wire, &order(), true).unwrap(), r#"{"total":"2"}"#);
}

#[test]
fn deep_json_ends_as_an_error() {
    for depth in [40, 100, 127, 1_000, 200_000] {
        let bad = format!("{}{}{}", r#"{"parent":"#.repeat(depth), "true", "}".repeat(depth));
        refuses(&bad, &[]);
        let bad = format!("{}{}", r#"{"anything":"#, "[".repeat(depth));
        refuses(&bad, &[]);
    }
    let fine = format!("{}{}{}", r#"{"parent":"#.repeat(60), "{}", "}".repeat(60));
    let wire = to_wire(fine.as_bytes(), &order()).unwrap();
    assert_eq!(to_json(&wire, &order(), true).unwrap(), fine);
}

#[test]
fn bytes_that_are_no_message_give_nothing() {
    for wire in [&b"\xff"[..], b"\x0a\x05abc", b"\x0a\x01\xff", b"\x08\x01\x07"] {
        assert_eq!(to_json(wire, &order(), true), None, "{wire:?}");
    }
    // A timestamp that JSON cannot write.
    let mut wire = vec![0x32, 11, 0x08];
    prost::encoding::encode_varint(i64::MAX as u64, &mut wire);
    wire.insert(1, 0);
    wire.remove(1);
    wire[1] = (wire.len() - 2) as u8;
    assert_eq!(to_json(&wire, &order(), true), None);
    // Nesting without end.
    let mut nested = Vec::new();
    for _ in 0..300 {
        let mut outer = vec![0x62];
        prost::encoding::encode_varint(nested.len() as u64, &mut outer);
        outer.extend(nested);
        nested = outer;
    }
    assert_eq!(to_json(&nested, &order(), true), None);
}

/// An `Any` in an `Any`, and so on.
fn nested_any(depth: usize) -> Vec<u8> {
    let mut layers = vec![];
    let mut length = 0;
    for layer in 0..depth {
        let url = if layer == 0 { &b"x/shop.v1.Item"[..] } else { b"x/google.protobuf.Any" };
        let mut head = vec![0x0a, url.len() as u8];
        head.extend(url);
        head.push(0x12);
        prost::encoding::encode_varint(length as u64, &mut head);
        length += head.len();
        layers.push(head);
    }
    let mut wire = vec![0x82, 0x01];
    prost::encoding::encode_varint(length as u64, &mut wire);
    layers.iter().rev().for_each(|head| wire.extend(head));
    wire
}

#[test]
fn an_any_without_end_gives_nothing() {
    assert!(to_json(&nested_any(3), &order(), true).is_some());
    assert!(to_json(&nested_any(90), &order(), true).is_some());
    for depth in [101, 1_000, 100_000] {
        assert!(to_json(&nested_any(depth), &order(), true).is_none(), "{depth}");
    }
    // In JSON each of them is an object, which the parser bounds.
    for depth in [1, 50, 120, 1_000] {
        let open = r#"{"@type":"x/google.protobuf.Any","value":"#.repeat(depth);
        let json =
            format!(r#"{{"extra":{open}{{"@type":"x/shop.v1.Item"}}{}}}"#, "}".repeat(depth));
        assert_eq!(to_wire(json.as_bytes(), &order()).is_ok(), depth <= 120, "{depth}");
    }
}

#[test]
fn only_types_that_can_hold_an_any_are_looked_through() {
    assert!(crate::any::reaches_any(&order()));
    let item = order().get_field_by_name("items").unwrap().kind();
    assert!(!crate::any::reaches_any(item.as_message().unwrap()));
}

proptest::proptest! {
    #[test]
    fn no_payload_makes_it_panic(json in r#"[\{\}\[\]":,a-z0-9 ]{0,60}"#, wire: Vec<u8>) {
        drop(to_wire(json.as_bytes(), &order()));
        drop(to_json(&wire, &order(), true));
    }

    #[test]
    fn no_value_of_a_known_field_makes_it_panic(
        field in "(orderId|total|items|labels|state|placedAt|limit|blob|anything|parent|stock|weight|extra|wait|mask|nothing)",
        value in r#"(\{\}|\[\]|null|true|-?[0-9]{1,25}(\.[0-9]{1,4})?(e[0-9]{1,4})?|"[a-zA-Z0-9:.+-]{0,30}"|\[[0-9]\]|\{"[a-z0-9]{0,3}":[0-9]\})"#,
    ) {
        let json = format!("{{\"{field}\":{value}}}");
        if let Ok(wire) = to_wire(json.as_bytes(), &order()) {
            proptest::prop_assert!(to_json(&wire, &order(), true).is_some());
        }
    }
}
