//! A room on an imaginary clock: who gets a seat, who is told, what time does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::time::Duration;

use trefoil_auth::Role;
use trefoil_room::{
    Audience, DeadlineReason, Entrance, Event, LeaveReason, Moment, Muted, MutedChange, Output,
    ParticipantId, Refusal, ResumeSecret, Room, RoomSettings, RoomView, Rules, Seat, SettingsChange,
    Topology,
};

const SETTINGS: RoomSettings = RoomSettings {
    member_limit: 3,
    topology: Topology::P2p,
    locked: false,
    empty_timeout: Some(Duration::from_secs(300)),
};

fn at(seconds: u64) -> Moment {
    Moment::from_millis(seconds * 1000)
}

fn room() -> Room {
    let view = RoomView {
        namespace: "default".into(),
        name: "lobby".into(),
        settings: SETTINGS,
    };
    Room::new(view, Rules::default(), [7; 32], at(0))
}

fn somebody(identity: &str, role: Role) -> Entrance {
    Entrance {
        identity: identity.into(),
        name: identity.into(),
        role,
        permissions: role.permissions(),
    }
}

fn join(room: &mut Room, identity: &str) -> Result<Seat, Refusal> {
    room.join(somebody(identity, Role::Speaker), at(0))
}

/// A room with a moderator and a speaker, nothing left to tell.
fn two() -> (Room, Seat, Seat) {
    let mut room = room();
    let moderator = room.join(somebody("mo", Role::Moderator), at(0)).unwrap();
    let speaker = join(&mut room, "ann").unwrap();
    told(&mut room);
    (room, moderator, speaker)
}

fn told(room: &mut Room) -> Vec<Output> {
    std::iter::from_fn(|| room.poll_output()).collect()
}

fn left(id: ParticipantId, reason: LeaveReason) -> Vec<Output> {
    vec![
        Output {
            to: Audience::One(id),
            event: Event::Ended(reason),
        },
        Output {
            to: Audience::Others(id),
            event: Event::Left { id, reason },
        },
    ]
}

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

/// FAULTS W13: kicked is kicked until the time is over, whatever the token says.
#[test]
fn who_was_kicked_stays_out_for_a_minute() {
    let (mut room, moderator, ann) = two();
    room.kick(ann.id, moderator.id, at(10)).unwrap();
    assert_eq!(told(&mut room), left(ann.id, LeaveReason::Kicked));
    let retry = |room: &mut Room, now| room.join(somebody("ann", Role::Moderator), now);
    assert_eq!(
        retry(&mut room, at(11)),
        Err(Refusal::Kicked {
            retry_after_seconds: 59
        })
    );
    assert_eq!(
        retry(&mut room, at(69)),
        Err(Refusal::Kicked {
            retry_after_seconds: 1
        })
    );
    assert_eq!(room.resume(ann.id, ann.secret, at(12)), Err(Refusal::SessionLost));
    assert!(retry(&mut room, at(70)).is_ok());
}

