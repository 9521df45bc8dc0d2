//! docs/PROTOCOL.md and the types agree: every example is parsed, every type has an example.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
#![allow(clippy::too_many_lines, reason = "a table of cases")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, value::RawValue};
use trefoil_wire::{ClientMessage, ServerMessage, Unreadable, relayed};

const PROTOCOL: &str = include_str!("../../../docs/PROTOCOL.md");

fn examples(side: &str) -> Vec<&'static str> {
    let fence = format!("```json {side}\n");
    PROTOCOL
        .split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().trim())
        .collect()
}

fn kind(example: &str) -> String {
    let value: Value = serde_json::from_str(example).unwrap();
    value["type"].as_str().unwrap().to_owned()
}

#[test]
fn every_example_of_a_client_parses_and_no_type_lacks_one() {
    let mut seen = BTreeSet::new();
    for example in examples("client") {
        let message = ClientMessage::parse(example).unwrap_or_else(|error| panic!("{example}: {error:?}"));
        assert_eq!(message.kind(), kind(example));
        seen.insert(message.kind());
    }
    assert_eq!(seen, BTreeSet::from(ClientMessage::TYPES));
}

#[test]
fn every_example_of_the_server_is_what_the_server_would_write_and_no_type_lacks_one() {
    let mut seen = BTreeSet::new();
    for example in examples("server") {
        let message: ServerMessage =
            serde_json::from_str(example).unwrap_or_else(|e| panic!("{example}: {e}"));
        let (written, documented): (Value, Value) = (
            serde_json::from_str(&message.to_text()).unwrap(),
            serde_json::from_str(example).unwrap(),
        );
        assert_eq!(written, documented);
        seen.insert(kind(example));
    }
    assert_eq!(seen, ServerMessage::TYPES.map(String::from).into());
}

#[test]
fn every_fence_of_json_says_whose_it_is() {
    assert_eq!(
        PROTOCOL.matches("```json").count(),
        examples("client").len() + examples("server").len()
    );
}

#[test]
fn what_is_relayed_is_not_touched_and_reads_as_the_message_that_it_is() {
    let data = r#"{ "b" : 1.0e5, "a":"é😀\n", "b":[ ] }"#;
    let raw: Box<RawValue> = serde_json::from_str(data).unwrap();
    let text = relayed("signal", "p_7Qm2", &raw);
    assert!(text.contains(data), "{text}");
    assert!(
        matches!(serde_json::from_str(&text).unwrap(), ServerMessage::Signal { from, .. } if from == "p_7Qm2")
    );
}

#[test]
fn a_signal_is_found_wherever_its_fields_are_and_however_they_are_written() {
    let text = r#" { "data" : null , "more": {"to":"p_x"}, "to":"p_\u0061", "typ\u0065":"sign\u0061l" } "#;
    let ClientMessage::Signal { to, data } = ClientMessage::parse(text).unwrap() else {
        panic!("not a signal")
    };
    assert_eq!((&*to, data.get()), ("p_a", "null"));
}

/// FAULTS W04: nonsense is named as such, by type where the type can be read.
#[test]
fn nonsense_is_refused_and_an_unknown_type_is_told_apart() {
    let malformed = |of: Option<&str>| Unreadable {
        of: of.map(Into::into),
        unknown_type: false,
    };
    let deep = format!(
        r#"{{"type":"message","data":{}1{}}}"#,
        "[".repeat(64),
        "]".repeat(64)
    );
    for (text, expected) in [
        ("", malformed(None)),
        ("hello", malformed(None)),
        ("[]", malformed(None)),
        (r#"["signal","p_a",1]"#, malformed(None)),
        ("42", malformed(None)),
        (&*"[".repeat(100_000), malformed(None)),
        (&*deep, malformed(None)),
        (r#"{"type":7}"#, malformed(None)),
        (r#"{"data":1}"#, malformed(None)),
        (r#"{"type":"leave"} {}"#, malformed(None)),
        (r#"{"type":"message","data":NaN}"#, malformed(None)),
        (r#"{"type":"message","data":1,"data":2}"#, malformed(None)),
        (r#"{"type":"message"}"#, malformed(Some("message"))),
        (r#"{"type":"signal","data":1}"#, malformed(Some("signal"))),
        (r#"{"type":"signal","to":7,"data":1}"#, malformed(Some("signal"))),
        (r#"{"type":"join","version":"1"}"#, malformed(Some("join"))),
        (
            r#"{"type":"role","participant":"p_a","role":"king"}"#,
            malformed(Some("role")),
        ),
        (
            r#"{"type":"mute","participant":"p_a","audio":1}"#,
            malformed(Some("mute")),
        ),
        (r#"{"type":"ping","received":-1}"#, malformed(Some("ping"))),
        (
            r#"{"type":"fly"}"#,
            Unreadable {
                of: Some("fly".into()),
                unknown_type: true,
            },
        ),
        (
            r#"{"type":""}"#,
            Unreadable {
                of: Some(String::new()),
                unknown_type: true,
            },
        ),
    ] {
        assert_eq!(ClientMessage::parse(text).unwrap_err(), expected, "{text:.80}");
    }
    let long = format!(r#"{{"type":"{}"}}"#, "é".repeat(10_000));
    assert_eq!(
        ClientMessage::parse(&long)
            .unwrap_err()
            .of
            .unwrap()
            .chars()
            .count(),
        64
    );
}

proptest! {
    #[test]
    fn whatever_is_said_nothing_breaks(text in ".{0,200}") {
        // What matters is that it comes back at all.
        let _ = ClientMessage::parse(&text);
    }

    #[test]
    fn whatever_json_is_signalled_arrives_as_it_was_written(text in r#"[ \t]*("[a-z\\"]*"|[0-9]{1,9}|\[("[a-z]*",?)*\]|\{"a":[0-9]\})[ \t]*"#) {
        let message = format!(r#"{{"type":"signal","to":"p_a","data":{text}}}"#);
        match ClientMessage::parse(&message) {
            Ok(ClientMessage::Signal { data, .. }) => prop_assert_eq!(data.get(), text.trim()),
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(_) => prop_assert!(serde_json::from_str::<Value>(&message).is_err()),
        }
    }
}
