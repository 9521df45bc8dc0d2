//! Halls without sockets: who hears what, what is counted, what a resume repeats.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::*;
use trefoil_auth::Role;
use trefoil_native::{Refusal, Taken, close_code};
use trefoil_room::{LeaveReason, Moment, Refusal as RoomRefusal};

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
fn whoever_watches_unseen_sees_the_others_and_is_in_nobodys_list() {
    let mut scene = Scene::new();
    let ann = scene.join("ann", Role::Speaker);
    scene.hear(&ann);
    let eve = scene.join_hidden("eve");
    let inside = eve.joined["participants"].as_array().unwrap();
    let hidden: Vec<_> = inside
        .iter()
        .filter(|one| one["hidden"] == json!(true))
        .map(|one| &one["id"])
        .collect();
    assert_eq!((inside.len(), hidden), (2, vec![&eve.joined["you"]]));
    let bob = scene.join("bob", Role::Speaker);
    assert_eq!(bob.joined["participants"].as_array().unwrap().len(), 2);
    assert_eq!(scene.hear(&eve)[0]["type"], "participant_joined");
    assert_eq!(scene.hear(&ann).len(), 1, "Ann is told of Bob only");
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
    // Bob has read nothing meanwhile: of what is news of Ann, the last is all that he needs.
    let bob_saw: Vec<_> = scene
        .hear(&bob)
        .iter()
        .filter_map(|m| m["participant"]["away"].as_bool())
        .collect();
    assert_eq!(bob_saw, [false]);
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
fn left_is_the_last_message_whatever_is_said_afterwards() {
    let mut scene = Scene::new();
    let mut moderator = scene.join("mo", Role::Moderator);
    let ann = scene.join("ann", Role::Speaker);
    scene.say(&mut moderator, json!({"type":"message","data":"before"}));
    scene.say(&mut moderator, json!({"type":"kick","participant":id(&ann)}));
    scene.say(&mut moderator, json!({"type":"message","data":"after"}));
    scene.say(&mut moderator, json!({"type":"lock","locked":true}));
    assert_eq!(scene.kinds(&ann), ["message", "left"]);
}

#[test]
fn whoever_replaces_themselves_hears_of_nobody_who_left() {
    let mut scene = Scene::new();
    let old = scene.join("ann", Role::Speaker);
    let bob = scene.join("bob", Role::Speaker);
    let new = scene.join("ann", Role::Speaker);
    assert_eq!(scene.kinds(&bob), ["participant_left", "participant_joined"]);
    assert_eq!(scene.kinds(&old), ["participant_joined", "left"]);
    assert_eq!(new.joined["participants"].as_array().unwrap().len(), 2);
    assert!(scene.hear(&new).is_empty());
}

#[test]
fn where_people_encrypt_end_to_end_nobody_is_given_a_mix() {
    let mut scene = Scene::new();
    let change = trefoil_room::SettingsChange {
        encrypted: Some(true),
        ..trefoil_room::SettingsChange::default()
    };
    let (hall, world, now) = (&mut scene.hall, &scene.world, scene.now);
    hall.change(world, now, |room| room.configure(change));
    let mut ann = scene.join("ann", Role::Speaker);
    assert_eq!(ann.joined["room"]["encrypted"], json!(true));
    scene.say(&mut ann, json!({"type":"hear","audio":"mixed"}));
    let heard = &scene.hear(&ann)[0];
    assert_eq!(
        (&heard["code"], &heard["of"]),
        (&json!("room_encrypted"), &json!("hear"))
    );
}