#[test]
fn who_is_kicked_while_away_does_not_resume() {
    let (mut room, moderator, ann) = two();
    room.connection_lost(ann.id, at(0), at(0));
    room.handle_timeout(at(18));
    room.remove(ann.id, at(19)).unwrap();
    assert_eq!(room.resume(ann.id, ann.secret, at(20)), Err(Refusal::SessionLost));
    assert_eq!(
        room.kick(ann.id, moderator.id, at(20)),
        Err(Refusal::NoSuchParticipant)
    );
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
fn a_vanished_participant_is_away_then_free_and_then_forgotten() {
    let (mut room, _, ann) = two();
    // Last heard at 100 s, noticed at 115 s.
    room.connection_lost(ann.id, at(100), at(115));
    let away = room.participant(ann.id).unwrap().clone();
    assert!(away.away);
    assert_eq!(
        told(&mut room),
        [Output {
            to: Audience::Others(ann.id),
            event: Event::Updated(away)
        }]
    );
    let deadline = room.poll_timeout().unwrap();
    assert_eq!(
        (deadline.at, deadline.reason),
        (at(118), DeadlineReason::SeatFreed)
    );

    room.handle_timeout(Moment::from_millis(117_999));
    assert_eq!(told(&mut room), []);
    room.handle_timeout(at(118));
    let gone = Event::Left {
        id: ann.id,
        reason: LeaveReason::Timeout,
    };
    assert_eq!(
        told(&mut room),
        [Output {
            to: Audience::Others(ann.id),
            event: gone
        }]
    );
    assert_eq!(room.participants().len(), 1);
    let deadline = room.poll_timeout().unwrap();
    assert_eq!(
        (deadline.at, deadline.reason),
        (at(145), DeadlineReason::SessionForgotten)
    );

    room.handle_timeout(at(145));
    assert_eq!(
        told(&mut room),
        [Output {
            to: Audience::One(ann.id),
            event: Event::Ended(LeaveReason::Timeout)
        }]
    );
    assert_eq!(
        room.resume(ann.id, ann.secret, at(145)),
        Err(Refusal::SessionLost)
    );
    assert_eq!(room.poll_timeout(), None);
}

#[test]
fn a_resume_keeps_id_and_role_and_needs_the_last_secret() {
    let (mut room, moderator, ann) = two();
    room.change_role(ann.id, moderator.id, Role::Viewer).unwrap();
    room.connection_lost(ann.id, at(0), at(0));
    told(&mut room);
    let back = room.resume(ann.id, ann.secret, at(5)).unwrap();
    assert_eq!(back.id, ann.id);
    let updated = room.participant(ann.id).unwrap().clone();
    assert_eq!((updated.away, updated.role), (false, Role::Viewer));
    assert_eq!(
        told(&mut room),
        [Output {
            to: Audience::Others(ann.id),
            event: Event::Updated(updated)
        }]
    );
    assert_eq!(
        room.resume(ann.id, ann.secret, at(6)),
        Err(Refusal::SessionLost),
        "a secret is good once"
    );
    assert_eq!(
        room.resume(ann.id, ResumeSecret([0; 16]), at(6)),
        Err(Refusal::SessionLost)
    );
    assert_eq!(
        room.resume(moderator.id, back.secret, at(6)),
        Err(Refusal::SessionLost),
        "and for one seat"
    );
    assert!(
        room.resume(ann.id, back.secret, at(6)).is_ok(),
        "also before the break was noticed"
    );
    assert_eq!(room.poll_timeout(), None);
}

#[test]
fn a_freed_seat_is_taken_again_only_where_there_is_room() {
    let freed = || {
        let (mut room, _, ann) = two();
        room.connection_lost(ann.id, at(0), at(0));
        room.handle_timeout(at(18));
        told(&mut room);
        (room, ann)
    };
    let (mut room, ann) = freed();
    let back = room.resume(ann.id, ann.secret, at(20)).unwrap();
    assert_eq!(back.id, ann.id);
    let joined = Event::Joined(room.participant(ann.id).unwrap().clone());
    assert_eq!(
        told(&mut room),
        [Output {
            to: Audience::Others(ann.id),
            event: joined
        }]
    );

    let (mut room, ann) = freed();
    join(&mut room, "bob").unwrap();
    join(&mut room, "carol").unwrap();
    assert_eq!(
        room.resume(ann.id, ann.secret, at(20)),
        Err(Refusal::RoomFull { limit: 3 })
    );
    room.configure(SettingsChange {
        locked: Some(true),
        ..SettingsChange::default()
    });
    assert_eq!(room.resume(ann.id, ann.secret, at(20)), Err(Refusal::RoomLocked));

    let (mut room, ann) = freed();
    join(&mut room, "ann").unwrap();
    assert_eq!(
        room.resume(ann.id, ann.secret, at(20)),
        Err(Refusal::SessionLost),
        "the same identity is here again"
    );
}

#[test]
fn an_empty_room_expires_and_one_with_people_does_not() {
    let mut room = room();
    let deadline = room.poll_timeout().unwrap();
    assert_eq!(
        (deadline.at, deadline.reason),
        (at(300), DeadlineReason::RoomExpired)
    );
    assert!(!room.is_expired(at(299)) && room.is_expired(at(300)));
    let seat = join(&mut room, "ann").unwrap();
    assert!(!room.is_expired(at(1_000_000)));
    assert_eq!(room.poll_timeout(), None, "an idle room asks for nothing");
    room.leave(seat.id, LeaveReason::Left, at(1000));
    assert!(!room.is_expired(at(1299)) && room.is_expired(at(1300)));
    room.configure(SettingsChange {
        empty_timeout: Some(None),
        ..SettingsChange::default()
    });
    assert!(!room.is_expired(at(u64::MAX / 2000)));
}

#[test]
fn a_room_does_not_expire_while_somebody_may_resume_or_is_kept_out() {
    let mut room = room();
    room.configure(SettingsChange {
        empty_timeout: Some(Some(Duration::ZERO)),
        ..SettingsChange::default()
    });
    let ann = join(&mut room, "ann").unwrap();
    room.connection_lost(ann.id, at(0), at(0));
    room.handle_timeout(at(18));
    assert!(!room.is_expired(at(18)));
    assert!(room.resume(ann.id, ann.secret, at(20)).is_ok());
    room.remove(ann.id, at(21)).unwrap();
    assert!(!room.is_expired(at(22)), "a kick would be forgotten");
    room.handle_timeout(at(81));
    assert!(room.is_expired(at(81)));
}

#[test]
fn closing_ends_every_stay() {
    let (mut room, moderator, ann) = two();
    room.close(LeaveReason::RoomClosed, at(1));
    let mut ended: Vec<_> = [moderator.id, ann.id].into();
    ended.sort_unstable();
    let expected: Vec<_> = ended
        .into_iter()
        .map(|id| Output {
            to: Audience::One(id),
            event: Event::Ended(LeaveReason::RoomClosed),
        })
        .collect();
    assert_eq!(told(&mut room), expected);
    assert_eq!(room.participants().len(), 0);
}

#[test]
fn the_tables_of_a_room_are_bounded() {
    let mut room = room();
    for number in 0..10 * Room::KICKED_LIMIT as u64 {
        let seat = room
            .join(somebody(&format!("guest-{number}"), Role::Speaker), at(0))
            .unwrap();
        room.remove(seat.id, at(0) + Duration::from_millis(number))
            .unwrap();
    }
    told(&mut room);
    let kept_out = (0..10 * Room::KICKED_LIMIT as u64)
        .filter(|number| room.may_join(&format!("guest-{number}"), at(0)).is_err())
        .count();
    assert_eq!(kept_out, Room::KICKED_LIMIT);

    for number in 0..100 {
        let seat = join(&mut room, &format!("vanishing-{number}")).unwrap();
        room.connection_lost(seat.id, at(number), at(number));
        room.handle_timeout(at(number) + Duration::from_secs(18));
    }
    let forgotten = told(&mut room)
        .iter()
        .filter(|output| output.event == Event::Ended(LeaveReason::Timeout))
        .count();
    assert!(forgotten >= 97, "no more may resume than there are seats");
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
