//! People of other doors in a hall: who hears what of whom, and that a room of theirs stays one for two.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::{Scene, id};
use trefoil_auth::Role;
use trefoil_native::{Manner, Overflow, Refusal, Said, Visitor, Word};
use trefoil_room::{Entrance, Event, LeaveReason, ParticipantId, Refusal as RoomRefusal};
use trefoil_wire::{Dialect, Part};

/// Keeps what it is told, up to a number of words.
#[derive(Clone, Debug, Default)]
struct Ear {
    heard: Arc<Mutex<Vec<Word>>>,
    deaf_after: Option<usize>,
}

impl Visitor for Ear {
    fn door(&self) -> &'static str {
        "test"
    }

    fn manner(&self) -> Manner {
        Manner::Called
    }

    fn tell(&mut self, word: Word) -> Result<(), Overflow> {
        let mut heard = self.heard.lock().unwrap();
        if self.deaf_after.is_some_and(|most| heard.len() >= most) {
            return Err(Overflow);
        }
        heard.push(word);
        Ok(())
    }
}

impl Ear {
    fn take(&self) -> Vec<Word> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    fn parts(&self) -> Vec<Part> {
        let said = self.take().into_iter().filter_map(|word| match word {
            Word::Said(said) => Some(said.parts.to_vec()),
            Word::Event(_) | Word::CallLost => None,
        });
        said.flatten().collect()
    }
}

fn entrance(identity: &str) -> Entrance {
    Entrance {
        identity: identity.into(),
        name: identity.into(),
        role: Role::Speaker,
        permissions: Role::Speaker.permissions(),
        hidden: false,
        served: false,
    }
}

fn visit(scene: &mut Scene, identity: &str) -> Result<(ParticipantId, Ear), Refusal> {
    let ear = Ear::default();
    let visit = scene
        .hall
        .visit(entrance(identity), Box::new(ear.clone()), &scene.world, scene.now)?;
    Ok((visit.id, ear))
}

fn says(scene: &mut Scene, from: ParticipantId, message: Value) {
    let said = Said {
        from,
        door: "test",
        raw: Arc::new(message.clone()),
        parts: vec![Dialect::Labelled.read(message)].into(),
    };
    scene.hall.visitor_says(&said, &scene.world, scene.now).unwrap();
}

const FULL: Refusal = Refusal::Room(RoomRefusal::RoomFull { limit: 2 });

#[test]
fn a_visitor_is_a_participant_like_any_other() {
    let mut scene = Scene::new();
    let ann = scene.join("ann", Role::Speaker);
    let (bob, ear) = visit(&mut scene, "bob").unwrap();
    assert_eq!(
        (scene.hall.door_of(ann.at.id), scene.hall.door_of(bob)),
        ("native", "test")
    );
    let told = scene.hear(&ann).remove(0);
    assert_eq!(told["type"], "participant_joined");
    assert_eq!(told["participant"]["id"], bob.to_string());
    scene
        .hall
        .visitor_leaves(bob, LeaveReason::Left, &scene.world, scene.now);
    assert_eq!(scene.hear(&ann)[0]["type"], "participant_left");
    assert!(ear.take().is_empty());
    assert_eq!(scene.hall.room().participants().len(), 1);
}

#[test]
fn a_signal_is_translated_both_ways_and_an_answer_names_the_connection_of_the_offer() {
    let mut scene = Scene::new();
    let mut ann = scene.join("ann", Role::Speaker);
    let (bob, ear) = visit(&mut scene, "bob").unwrap();
    scene.hear(&ann);
    let offer = json!({"connection": "7-9", "description": {"type": "offer", "sdp": "v=0"}, "tracks": {}});
    scene.say(
        &mut ann,
        json!({"type": "signal", "to": bob.to_string(), "data": offer}),
    );
    let parts = ear.parts();
    assert_eq!(
        Dialect::Labelled.message(&parts[0]),
        json!({"type": "offer", "sdp": "v=0"})
    );
    says(&mut scene, bob, json!({"type": "answer", "sdp": "v=1"}));
    says(
        &mut scene,
        bob,
        json!({"type": "candidate", "label": 0, "id": "0", "candidate": "c"}),
    );
    let heard = scene.hear(&ann);
    assert_eq!(
        heard[0],
        json!({"type": "signal", "from": bob.to_string(), "data": {"description": {"type": "answer", "sdp": "v=1"}, "connection": "7-9"}})
    );
    assert_eq!(heard[1]["data"]["candidates"][0]["candidate"], "c");
    assert_eq!(heard[1]["data"]["connection"], "7-9");
}

