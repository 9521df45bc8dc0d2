//! A room: who gets a seat, who may do what, who is told.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use support::*;
use trefoil_auth::{Permission, Role};
use trefoil_room::{
    Audience, Entrance, Event, LeaveReason, Muted, MutedChange, Output, ParticipantId, Refusal, Room,
    RoomSettings, RoomView, Rules, SettingsChange, Topology,
};

#[test]
fn the_others_are_told_of_a_newcomer_and_the_newcomer_is_in_the_list() {
    let mut room = room();
    let seat = join(&mut room, "ann").unwrap();
    let ann = room.participant(seat.id).unwrap().clone();
    assert_eq!(
        (&*ann.identity, ann.role, ann.muted, ann.away),
        ("ann", Role::Speaker, Muted::default(), false)
    );
    assert_eq!(
        told(&mut room),
        [Output {
            to: Audience::Others(seat.id),
            event: Event::Joined(ann)
        }]
    );
    assert_eq!(room.participants().len(), 1);
}

#[test]
fn one_more_than_there_are_seats_is_refused() {
    let mut room = room();
    for identity in ["a", "b", "c"] {
        join(&mut room, identity).unwrap();
    }
    assert_eq!(join(&mut room, "d"), Err(Refusal::RoomFull { limit: 3 }));
    assert_eq!(room.participants().len(), 3);
    room.configure(SettingsChange {
        member_limit: Some(1),
        ..SettingsChange::default()
    });
    assert_eq!(room.participants().len(), 3, "nobody loses a seat");
    assert_eq!(join(&mut room, "d"), Err(Refusal::RoomFull { limit: 1 }));
}

/// FAULTS W14: one identity, one seat, at every moment; also in a full or locked room.
#[test]
fn the_same_identity_takes_its_seat_again_also_in_a_full_and_locked_room() {
    let mut room = room();
    let seats: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|identity| join(&mut room, identity).unwrap())
        .collect();
    room.configure(SettingsChange {
        locked: Some(true),
        ..SettingsChange::default()
    });
    told(&mut room);
    let again = join(&mut room, "b").unwrap();
    assert_ne!(again.id, seats[1].id);
    let joined = Event::Joined(room.participant(again.id).unwrap().clone());
    let mut expected = left(seats[1].id, LeaveReason::Replaced);
    expected.push(Output {
        to: Audience::Others(again.id),
        event: joined,
    });
    assert_eq!(told(&mut room), expected);
    assert_eq!(room.participants().len(), 3);
    assert_eq!(
        room.resume(seats[1].id, seats[1].secret, at(1)),
        Err(Refusal::SessionLost)
    );
}

#[test]
fn a_locked_room_lets_nobody_new_in() {
    let (mut room, moderator, _) = two();
    assert_eq!(room.lock(moderator.id, true), Ok(()));
    assert_eq!(
        told(&mut room),
        [Output {
            to: Audience::Everybody,
            event: Event::RoomUpdated(room.view().clone())
        }]
    );
    assert!(room.view().settings.locked);
    assert_eq!(join(&mut room, "bob"), Err(Refusal::RoomLocked));
    room.lock(moderator.id, true).unwrap();
    assert_eq!(told(&mut room), [], "what changes nothing is not told");
    room.lock(moderator.id, false).unwrap();
    assert!(join(&mut room, "bob").is_ok());
}

#[test]
fn topologies_that_cannot_be_done_yet_are_refused_by_name() {
    for topology in [Topology::Sfu, Topology::Mixed] {
        let mut room = room();
        room.configure(SettingsChange {
            topology: Some(topology),
            ..SettingsChange::default()
        });
        let refusal = join(&mut room, "ann").unwrap_err();
        assert_eq!(refusal, Refusal::UnsupportedTopology(topology));
        assert!(refusal.to_string().contains(topology.name()), "{refusal}");
    }
}

#[test]
fn names_that_do_not_show_or_do_not_fit_are_refused() {
    let mut room = room();
    let wrong = |identity: &str, name: &str| Entrance {
        name: name.into(),
        ..somebody(identity, Role::Viewer)
    };
    assert_eq!(
        room.join(wrong("ann", "\u{202e}"), at(0)),
        Err(Refusal::InvalidName { what: "display name" })
    );
    assert_eq!(
        room.join(wrong("", "Ann"), at(0)),
        Err(Refusal::InvalidName { what: "identity" })
    );
    let seat = join(&mut room, "ann").unwrap();
    let refused = room.update(seat.id, Some("a\0"), MutedChange::default());
    assert_eq!(refused, Err(Refusal::InvalidName { what: "display name" }));
}

