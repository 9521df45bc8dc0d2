//! Halls and those who talk nonsense, too much, or do not listen: what they are told and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use serde_json::{Value, json};
use support::*;
use trefoil_auth::Role;
use trefoil_native::{Guard, GuardLimits, Refusal, Taken, close_code, opening};
use trefoil_room::{Moment, Refusal as RoomRefusal};

/// FAULTS W04: nonsense is answered, and the tenth ends it; the others see why.
#[test]
fn the_tenth_nonsense_ends_the_stay() {
    let mut scene = Scene::new();
    let mut ann = scene.join("ann", Role::Speaker);
    let bob = scene.join("bob", Role::Speaker);
    scene.hear(&ann);
    for _ in 0..4 {
        assert_eq!(scene.refused(&mut ann, "[1]"), "malformed");
        assert_eq!(scene.refused(&mut ann, r#"{"type":"fly"}"#), "unknown_type");
    }
    assert_eq!(scene.refused(&mut ann, r#"{"type":"signal"}"#), "malformed");
    scene.say_text(&mut ann, "{");
    let (heard, taken) = scene.take(&ann);
    assert!(
        heard[0].contains("malformed") && heard[1].contains(r#""reason":"misbehaved""#),
        "{heard:?}"
    );
    assert!(matches!(taken, Taken::Ended(ending) if ending.code == close_code::MALFORMED));
    assert_eq!(scene.hear(&bob)[0]["reason"], "misbehaved");
    assert_eq!(
        scene.resume(&ann.joined, 0).err(),
        Some(Refusal::Room(RoomRefusal::SessionLost))
    );
}

/// FAULTS W06: what is over the rate is dropped, counted and refused; the hundredth in a row ends it.
#[test]
fn a_flood_is_dropped_and_ends_the_stay_but_reaches_nobody() {
    let mut scene = Scene::new();
    let mut ann = scene.join("ann", Role::Speaker);
    let bob = scene.join("bob", Role::Speaker);
    scene.hear(&ann);
    let mut reached = 0;
    let mut last = Taken::All;
    for _ in 0..300 {
        scene.say(&mut ann, json!({"type":"message","data":1}));
        reached += scene
            .hear(&bob)
            .iter()
            .filter(|message| message["type"] == "message")
            .count();
        last = scene.take(&ann).1;
    }
    assert_eq!(reached, 200);
    assert!(matches!(last, Taken::Ended(ending) if ending.code == close_code::RATE_LIMITED));
    assert_eq!(
        scene
            .world
            .0
            .borrow()
            .iter()
            .filter(|code| **code == "rate_limited")
            .count(),
        100
    );
    assert_eq!(scene.hall.room().participants().len(), 1);
}

/// FAULTS W08: whoever does not read is let go, and the others lose nothing.
#[test]
fn whoever_does_not_read_is_let_go() {
    let mut scene = Scene::new();
    let slow = scene.join("slow", Role::Speaker);
    let mut ann = scene.join("ann", Role::Speaker);
    let bob = scene.join("bob", Role::Speaker);
    let mut heard = Vec::new();
    for number in 0..20 {
        scene.say(&mut ann, json!({"type":"message","data":number}));
        heard.extend(scene.hear(&bob));
        scene.hear(&ann);
    }
    let (said, taken) = scene.take(&slow);
    assert!(
        said[0].contains("too_slow") && said[1].contains(r#""type":"left""#),
        "{said:?}"
    );
    assert!(matches!(taken, Taken::Ended(ending) if ending.code == close_code::TOO_SLOW));
    assert!(heard.contains(&json!({"type":"participant_left","participant":id(&slow),"reason":"too_slow"})));
    let numbers: Vec<_> = heard
        .iter()
        .filter(|m| m["type"] == "message")
        .map(|m| m["data"].clone())
        .collect();
    assert_eq!(numbers, (0..20).map(Value::from).collect::<Vec<_>>());
    assert_eq!(*scene.world.0.borrow(), ["too_slow"]);
}

#[test]
fn a_message_that_is_too_large_is_named_and_ends_the_stay() {
    let mut scene = Scene::new();
    let ann = scene.join("ann", Role::Speaker);
    scene.hall.too_large(ann.at, &scene.world, scene.now);
    let (said, taken) = scene.take(&ann);
    assert!(said[0].contains("too_large"), "{said:?}");
    assert!(matches!(taken, Taken::Ended(ending) if ending.code == close_code::TOO_LARGE));
}

#[test]
fn a_second_join_and_people_who_are_not_there_are_refused_and_the_connection_stays() {
    let mut scene = Scene::new();
    let mut ann = scene.join("ann", Role::Moderator);
    assert_eq!(
        scene.refused(&mut ann, r#"{"type":"join","version":1}"#),
        "already_joined"
    );
    for message in [
        r#"{"type":"signal","to":"p_AAAAAAAAAAA","data":1}"#,
        r#"{"type":"signal","to":"nobody","data":1}"#,
        r#"{"type":"kick","participant":"p_AAAAAAAAAAA"}"#,
        r#"{"type":"mute","participant":"p_","audio":true}"#,
        r#"{"type":"role","participant":"","role":"viewer"}"#,
    ] {
        assert_eq!(
            scene.refused(&mut ann, message),
            "no_such_participant",
            "{message}"
        );
    }
    assert_eq!(
        scene.refused(&mut ann, r#"{"type":"update","name":""}"#),
        "invalid_name"
    );
    scene.say(&mut ann, json!({"type":"ice_servers"}));
    assert_eq!(scene.hear(&ann)[0]["ice_servers"][0]["urls"], json!(["stun:ann"]));
}

#[test]
fn the_first_message_must_be_a_join_of_this_version() {
    let mut guard = Guard::new(GuardLimits::default(), Moment::default());
    let mut refused = |text: &str| {
        let (refusal, of, code) = opening(text, &mut guard).unwrap_err();
        (refusal, of, code)
    };
    let of = |kind: &str| Some(kind.to_owned());
    assert_eq!(
        refused(r#"{"type":"join","version":2}"#),
        (
            Refusal::UnsupportedVersion,
            of("join"),
            Some(close_code::JOIN_REFUSED)
        )
    );
    assert_eq!(
        refused(r#"{"type":"leave"}"#),
        (Refusal::JoinFirst, of("leave"), Some(close_code::JOIN_FIRST))
    );
    assert_eq!(
        refused(r#"{"type":"fly"}"#),
        (Refusal::JoinFirst, of("fly"), Some(close_code::JOIN_FIRST))
    );
    for _ in 0..9 {
        assert_eq!(refused("nonsense"), (Refusal::Malformed, None, None));
    }
    assert_eq!(
        refused("nonsense"),
        (Refusal::Malformed, None, Some(close_code::MALFORMED))
    );
    assert!(opening(r#"{"type":"join","version":1}"#, &mut guard).is_ok());
}

#[test]
fn every_refusal_of_the_door_is_in_the_protocol_with_its_code() {
    let protocol = include_str!("../../../docs/PROTOCOL.md");
    for refusal in [
        Refusal::Malformed,
        Refusal::UnknownType,
        Refusal::JoinFirst,
        Refusal::AlreadyJoined,
        Refusal::UnsupportedVersion,
        Refusal::Unauthorized,
        Refusal::Elsewhere,
        Refusal::TooLarge,
        Refusal::RateLimited,
        Refusal::TooSlow,
        Refusal::ServerStopping,
        Refusal::Room(RoomRefusal::RoomLocked),
    ] {
        assert!(
            protocol.contains(&format!("| `{}` |", refusal.code())),
            "{}",
            refusal.code()
        );
        let refused = refusal.to_wire(Some("join"));
        assert_eq!(
            (refused.of.as_deref(), &*refused.code),
            (Some("join"), refusal.code())
        );
        assert!(
            refused.message.contains([';', ',']),
            "{}: what is wrong; what to do",
            refused.message
        );
    }
}
