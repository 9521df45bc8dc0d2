//! A room of three seats on an imaginary clock.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;
use trefoil_auth::Role;
use trefoil_room::{
    Audience, Entrance, Event, LeaveReason, Moment, Output, ParticipantId, Refusal, Room, RoomSettings,
    RoomView, Rules, Seat, Topology,
};

pub const SETTINGS: RoomSettings = RoomSettings {
    member_limit: 3,
    topology: Topology::P2p,
    locked: false,
    encrypted: false,
    empty_timeout: Some(Duration::from_secs(300)),
};

pub fn at(seconds: u64) -> Moment {
    Moment::from_millis(seconds * 1000)
}

pub fn room() -> Room {
    let view = RoomView {
        namespace: "default".into(),
        name: "lobby".into(),
        settings: SETTINGS,
        crowded: false,
    };
    Room::new(view, Rules::default(), [7; 32], at(0))
}

pub fn somebody(identity: &str, role: Role) -> Entrance {
    Entrance {
        identity: identity.into(),
        name: identity.into(),
        role,
        permissions: role.permissions(),
        hidden: false,
        served: false,
    }
}

pub fn join(room: &mut Room, identity: &str) -> Result<Seat, Refusal> {
    room.join(somebody(identity, Role::Speaker), at(0))
}

/// A room with a moderator and a speaker, nothing left to tell.
pub fn two() -> (Room, Seat, Seat) {
    let mut room = room();
    let moderator = room.join(somebody("mo", Role::Moderator), at(0)).unwrap();
    let speaker = join(&mut room, "ann").unwrap();
    told(&mut room);
    (room, moderator, speaker)
}

pub fn told(room: &mut Room) -> Vec<Output> {
    std::iter::from_fn(|| room.poll_output()).collect()
}

pub fn left(id: ParticipantId, reason: LeaveReason) -> Vec<Output> {
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
