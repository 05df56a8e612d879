//! What is a record, what is a bad one, and where each stands.

use std::io::{BufReader, Read};

use super::*;

/// Reads `text` with a small buffer, so that everything is cut somewhere.
fn items(format: Format, text: &[u8], max_record: usize, skip: u64) -> Vec<Item> {
    let input = Input { format, path: "the file".into(), max_record, skip };
    let mut items = Vec::new();
    input.read(BufReader::with_capacity(7, text), &mut |item| {
        items.push(item);
        true
    });
    items
}

/// `1@1:8 {"a":1}`: number, line, end, and the payload or the reason.
fn told(format: Format, text: impl AsRef<[u8]>, max_record: usize) -> Vec<String> {
    let items = items(format, text.as_ref(), max_record, 0);
    let tell = |item: Item| match item {
        Item::Broken(why) => format!("broken: {why}"),
        Item::Record(Record { place: Place { number, line, end }, content }) => match content {
            Content::Payload(payload) => {
                format!("{number}@{line}:{end} {}", String::from_utf8_lossy(&payload))
            }
            Content::Bad { reason, payload } => {
                let payload = payload.map(|payload| String::from_utf8_lossy(&payload).into_owned());
                format!("{number}@{line}:{end} bad: {reason} {payload:?}")
            }
        },
    };
    items.into_iter().map(tell).collect()
}

#[test]
fn lines_are_records_and_bad_ones_do_not_end_the_file() {
    let text = "\u{feff}{\"a\":1}\r\n\n  17  \nnot json\n{\"b\":\n\"ä\"";
    assert_eq!(
        told(Format::Ndjson, text, 100),
        [
            "1@1:12 {\"a\":1}",
            "2@3:20 17",
            "3@4:29 bad: not valid JSON: at column 2 Some(\"not json\")",
            "4@5:35 bad: not valid JSON: it ends too early Some(\"{\\\"b\\\":\")",
            "5@6:39 \"ä\"",
        ]
    );
    assert_eq!(told(Format::Ndjson, "", 100), Vec::<String>::new());
    assert_eq!(told(Format::Ndjson, " \n\n", 100), Vec::<String>::new());
}

#[test]
fn a_line_without_end_is_refused_and_passed_over() {
    let text = format!("\"{}\"\n\"{}\"\n1\n", "x".repeat(9), "y".repeat(9_998));
    assert_eq!(
        told(Format::Ndjson, text, 11),
        [
            "1@1:12 \"xxxxxxxxx\"",
            "2@2:10013 bad: the line is longer than 11 bytes (--max-record) None",
            "3@3:10015 1",
        ]
    );
}

#[test]
fn a_line_without_end_takes_no_memory() {
    let mut line = Vec::new();
    let mut endless = BufReader::new(io::repeat(b'x').take(10 << 20));
    let mut emit = |item| {
        let Item::Record(record) = item else { panic!() };
        line.push(record);
        true
    };
    ndjson::read(&mut endless, 0, 1000, &mut emit).unwrap();
    assert!(matches!(line[0].content, Content::Bad { payload: None, .. }));
}

#[test]
fn elements_keep_their_bytes() {
    let text = " [ {\"a\" : 1.0e2},\n\n \"]\" , [[2]],\nnull ] \n";
    assert_eq!(
        told(Format::JsonArray, text, 100),
        ["1@1:16 {\"a\" : 1.0e2}", "2@3:23 \"]\"", "3@3:31 [[2]]", "4@4:37 null"]
    );
    assert_eq!(told(Format::JsonArray, "[]", 100), Vec::<String>::new());
}

#[test]
fn a_broken_array_says_where() {
    for (text, expected) in [
        ("{\"a\":1}", "broken: the file: record 1, line 1: from here on this is no JSON array"),
        ("", "broken: the file: record 1, line 1: from here on this is no JSON array"),
        ("[1\n 2]", "broken: the file: record 2, line 2: from here on this is no JSON array"),
        ("[1,2", "broken: the file: record 3, line 1: from here on this is no JSON array"),
        ("[1] x", "broken: the file: record 2, line 1: from here on this is no JSON array"),
    ] {
        assert_eq!(told(Format::JsonArray, text, 100).last().unwrap(), expected, "{text}");
    }
    let long = format!("[1,\"{}\",3]", "x".repeat(1000));
    let expected = "broken: the file: record 2, line 1: it is longer than 10 bytes (--max-record)";
    assert_eq!(told(Format::JsonArray, long, 10), ["1@1:3 1", expected]);
}

#[test]
fn rows_are_objects_of_strings_in_the_order_of_the_columns() {
    let text = "z,a \"b\",n\n1,\"x, \"\"y\"\"\nz\",\n2,,ä\n";
    assert_eq!(
        told(Format::Csv, text, 100),
        [
            "1@2:26 {\"z\":\"1\",\"a \\\"b\\\"\":\"x, \\\"y\\\"\\nz\",\"n\":\"\"}",
            "2@4:32 {\"z\":\"2\",\"a \\\"b\\\"\":\"\",\"n\":\"ä\"}",
        ]
    );
    assert_eq!(told(Format::Csv, "a,b\n", 100), Vec::<String>::new());
    assert_eq!(told(Format::Csv, "\u{feff}a\r\n1\r\n", 100), ["1@2:8 {\"a\":\"1\"}"]);
}

#[test]
fn a_bad_row_does_not_end_the_file_and_bad_names_do() {
    let text = b"a,b\n1\n\xff,2\n3,4\n";
    let told_rows = told(Format::Csv, text, 100);
    assert_eq!(told_rows[0], "1@2:6 bad: the row has 1 fields, and the first row 2 Some(\"1\")");
    assert!(told_rows[1].starts_with("2@3:10 bad: the row is not UTF-8"), "{told_rows:?}");
    assert_eq!(told_rows[2], "3@4:14 {\"a\":\"3\",\"b\":\"4\"}");

    let first = "broken: the file: the first row, which has the names,";
    for (text, why) in
        [("a,,b\n", "has no name in column 2"), ("a,b,a\n", "has the same name in columns 1 and 3")]
    {
        assert_eq!(told(Format::Csv, text, 100), [format!("{first} {why}")]);
    }
    let open = format!("a\n1\n\"{}", "x\n".repeat(50_000));
    let told_rows = told(Format::Csv, open, 100);
    assert_eq!(told_rows[0], "1@2:4 {\"a\":\"1\"}");
    assert_eq!(
        told_rows[1],
        "broken: the file: record 2, line 3: it is longer than 100 bytes (--max-record); is a quote \
         not closed?"
    );
}

#[test]
fn what_is_left_out_keeps_its_numbers() {
    for (format, text) in [
        (Format::Ndjson, "1\nx\n3\n"),
        (Format::JsonArray, "[1,2,3]"),
        (Format::Csv, "a\n1\n2\n3\n"),
    ] {
        let items = items(format, text.as_bytes(), 100, 2);
        let [Item::Record(record)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(record.place.number, 3);
    }
}

#[test]
fn nobody_wants_any_more() {
    for (format, text) in
        [(Format::Ndjson, "1\n2\n"), (Format::JsonArray, "[1,2]"), (Format::Csv, "a\n1\n2\n")]
    {
        let input = Input { format, path: "the file".into(), max_record: 100, skip: 0 };
        let mut count = 0;
        input.read(text.as_bytes(), &mut |item| {
            assert!(matches!(item, Item::Record(_)));
            count += 1;
            false
        });
        assert_eq!(count, 1, "{format:?}");
    }
}
