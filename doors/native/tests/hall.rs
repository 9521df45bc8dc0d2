//! Halls without sockets: who hears what, what is counted, what a resume repeats, and how nonsense ends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::{cell::RefCell, task::Waker, time::Duration};

use serde_json::{Value, json};
use trefoil_auth::Role;
use trefoil_native::{
    Attachment, Guard, GuardLimits, Hall, HallSettings, Outside, Refusal, ResumeToken, Taken, close_code,
    opening,
};
use trefoil_room::{
    Entrance, LeaveReason, Moment, Refusal as RoomRefusal, Room, RoomSettings, RoomView, Rules, Topology,
};
use trefoil_wire::{ClientMessage, IceServer};

/// Gives the same ICE servers to all and remembers what was refused.
#[derive(Default)]
struct World(RefCell<Vec<&'static str>>);

impl Outside for World {
    fn ice_servers(&self, identity: &str) -> (Vec<IceServer>, u64) {
        (
            vec![IceServer {
                urls: vec![format!("stun:{identity}")],
                username: None,
                credential: None,
            }],
            600,
        )
    }

    fn refused(&self, code: &'static str) {
        self.0.borrow_mut().push(code);
    }
}

struct Scene {
    hall: Hall,
    world: World,
    now: Moment,
}

/// Somebody with a connection.
struct Person {
    at: Attachment,
    guard: Guard,
    joined: Value,
}

impl Scene {
    fn new() -> Self {
        let settings = RoomSettings {
            member_limit: 8,
            topology: Topology::P2p,
            locked: false,
            empty_timeout: None,
        };
        let view = RoomView {
            namespace: "default".into(),
            name: "lobby".into(),
            settings,
        };
        let room = Room::new(view, Rules::default(), [3; 32], Moment::default());
        let outbox = trefoil_native::OutboxLimits {
            messages: 8,
            bytes: 4096,
        };
        let settings = HallSettings {
            key: 5,
            outbox,
            window_seconds: 30,
            heartbeat_seconds: 10,
        };
        Self {
            hall: Hall::new(room, settings),
            world: World::default(),
            now: Moment::default(),
        }
    }

    fn person(&mut self, at: Attachment) -> Person {
        let mut person = Person {
            at,
            guard: Guard::new(GuardLimits::default(), self.now),
            joined: Value::Null,
        };
        person.joined = self.hear(&person).remove(0);
        person
    }

    fn join(&mut self, identity: &str, role: Role) -> Person {
        let entrance = Entrance {
            identity: identity.into(),
            name: identity.into(),
            role,
            permissions: role.permissions(),
        };
        let at = self.hall.join(entrance, &self.world, self.now).unwrap();
        self.person(at)
    }

    fn resume(&mut self, joined: &Value, received: u64) -> Result<(Person, Vec<Value>), Refusal> {
        let token = ResumeToken::parse(joined["resume"]["token"].as_str().unwrap()).unwrap();
        let at = self.hall.resume(token, received, &self.world, self.now)?;
        let guard = Guard::new(GuardLimits::default(), self.now);
        let mut person = Person {
            at,
            guard,
            joined: Value::Null,
        };
        let mut heard = self.hear(&person);
        person.joined = heard.remove(0);
        Ok((person, heard))
    }

    fn say_text(&mut self, person: &mut Person, text: &str) {
        let message = ClientMessage::parse(text);
        self.hall
            .receive(person.at, message, &mut person.guard, &self.world, self.now);
    }

    fn say(&mut self, person: &mut Person, message: Value) {
        self.say_text(person, &message.to_string());
    }

    fn take(&mut self, person: &Person) -> (Vec<String>, Taken) {
        let mut batch = Vec::new();
        let taken = self.hall.take(person.at, Waker::noop(), &mut batch, 1 << 20);
        (
            batch
                .iter()
                .map(|text| String::from_utf8(text.to_vec()).unwrap())
                .collect(),
            taken,
        )
    }

    fn hear(&mut self, person: &Person) -> Vec<Value> {
        self.take(person)
            .0
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }

    fn kinds(&mut self, person: &Person) -> Vec<String> {
        self.hear(person)
            .iter()
            .map(|message| message["type"].as_str().unwrap().to_owned())
            .collect()
    }

    fn break_off(&mut self, person: &Person) {
        self.hall
            .connection_lost(person.at, self.now, &self.world, self.now);
    }

    /// The refusal's code with which `person` is answered.
    fn refused(&mut self, person: &mut Person, text: &str) -> String {
        self.say_text(person, text);
        let heard = self.hear(person);
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert_eq!(heard[0]["type"], "refused", "{heard:?}");
        heard[0]["code"].as_str().unwrap().to_owned()
    }
}

fn id(person: &Person) -> String {
    person.at.id.to_string()
}

#[test]
fn a_signal_reaches_the_one_it_is_for_verbatim_and_nobody_else() {
    let mut scene = Scene::new();
    let mut ann = scene.join("ann", Role::Speaker);
    let bob = scene.join("bob", Role::Speaker);
    let carol = scene.join("carol", Role::Speaker);
    for person in [&ann, &bob] {
        scene.hear(person);
    }
    let data = r#"{"b" :1.50,"a":[ "\u00e9" ]}"#;
    scene.say_text(
        &mut ann,
        &format!(r#"{{"data":{data},"to":"{}","type":"signal"}}"#, id(&bob)),
    );
    assert_eq!(
        scene.take(&bob).0,
        [format!(
            r#"{{"type":"signal","from":"{}","data":{data}}}"#,
            id(&ann)
        )]
    );
    assert!(scene.hear(&carol).is_empty() && scene.hear(&ann).is_empty());

    scene.say(&mut ann, json!({"type":"message","data":[1]}));
    for person in [&bob, &carol] {
        assert_eq!(
            scene.hear(person),
            [json!({"type":"message","from":id(&ann),"data":[1]})]
        );
    }
    assert!(scene.hear(&ann).is_empty());
}

#[test]
fn what_moderators_do_is_told_in_protocol_words() {
    let mut scene = Scene::new();
    let mut moderator = scene.join("mo", Role::Moderator);
    let ann = scene.join("ann", Role::Speaker);
    scene.hear(&moderator);
    scene.say(
        &mut moderator,
        json!({"type":"mute","participant":id(&ann),"video":true}),
    );
    let heard = scene.hear(&ann);
    assert_eq!(
        heard[0],
        json!({"type":"mute","from":id(&moderator),"video":true})
    );
    assert_eq!(
        heard[1]["participant"]["muted"],
        json!({"audio":false,"video":true})
    );
    scene.say(
        &mut moderator,
        json!({"type":"role","participant":id(&ann),"role":"viewer"}),
    );
    let heard = scene.hear(&ann);
    assert_eq!(
        heard[0]["participant"]["permissions"],
        json!(["subscribe", "message"])
    );
    scene.say(&mut moderator, json!({"type":"lock","locked":true}));
    assert_eq!(scene.hear(&ann)[0]["room"]["locked"], true);
    scene.say(&mut moderator, json!({"type":"kick","participant":id(&ann)}));
    let (heard, taken) = scene.take(&ann);
    assert_eq!(heard, [r#"{"type":"left","reason":"kicked"}"#]);
    assert!(matches!(taken, Taken::Ended(ending) if ending.code == close_code::NORMAL));
    assert_eq!(scene.kinds(&moderator).last().unwrap(), "participant_left");
}

#[test]
fn both_sides_count_everything_but_ping_and_pong() {
    let mut scene = Scene::new();
    let mut ann = scene.join("ann", Role::Speaker);
    let pong = |scene: &mut Scene, ann: &mut Person, received: u64| {
        scene.say(ann, json!({"type":"ping","received":0}));
        assert_eq!(
            scene.hear(ann).pop().unwrap(),
            json!({"type":"pong","received":received})
        );
    };
    pong(&mut scene, &mut ann, 0);
    scene.say(&mut ann, json!({"type":"message","data":1}));
    scene.say(&mut ann, json!({"type":"update","name":"A"}));
    pong(&mut scene, &mut ann, 2);
    assert_eq!(scene.refused(&mut ann, "nonsense"), "malformed");
    assert_eq!(
        scene.refused(&mut ann, r#"{"type":"lock","locked":true}"#),
        "forbidden"
    );
    pong(&mut scene, &mut ann, 4);
}

#[test]
fn a_resume_repeats_what_was_missed_once_each_and_tells_what_had_arrived() {
    let mut scene = Scene::new();
    let mut ann = scene.join("ann", Role::Speaker);
    let mut bob = scene.join("bob", Role::Speaker);
    assert_eq!(scene.kinds(&ann), ["participant_joined"]);
    for number in 1..=3 {
        scene.say(&mut bob, json!({"type":"message","data":number}));
    }
    scene.say(&mut ann, json!({"type":"message","data":"last words"}));
    // Ann got the first two of four: the newcomer and a message.
    scene.hear(&ann);
    scene.break_off(&ann);
    scene.say(&mut bob, json!({"type":"message","data":4}));
    let (back, heard) = scene.resume(&ann.joined, 2).unwrap();
    assert_eq!(
        (&back.joined["you"], &back.joined["resumed"]),
        (&ann.joined["you"], &json!(true))
    );
    assert_eq!(back.joined["resume"]["received"], 1);
    assert_ne!(back.joined["resume"]["token"], ann.joined["resume"]["token"]);
    assert_eq!(
        heard
            .iter()
            .map(|message| message["data"].clone())
            .collect::<Vec<_>>(),
        [2, 3, 4]
    );

    scene.break_off(&back);
    let (_, heard) = scene.resume(&back.joined, 5).unwrap();
    assert_eq!(heard, Vec::<Value>::new(), "nothing twice");
    let bob_saw: Vec<_> = scene
        .hear(&bob)
        .iter()
        .filter_map(|m| m["participant"]["away"].as_bool())
        .collect();
    assert_eq!(bob_saw, [true, false, true, false]);
}

#[test]
fn a_session_whose_missed_messages_are_no_longer_kept_is_lost() {
    let mut scene = Scene::new();
    let ann = scene.join("ann", Role::Speaker);
    let mut bob = scene.join("bob", Role::Speaker);
    scene.break_off(&ann);
    let lost = Refusal::Room(RoomRefusal::SessionLost);
    assert_eq!(
        scene.resume(&ann.joined, 100).err(),
        Some(lost),
        "what was never sent cannot have been received"
    );
    // The eighth and what Bob's arrival made are nine: one too many.
    for number in 0..8 {
        scene.say(&mut bob, json!({"type":"message","data":number}));
    }
    assert_eq!(scene.resume(&ann.joined, 0).err(), Some(lost));
    let again = scene.join("ann", Role::Speaker);
    assert_eq!(
        again.joined["participants"].as_array().unwrap().len(),
        2,
        "and joining afresh takes the seat"
    );
}

#[test]
fn a_resume_over_a_connection_that_still_hangs_takes_the_session_over() {
    let mut scene = Scene::new();
    let mut ann = scene.join("ann", Role::Speaker);
    let bob = scene.join("bob", Role::Speaker);
    let (back, _) = scene.resume(&ann.joined, 0).unwrap();
    let (heard, taken) = scene.take(&ann);
    assert!(
        heard.is_empty() && matches!(taken, Taken::Ended(_)),
        "the old connection closes"
    );
    scene.say(&mut ann, json!({"type":"leave"}));
    scene.break_off(&ann);
    assert!(
        scene.hear(&bob).is_empty(),
        "what the old connection does no longer counts"
    );
    assert_eq!(scene.hall.room().participants().len(), 2);
    assert!(scene.hear(&back).is_empty());
}

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
fn a_vanished_person_times_out_and_the_session_is_gone() {
    let mut scene = Scene::new();
    let ann = scene.join("ann", Role::Speaker);
    let bob = scene.join("bob", Role::Speaker);
    scene.break_off(&ann);
    assert!(scene.hall.take_changed());
    for seconds in [18, 30] {
        scene.now = Moment::default() + Duration::from_secs(seconds);
        scene
            .hall
            .change(&scene.world, scene.now, |room| room.handle_timeout(scene.now));
    }
    assert_eq!(scene.kinds(&bob), ["participant_updated", "participant_left"]);
    assert_eq!(
        scene.resume(&ann.joined, 0).err(),
        Some(Refusal::Room(RoomRefusal::SessionLost))
    );
}

#[test]
fn leaving_for_another_reason_says_so_and_closes_by_the_reason() {
    for (reason, word, code) in [
        (LeaveReason::RoomClosed, "room_closed", close_code::NORMAL),
        (
            LeaveReason::ServerStopping,
            "server_stopping",
            close_code::GOING_AWAY,
        ),
    ] {
        let mut scene = Scene::new();
        let ann = scene.join("ann", Role::Speaker);
        scene
            .hall
            .change(&scene.world, scene.now, |room| room.close(reason, scene.now));
        let (said, taken) = scene.take(&ann);
        assert_eq!(said, [format!(r#"{{"type":"left","reason":"{word}"}}"#)]);
        assert!(matches!(taken, Taken::Ended(ending) if ending.code == code));
        assert_eq!(scene.take(&ann).0, Vec::<String>::new());
    }
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
