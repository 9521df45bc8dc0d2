//! A room and time on an imaginary clock: breaks, resumes, kicks, expiry.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use std::time::Duration;
use support::*;
use trefoil_auth::Role;
use trefoil_room::{
    Audience, DeadlineReason, Event, LeaveReason, Moment, Output, Refusal, ResumeSecret, Room, SettingsChange,
};

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
