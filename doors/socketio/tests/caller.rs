//! The codelab's events by their order: what a page hears when it comes, calls, and is left behind.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use serde_json::{Value, json};
use trefoil_socketio::{Act, Caller, Datum, HELD_LIMIT, Packet};
use trefoil_wire::{Candidate, Description, DescriptionKind, Part};

fn packet(event: &str, arguments: &[Value]) -> Packet {
    Packet {
        event: event.into(),
        arguments: arguments.iter().cloned().map(Datum::from).collect(),
    }
}

/// What a page hears, without the log.
fn heard(acts: &[Act]) -> Vec<Value> {
    let emitted = acts.iter().filter_map(|act| match act {
        Act::Emit(packet) if packet.event != "log" => {
            let mut all = vec![json!(packet.event)];
            all.extend(packet.arguments.iter().map(|datum| datum.to_json().unwrap()));
            Some(Value::Array(all))
        }
        Act::Emit(_) | Act::Enter(_) | Act::Leave | Act::Say { .. } | Act::Drop => None,
    });
    emitted.collect()
}

fn logged(acts: &[Act]) -> Vec<String> {
    let lines = acts.iter().filter_map(|act| match act {
        Act::Emit(packet) if packet.event == "log" => Some(packet.arguments[0].to_json().unwrap()),
        Act::Emit(_) | Act::Enter(_) | Act::Leave | Act::Say { .. } | Act::Drop => None,
    });
    lines.map(|line| line[1].as_str().unwrap().to_owned()).collect()
}

fn inside(others: usize) -> Caller {
    let mut caller = Caller::new("me");
    caller.receive(packet("create or join", &[json!("foo")]), &[]);
    caller.entered(others, false);
    caller
}

fn offer() -> Part {
    Part::Description(Description {
        kind: DescriptionKind::Offer,
        sdp: "v=0".into(),
    })
}

#[test]
fn the_first_creates_and_hears_of_the_second() {
    let mut caller = Caller::new("me");
    let acts = caller.receive(packet("create or join", &[json!("foo")]), &[]);
    assert_eq!(logged(&acts), ["Received request to create or join room foo"]);
    assert_eq!(acts.last(), Some(&Act::Enter("foo".into())));
    let acts = caller.entered(0, false);
    assert_eq!(
        logged(&acts),
        ["Room foo now has 0 client(s)", "Client ID me created room foo"]
    );
    assert_eq!(heard(&acts), [json!(["created", "foo", "me"])]);
    assert_eq!(
        heard(&caller.joined(true)),
        [json!(["join", "foo"]), json!(["ready", "foo"])]
    );
}

#[test]
fn the_second_joins_and_is_ready_once_and_the_third_is_told_that_it_is_full() {
    let mut second = Caller::new("me");
    second.receive(packet("create or join", &[json!("foo")]), &[]);
    let acts = second.entered(1, false);
    assert_eq!(
        heard(&acts),
        [json!(["joined", "foo", "me"]), json!(["ready", "foo"])]
    );
    let mut third = Caller::new("me");
    third.receive(packet("create or join", &[json!("foo")]), &[]);
    let acts = third.refused(Ok(2));
    assert_eq!(logged(&acts), ["Room foo now has 2 client(s)"]);
    assert_eq!(heard(&acts), [json!(["full", "foo"])]);
    assert!(!third.is_inside());
}

#[test]
fn a_room_may_have_any_name_and_none() {
    for (name, room) in [(json!(null), "null"), (json!(7), "7"), (json!("A-1"), "A-1")] {
        let mut caller = Caller::new("me");
        let acts = caller.receive(packet("create or join", std::slice::from_ref(&name)), &[]);
        assert_eq!(acts.last(), Some(&Act::Enter(room.into())));
        assert_eq!(heard(&caller.entered(0, false)), [json!(["created", name, "me"])]);
    }
    for odd in [json!(""), json!("a b"), json!({"a": [1]}), json!("é😀")] {
        let acts = Caller::new("me").receive(packet("create or join", std::slice::from_ref(&odd)), &[]);
        assert!(
            matches!(acts.last(), Some(Act::Enter(room)) if room.starts_with('~')),
            "{acts:?}"
        );
    }
    let acts = Caller::new("me").receive(packet("create or join", &[]), &[]);
    assert_eq!(acts.last(), Some(&Act::Enter("null".into())));
}

#[test]
fn whoever_is_left_behind_can_be_called_again() {
    let mut caller = inside(1);
    // The other page said goodbye: it is not said twice.
    caller.heard(&packet("message", &[json!("bye")]));
    assert_eq!(
        heard(&caller.left(0)),
        [json!(["bye"]), json!(["created", "foo", "me"])]
    );
    // The next one is killed: its goodbye is said for it.
    caller.joined(true);
    assert_eq!(
        heard(&caller.left(0)),
        [
            json!(["message", "bye"]),
            json!(["bye"]),
            json!(["created", "foo", "me"])
        ]
    );
}

#[test]
fn what_is_said_outside_of_a_room_goes_nowhere() {
    let mut caller = Caller::new("me");
    let acts = caller.receive(packet("message", &[json!("hello")]), &[]);
    assert!(
        acts.contains(&Act::Drop) && !acts.iter().any(|act| matches!(act, Act::Say { .. })),
        "{acts:?}"
    );
    assert_eq!(caller.receive(packet("anything", &[json!(1)]), &[]), [Act::Drop]);
}