/// FAULTS W12: what needs a permission is refused without it, and changes nothing.
#[test]
fn without_the_permission_nothing_is_moderated_and_nothing_is_said_to_all() {
    let (mut room, moderator, ann) = two();
    let forbidden = Err(Refusal::Forbidden("moderate"));
    assert_eq!(room.kick(moderator.id, ann.id, at(1)), forbidden);
    assert_eq!(room.mute(moderator.id, ann.id, true, true), forbidden);
    assert_eq!(room.change_role(ann.id, ann.id, Role::Moderator), forbidden);
    assert_eq!(room.lock(ann.id, true), forbidden);
    assert_eq!(told(&mut room), []);
    let nothing = Entrance {
        permissions: [].into_iter().collect(),
        hidden: false,
        served: false,
        ..somebody("bob", Role::Moderator)
    };
    let bob = room.join(nothing, at(1)).unwrap();
    assert_eq!(room.route_message(bob.id), Err(Refusal::Forbidden("message")));
    assert_eq!(
        room.route_signal(bob.id, ann.id),
        Ok(()),
        "an answer to an offer needs no permission"
    );
    assert_eq!(room.route_message(ann.id), Ok(()));
}

#[test]
fn a_moderator_mutes_and_everybody_sees_it() {
    let (mut room, moderator, ann) = two();
    room.mute(ann.id, moderator.id, true, false).unwrap();
    let updated = room.participant(ann.id).unwrap().clone();
    assert_eq!(
        updated.muted,
        Muted {
            audio: true,
            video: false
        }
    );
    let mute = Event::Mute {
        from: moderator.id,
        audio: true,
        video: false,
    };
    let expected = [
        Output {
            to: Audience::One(ann.id),
            event: mute,
        },
        Output {
            to: Audience::Everybody,
            event: Event::Updated(updated),
        },
    ];
    assert_eq!(told(&mut room), expected);
    room.mute(ann.id, moderator.id, false, false).unwrap();
    assert_eq!(told(&mut room), [], "nobody is unmuted from afar");
    assert!(room.participant(ann.id).unwrap().muted.audio);
}

#[test]
fn another_role_brings_its_own_permissions() {
    let (mut room, moderator, ann) = two();
    room.change_role(ann.id, moderator.id, Role::Moderator).unwrap();
    let updated = room.participant(ann.id).unwrap().clone();
    assert_eq!(
        told(&mut room),
        [Output {
            to: Audience::Everybody,
            event: Event::Updated(updated)
        }]
    );
    room.change_role(moderator.id, ann.id, Role::Viewer).unwrap();
    assert_eq!(room.lock(moderator.id, true), Err(Refusal::Forbidden("moderate")));
}

#[test]
fn an_update_is_told_to_the_others() {
    let (mut room, _, ann) = two();
    let change = MutedChange {
        audio: None,
        video: Some(true),
    };
    room.update(ann.id, Some(" Ann B. "), change).unwrap();
    let updated = room.participant(ann.id).unwrap().clone();
    assert_eq!(
        (&*updated.name, updated.muted),
        (
            "Ann B.",
            Muted {
                audio: false,
                video: true
            }
        )
    );
    assert_eq!(
        told(&mut room),
        [Output {
            to: Audience::Others(ann.id),
            event: Event::Updated(updated)
        }]
    );
}

/// FAULTS W16: whoever is not here cannot be reached, wherever else they are.
#[test]
fn nobody_who_is_not_here_is_reached() {
    let (mut room, moderator, ann) = two();
    let nobody = ParticipantId::from_number(1);
    assert_eq!(room.route_signal(ann.id, nobody), Err(Refusal::NoSuchParticipant));
    assert_eq!(room.route_signal(nobody, ann.id), Err(Refusal::NoSuchParticipant));
    assert_eq!(
        room.mute(nobody, moderator.id, true, true),
        Err(Refusal::NoSuchParticipant)
    );
    assert_eq!(
        room.change_role(nobody, moderator.id, Role::Viewer),
        Err(Refusal::NoSuchParticipant)
    );
    assert_eq!(room.remove(nobody, at(0)), Err(Refusal::NoSuchParticipant));
    room.leave(ann.id, LeaveReason::Left, at(0));
    assert_eq!(
        room.route_signal(moderator.id, ann.id),
        Err(Refusal::NoSuchParticipant)
    );
}