#[test]
fn words_that_are_no_signal_are_messages_and_need_the_permission() {
    let mut scene = Scene::new();
    let mut ann = scene.join("ann", Role::Speaker);
    let (bob, ear) = visit(&mut scene, "bob").unwrap();
    scene.hear(&ann);
    says(&mut scene, bob, json!({"text": "hello"}));
    assert_eq!(
        scene.hear(&ann)[0],
        json!({"type": "message", "from": bob.to_string(), "data": {"text": "hello"}})
    );
    scene.say(&mut ann, json!({"type": "message", "data": [1]}));
    assert_eq!(ear.parts(), [Part::Other(json!([1]))]);
}

#[test]
fn two_visitors_hear_each_other_verbatim() {
    let mut scene = Scene::new();
    let (ann, _) = visit(&mut scene, "ann").unwrap();
    let (_, ear) = visit(&mut scene, "bob").unwrap();
    says(&mut scene, ann, json!({"type": "offer", "sdp": "x", "more": 1}));
    let Word::Said(said) = ear.take().remove(0) else {
        panic!("no words")
    };
    assert_eq!(said.from, ann);
    assert_eq!(
        said.raw.downcast_ref::<Value>().unwrap(),
        &json!({"type": "offer", "sdp": "x", "more": 1})
    );
}

#[test]
fn a_room_with_a_visitor_is_a_room_for_two_whoever_comes() {
    let mut scene = Scene::new();
    let (_, first) = visit(&mut scene, "ann").unwrap();
    scene.join("bob", Role::Speaker);
    assert!(matches!(first.take().as_slice(), [Word::Event(Event::Joined(_))]));
    assert_eq!(visit(&mut scene, "cem").err(), Some(FULL));
    let refused = scene.hall.join(entrance("dan"), &scene.world, scene.now).err();
    assert_eq!(refused, Some(FULL));
    assert_eq!(scene.hall.may_join("dan", None, scene.now), Err(FULL));
    let unseen = Entrance {
        hidden: true,
        served: false,
        ..entrance("bob")
    };
    assert_eq!(
        scene.hall.join(unseen.clone(), &scene.world, scene.now).err(),
        Some(FULL)
    );
    let refused = Scene::new()
        .hall
        .visit(unseen, Box::new(Ear::default()), &scene.world, scene.now);
    assert_eq!(
        refused.err(),
        Some(Refusal::Room(RoomRefusal::Forbidden("publish")))
    );
    // Who has a seat may take it again.
    assert_eq!(scene.hall.may_join("bob", None, scene.now), Ok(()));
}

#[test]
fn a_seat_that_a_visitor_took_is_not_resumed() {
    let mut scene = Scene::new();
    let ann = scene.join("ann", Role::Speaker);
    let bob = scene.join("bob", Role::Speaker);
    scene.break_off(&bob);
    scene.now = scene.now + std::time::Duration::from_secs(20);
    let now = scene.now;
    scene
        .hall
        .change(&scene.world, now, |room| room.handle_timeout(now));
    visit(&mut scene, "cem").unwrap();
    assert_eq!(scene.resume(&bob.joined, 0).err(), Some(FULL));
    assert_eq!(scene.hall.room().participants().len(), 2);
    drop(ann);
}

#[test]
fn a_visitor_who_does_not_read_loses_the_seat() {
    let mut scene = Scene::new();
    let ear = Ear {
        deaf_after: Some(2),
        ..Ear::default()
    };
    let bob = scene
        .hall
        .visit(entrance("bob"), Box::new(ear), &scene.world, scene.now)
        .unwrap()
        .id;
    let mut ann = scene.join("ann", Role::Speaker);
    for _ in 0..3 {
        scene.say(&mut ann, json!({"type": "message", "data": 1}));
    }
    let left = scene.hear(&ann).pop().unwrap();
    assert_eq!(
        left,
        json!({"type": "participant_left", "participant": bob.to_string(), "reason": "too_slow"})
    );
    assert_eq!(*scene.world.0.borrow(), ["too_slow"]);
}

#[test]
fn a_kicked_visitor_is_told_so_and_hears_nothing_more() {
    let mut scene = Scene::new();
    let mut ann = scene.join("ann", Role::Moderator);
    let (bob, ear) = visit(&mut scene, "bob").unwrap();
    scene.say(&mut ann, json!({"type": "kick", "participant": bob.to_string()}));
    scene.say(&mut ann, json!({"type": "message", "data": 1}));
    assert!(matches!(
        ear.take().as_slice(),
        [Word::Event(Event::Ended(LeaveReason::Kicked))]
    ));
    assert_ne!(id(&ann), bob.to_string());
}
