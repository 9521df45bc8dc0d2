//! People of other doors in a room whose media goes through the server: that is "the other" to them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::Scene;
use trefoil_auth::Role;
use trefoil_native::{CallWord, Manner, MediaWord, Overflow, Refusal, Said, Visit, Visitor, Word};
use trefoil_room::{
    Entrance, Event, LeaveReason, ParticipantId, Refusal as RoomRefusal, SettingsChange, Topology,
};
use trefoil_wire::{Description, DescriptionKind, Dialect, MediaAsk};

/// Keeps what it is told.
#[derive(Clone, Debug)]
struct Ear(Arc<Mutex<Vec<Word>>>, Manner);

impl Visitor for Ear {
    fn door(&self) -> &'static str {
        "test"
    }

    fn manner(&self) -> Manner {
        self.1
    }

    fn tell(&mut self, word: Word) -> Result<(), Overflow> {
        self.0.lock().unwrap().push(word);
        Ok(())
    }
}

impl Ear {
    /// What was told, in short.
    fn take(&self) -> Vec<String> {
        let words = std::mem::take(&mut *self.0.lock().unwrap());
        let short = |word: Word| match word {
            Word::Event(Event::Ended(reason)) => format!("ended {reason:?}"),
            Word::Event(Event::Joined(participant)) => format!("joined {}", participant.identity),
            Word::Event(Event::Left { .. }) => "left".to_owned(),
            Word::Event(_) => "event".to_owned(),
            Word::Said(said) if said.parts.is_empty() => "raw".to_owned(),
            Word::Said(said) => Dialect::Labelled.message(&said.parts[0]).to_string(),
            Word::CallLost => "lost".to_owned(),
        };
        words.into_iter().map(short).collect()
    }
}