#[test]
fn every_refusal_says_what_to_do_and_has_a_code_of_its_own() {
    let all = [
        (Refusal::Forbidden("moderate"), "forbidden", None),
        (Refusal::InvalidName { what: "room" }, "invalid_name", None),
        (Refusal::RoomFull { limit: 2 }, "room_full", Some(10)),
        (Refusal::RoomLocked, "room_locked", None),
        (Refusal::RoomLimit { limit: 2 }, "room_limit", None),
        (Refusal::NamespaceLimit { limit: 2 }, "room_limit", None),
        (Refusal::NoSuchRoom, "no_such_room", None),
        (
            Refusal::Kicked {
                retry_after_seconds: 7,
            },
            "kicked",
            Some(7),
        ),
        (
            Refusal::UnsupportedTopology(Topology::Sfu),
            "unsupported_topology",
            None,
        ),
        (Refusal::SessionLost, "session_lost", None),
        (Refusal::NoSuchParticipant, "no_such_participant", None),
    ];
    for (refusal, code, retry) in all {
        assert_eq!((refusal.code(), refusal.retry_after_seconds()), (code, retry));
        assert!(
            refusal.to_string().contains(';'),
            "{refusal}: what is wrong; what to do"
        );
    }
}

#[test]
fn nobody_is_told_of_somebody_who_watches_unseen() {
    let (mut room, moderator, speaker) = two();
    let hidden = Entrance {
        hidden: true,
        served: false,
        ..somebody("eve", Role::Moderator)
    };
    let eve = room.join(hidden, at(1)).unwrap();
    let known = room.participant(eve.id).unwrap().clone();
    assert!(known.hidden && known.permissions == [Permission::Subscribe].into_iter().collect());
    assert_eq!(
        told(&mut room),
        [Output {
            to: Audience::Nobody,
            event: Event::Joined(known)
        }]
    );
    for (from, to) in [(speaker, eve), (eve, speaker)] {
        assert_eq!(room.route_signal(from.id, to.id), Err(Refusal::NoSuchParticipant));
    }
    assert_eq!(
        room.change_role(eve.id, moderator.id, Role::Speaker),
        Err(Refusal::NoSuchParticipant)
    );
    assert_eq!(
        room.mute(eve.id, moderator.id, true, true),
        Err(Refusal::NoSuchParticipant)
    );
    assert_eq!(room.route_message(eve.id), Err(Refusal::Forbidden("message")));
    room.connection_lost(eve.id, at(1), at(2));
    room.leave(eve.id, LeaveReason::Left, at(3));
    let heard = told(&mut room);
    let others = |output: &&Output| !matches!(output.to, Audience::Nobody | Audience::One(_));
    assert_eq!(heard.iter().filter(others).count(), 0, "{heard:?}");
}

#[test]
fn where_somebody_watches_unseen_media_goes_through_the_server() {
    let view = RoomView {
        settings: RoomSettings {
            topology: Topology::Auto,
            ..SETTINGS
        },
        ..room().view().clone()
    };
    let rules = Rules {
        media_server: true,
        ..Rules::default()
    };
    let mut room = Room::new(view, rules, [7; 32], at(0));
    join(&mut room, "ann").unwrap();
    assert_eq!(room.view().topology(), Topology::P2p);
    let hidden = Entrance {
        hidden: true,
        served: false,
        ..somebody("eve", Role::Viewer)
    };
    room.join(hidden, at(1)).unwrap();
    assert_eq!(room.view().topology(), Topology::Sfu);
}

#[test]
fn what_is_encrypted_end_to_end_is_not_mixed_and_stays_so_while_somebody_is_inside() {
    let mut room = room();
    let encrypted = |encrypted| SettingsChange {
        encrypted: Some(encrypted),
        ..SettingsChange::default()
    };
    room.may_configure(encrypted(true)).unwrap();
    room.configure(encrypted(true));
    let mixed = SettingsChange {
        topology: Some(Topology::Mixed),
        ..SettingsChange::default()
    };
    assert_eq!(room.may_configure(mixed), Err(Refusal::RoomEncrypted));
    assert_eq!(room.may_be_served(), Err(Refusal::RoomEncrypted));
    room.may_configure(encrypted(false)).unwrap();
    join(&mut room, "ann").unwrap();
    assert_eq!(room.may_configure(encrypted(false)), Err(Refusal::RoomEncrypted));
    room.may_configure(encrypted(true)).unwrap();
}