#[test]
fn any_other_event_goes_to_the_room_as_it_is() {
    let mut caller = inside(1);
    let bytes = Packet {
        event: "photo".into(),
        arguments: vec![Datum::Bytes(bytes::Bytes::from_static(b"\x01"))],
    };
    assert_eq!(
        caller.receive(bytes.clone(), &[]),
        [Act::Say {
            packet: bytes,
            parts: vec![]
        }]
    );
}

#[test]
fn a_second_create_or_join_leaves_the_first_room() {
    let mut caller = inside(0);
    let acts = caller.receive(packet("create or join", &[json!("bar")]), &[]);
    assert_eq!(
        (acts.first(), acts.last()),
        (Some(&Act::Leave), Some(&Act::Enter("bar".into())))
    );
}

#[test]
fn an_offer_of_another_protocol_waits_until_the_page_has_its_camera() {
    let mut caller = inside(1);
    assert!(caller.heard_parts(&[offer()]).is_empty());
    let acts = caller.receive(packet("message", &[json!("got user media")]), &[]);
    assert_eq!(
        heard(&acts),
        [json!(["message", {"type": "offer", "sdp": "v=0"}])]
    );
    let candidate = Part::Candidate(Candidate {
        candidate: "c".into(),
        mid: Some("a".into()),
        line: Some(1),
    });
    assert_eq!(
        heard(&caller.heard_parts(&[candidate])),
        [json!(["message", {"type": "candidate", "label": 1, "id": "a", "candidate": "c"}])]
    );
}

#[test]
fn what_waits_for_a_page_is_bounded_and_told_when_it_had_time_enough() {
    let mut caller = inside(1);
    for _ in 0..HELD_LIMIT + 10 {
        caller.heard_parts(&[offer()]);
    }
    assert_eq!(caller.prepare().len(), HELD_LIMIT);
    assert!(caller.prepare().is_empty());
}

#[test]
fn a_page_that_calls_is_told_that_somebody_of_another_protocol_has_a_camera() {
    let mut caller = inside(0);
    let last = heard(&caller.joined(false)).pop().unwrap();
    assert_eq!(last, json!(["message", "got user media"]));
}

#[test]
fn what_a_page_says_is_translated_and_kept_as_it_is() {
    let mut caller = inside(1);
    let said = packet(
        "message",
        &[json!({"type": "candidate", "label": 0, "id": "0", "candidate": "c"})],
    );
    let acts = caller.receive(said.clone(), &[]);
    let Act::Say { packet, parts } = &acts[1] else {
        panic!("{acts:?}")
    };
    assert_eq!(packet, &said);
    assert!(matches!(parts.as_slice(), [Part::Candidate(_)]));
    let acts = caller.receive(self::packet("message", &[json!("bye")]), &[]);
    assert!(matches!(&acts[1], Act::Say { parts, .. } if parts.as_slice() == [Part::Bye]));
}

#[test]
fn addresses_are_told_to_those_who_ask() {
    let acts = Caller::new("me").receive(packet("ipaddr", &[]), &["192.0.2.1".into()]);
    assert_eq!(heard(&acts), [json!(["ipaddr", "192.0.2.1"])]);
}

/// Somebody to whom the media server is the other one.
fn served() -> Caller {
    let mut caller = Caller::new("me");
    caller.receive(packet("create or join", &[json!("foo")]), &[]);
    let acts = caller.entered(1, true);
    assert_eq!(
        heard(&acts),
        [json!(["joined", "foo", "me"]), json!(["ready", "foo"])]
    );
    caller
}

fn says(caller: &mut Caller, what: Value) -> Vec<Act> {
    caller.receive(packet("message", &[what]), &[])
}

#[test]
fn the_media_servers_offer_waits_for_the_camera_and_nobody_else_hears_of_that() {
    let mut caller = served();
    assert_eq!(caller.heard_parts(&[offer()]), []);
    let acts = says(&mut caller, json!("got user media"));
    assert_eq!(
        heard(&acts),
        [json!(["message", {"type": "offer", "sdp": "v=0"}])]
    );
    assert!(!acts.iter().any(|act| matches!(act, Act::Say { .. })));
    let acts = says(&mut caller, json!({"type": "answer", "sdp": "v=1"}));
    assert!(matches!(acts.last(), Some(Act::Say { .. })));
}

#[test]
fn a_page_whose_call_is_lost_is_made_to_call_anew_unless_it_has_hung_up() {
    let mut caller = served();
    let anew = [
        json!(["message", "bye"]),
        json!(["bye"]),
        json!(["created", "foo", "me"]),
        json!(["join", "foo"]),
        json!(["ready", "foo"]),
        json!(["message", "got user media"]),
    ];
    assert_eq!(heard(&caller.call_lost()), anew);
    says(&mut caller, json!("bye"));
    assert_eq!(caller.call_lost(), []);
    says(&mut caller, json!({"type": "offer", "sdp": "v=2"}));
    assert_eq!(heard(&caller.call_lost()), anew);
}

#[test]
fn a_page_that_is_not_let_in_is_told_why() {
    let mut caller = Caller::new("me");
    caller.receive(packet("create or join", &[json!("foo")]), &[]);
    let acts = caller.refused(Err("the room is locked".into()));
    assert_eq!(logged(&acts), ["the room is locked"]);
    assert_eq!(heard(&acts), [json!(["full", "foo"])]);
}