fn topology(topology: Topology) -> SettingsChange {
    SettingsChange {
        topology: Some(topology),
        ..SettingsChange::default()
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

fn visit_as(scene: &mut Scene, identity: &str, manner: Manner) -> Result<(Visit, Ear), Refusal> {
    let ear = Ear(Arc::default(), manner);
    let visitor = Box::new(ear.clone());
    let visit = scene
        .hall
        .visit(entrance(identity), visitor, &scene.world, scene.now)?;
    Ok((visit, ear))
}

fn visit(scene: &mut Scene, identity: &str) -> (ParticipantId, Ear) {
    let (visit, ear) = visit_as(scene, identity, Manner::Called).unwrap();
    (visit.id, ear)
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

fn server_says(scene: &mut Scene, to: ParticipantId, word: CallWord) -> bool {
    scene.hall.call_says(to, word, &scene.world, scene.now)
}

fn called(kind: DescriptionKind) -> CallWord {
    CallWord::Says(Description {
        kind,
        sdp: "v=9".into(),
    })
}

#[test]
fn whoever_waits_for_a_call_finds_one_other_inside_and_the_media_server_calls() {
    let mut scene = Scene::with(topology(Topology::Sfu));
    for name in ["ann", "bob", "cem"] {
        let (visit, ear) = visit_as(&mut scene, name, Manner::Called).unwrap();
        assert_eq!((visit.others, visit.served), (1, true), "{name}");
        assert_eq!(scene.asked(), [(visit.id, MediaWord::Calls(None))]);
        assert!(server_says(&mut scene, visit.id, called(DescriptionKind::Offer)));
        assert_eq!(ear.take(), [r#"{"type":"offer","sdp":"v=9"}"#]);
        says(&mut scene, visit.id, json!({"type": "answer", "sdp": "v=1"}));
        let answer = MediaAsk::Answer { sdp: "v=1".into() };
        assert_eq!(scene.asked(), [(visit.id, MediaWord::Asks(answer))]);
    }
    assert_eq!(scene.hall.room().participants().len(), 3);
}

#[test]
fn whoever_calls_is_answered_by_the_media_server() {
    let mut scene = Scene::with(topology(Topology::Mixed));
    let (visit, ear) = visit_as(&mut scene, "ann", Manner::Calls).unwrap();
    assert!(visit.served && scene.asked().is_empty());
    says(&mut scene, visit.id, json!({"type": "offer", "sdp": "v=1"}));
    assert_eq!(scene.asked(), [(visit.id, MediaWord::Calls(Some("v=1".into())))]);
    server_says(&mut scene, visit.id, called(DescriptionKind::Answer));
    assert_eq!(ear.take(), [r#"{"type":"answer","sdp":"v=9"}"#]);
}

#[test]
fn words_of_a_call_go_to_nobody_else_and_messages_go_to_all() {
    let mut scene = Scene::with(topology(Topology::Sfu));
    let mut own = scene.join("own", Role::Speaker);
    let ((ann, heard), (bob, ear)) = (visit(&mut scene, "ann"), visit(&mut scene, "bob"));
    scene.hear(&own);
    scene.asked();
    for call in [
        json!({"type": "candidate", "label": 0, "id": "0", "candidate": "c"}),
        json!({"type": "remove-candidates", "candidates": []}),
        json!({"type": "bye"}),
        json!({"type": "pranswer", "sdp": "v=1"}),
    ] {
        says(&mut scene, ann, call);
    }
    scene.say(&mut own, json!({"type": "signal", "to": bob.to_string(), "data": {"description": {"type": "offer", "sdp": ""}}}));
    assert!(scene.asked().is_empty() && ear.take().is_empty() && scene.hear(&own).is_empty());
    says(&mut scene, ann, json!({"text": "hello"}));
    assert_eq!(scene.hear(&own)[0]["data"], json!({"text": "hello"}));
    scene.say(&mut own, json!({"type": "message", "data": 7}));
    assert_eq!(ear.take(), [r#"{"text":"hello"}"#, "7"]);
    assert_eq!(heard.take(), ["7"]);
    // An event of the visitors' own protocol is for them alone.
    let raw = Said {
        from: ann,
        door: "test",
        raw: Arc::new(()),
        parts: Arc::new([]),
    };
    scene.hall.visitor_says(&raw, &scene.world, scene.now).unwrap();
    assert_eq!((ear.take(), scene.hear(&own).len()), (vec!["raw".to_owned()], 0));
}

#[test]
fn whoever_comes_and_goes_is_no_business_of_those_who_know_one_other() {
    let mut scene = Scene::with(topology(Topology::Sfu));
    let ((ann, ear), (_, crowd)) = (
        visit(&mut scene, "ann"),
        visit_as(&mut scene, "all", Manner::Gathers).unwrap(),
    );
    let (bob, _) = visit(&mut scene, "bob");
    scene
        .hall
        .visitor_leaves(bob, LeaveReason::Left, &scene.world, scene.now);
    assert!(ear.take().is_empty());
    assert_eq!(crowd.take(), ["joined bob", "left"]);
    scene
        .hall
        .change(&scene.world, scene.now, |room| room.remove(ann, scene.now))
        .unwrap();
    assert_eq!(ear.take(), ["ended Kicked"]);
}

#[test]
fn a_lost_call_is_told_and_a_description_that_is_of_no_use_ends_the_stay() {
    let mut scene = Scene::with(topology(Topology::Sfu));
    let own = scene.join("own", Role::Speaker);
    let (ann, ear) = visit(&mut scene, "ann");
    assert!(server_says(&mut scene, ann, CallWord::Lost));
    assert_eq!(ear.take(), ["lost"]);
    assert!(server_says(&mut scene, ann, CallWord::Refused("unusable_sdp")));
    assert_eq!(ear.take(), ["ended Misbehaved"]);
    assert_eq!(*scene.world.0.borrow(), ["unusable_sdp"]);
    // Who is gone, or came through our own door, is none of this.
    assert!(!server_says(&mut scene, ann, CallWord::Lost));
    assert!(!server_says(&mut scene, own.at.id, CallWord::Lost));
}

#[test]
fn a_room_that_may_choose_is_for_two_with_a_visitor_and_lets_one_in_as_the_third_to_two_of_our_own() {
    let full = Refusal::Room(RoomRefusal::RoomFull { limit: 2 });
    let mut scene = Scene::with(topology(Topology::Auto));
    let (visit, _) = visit_as(&mut scene, "ann", Manner::Called).unwrap();
    assert_eq!((visit.others, visit.served), (0, false));
    scene.join("bob", Role::Speaker);
    assert_eq!(visit_as(&mut scene, "cem", Manner::Called).err(), Some(full));
    assert_eq!(visit_as(&mut scene, "cem", Manner::Gathers).err(), Some(full));
    let mut scene = Scene::with(topology(Topology::Auto));
    let (ann, _) = (scene.join("ann", Role::Speaker), scene.join("bob", Role::Speaker));
    scene.hear(&ann);
    let (visit, _) = visit_as(&mut scene, "cem", Manner::Called).unwrap();
    assert_eq!((visit.others, visit.served), (1, true));
    let told = scene.hear(&ann);
    assert_eq!(told[1]["room"]["topology"], "sfu", "{told:?}");
    scene.asked();
    scene.join("dan", Role::Speaker);
    assert_eq!(scene.hall.room().participants().len(), 4);
}

#[test]
fn whoever_needs_the_media_server_makes_a_room_that_may_choose_go_through_it() {
    let mut scene = Scene::with(topology(Topology::Auto));
    let ann = scene.join("ann", Role::Speaker);
    let (visit, _) = visit_as(&mut scene, "bob", Manner::Gathers).unwrap();
    assert_eq!((visit.others, visit.served), (1, true));
    assert_eq!(scene.hear(&ann)[1]["room"]["topology"], "sfu");
    let mut scene = Scene::with(topology(Topology::P2p));
    let refused = visit_as(&mut scene, "bob", Manner::Gathers).err();
    assert_eq!(
        refused,
        Some(Refusal::Room(RoomRefusal::UnsupportedTopology(Topology::P2p)))
    );
}

#[test]
fn an_encrypted_room_is_not_for_visitors() {
    for topology in [Topology::P2p, Topology::Sfu] {
        let mut scene = Scene::with(SettingsChange {
            topology: Some(topology),
            encrypted: Some(true),
            ..SettingsChange::default()
        });
        let refused = visit_as(&mut scene, "ann", Manner::Called).err();
        assert_eq!(refused, Some(Refusal::Room(RoomRefusal::RoomEncrypted)));
    }
}

#[test]
fn visitors_whose_other_would_become_somebody_else_find_their_stay_over() {
    let mut scene = Scene::with(topology(Topology::P2p));
    let own = scene.join("own", Role::Speaker);
    let (_, ear) = visit(&mut scene, "ann");
    scene.hall.change(&scene.world, scene.now, |room| {
        room.configure(topology(Topology::Sfu));
    });
    assert_eq!(ear.take(), ["ended RoomClosed"]);
    let (_, ear) = visit(&mut scene, "ann");
    scene.hall.change(&scene.world, scene.now, |room| {
        room.configure(SettingsChange {
            member_limit: Some(20),
            ..SettingsChange::default()
        });
    });
    assert!(ear.take().is_empty());
    scene.hall.change(&scene.world, scene.now, |room| {
        room.configure(topology(Topology::P2p));
    });
    assert_eq!(ear.take().last().unwrap(), "ended RoomClosed");
    assert_eq!(scene.hall.room().participants().len(), 1);
    drop(own);
}

#[test]
fn a_watcher_unseen_may_be_beside_visitors_where_the_media_server_is_the_other() {
    let mut scene = Scene::with(topology(Topology::Sfu));
    visit(&mut scene, "ann");
    scene.join_hidden("eve");
    assert_eq!(scene.hall.room().participants().len(), 2);
}

#[test]
fn a_visitor_mutes_and_asks_for_themselves() {
    let mut scene = Scene::with(topology(Topology::Mixed));
    let own = scene.join("own", Role::Speaker);
    let (visit, _) = visit_as(&mut scene, "ann", Manner::Gathers).unwrap();
    scene.hear(&own);
    scene
        .hall
        .visitor_mutes(visit.id, true, &scene.world, scene.now)
        .unwrap();
    assert_eq!(scene.hear(&own)[0]["participant"]["muted"]["audio"], true);
    let ask = MediaAsk::Answer { sdp: String::new() };
    assert_eq!(
        scene.hall.visitor_asks(visit.id, ask.clone(), &scene.world),
        Ok(())
    );
    assert_eq!(scene.asked(), [(visit.id, MediaWord::Asks(ask.clone()))]);
    let nobody = scene.hall.visitor_asks(own.at.id, ask, &scene.world);
    assert_eq!(nobody, Err(Refusal::NoMediaServer));
}
