//! Random commands against a room: what must hold at every moment holds.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;
use trefoil_auth::Role;
use trefoil_room::{
    Audience, Entrance, Event, LeaveReason, Moment, ParticipantId, Room, RoomSettings, RoomView, Rules, Seat,
    Topology,
};

const LIMIT: u32 = 4;

#[derive(Clone, Copy, Debug)]
enum Command {
    Join(u8),
    Leave(usize),
    Break(usize),
    Resume(usize),
    Kick(usize, usize),
    Wait(u64),
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let command = prop_oneof![
        4 => (0..8_u8).prop_map(Command::Join),
        1 => any::<usize>().prop_map(Command::Leave),
        3 => any::<usize>().prop_map(Command::Break),
        3 => any::<usize>().prop_map(Command::Resume),
        1 => any::<(usize, usize)>().prop_map(|(target, by)| Command::Kick(target, by)),
        3 => (0..20_000_u64).prop_map(Command::Wait),
    ];
    prop::collection::vec(command, 1..80)
}

/// What somebody inside would believe from the events alone.
#[derive(Default)]
struct Witness(BTreeMap<ParticipantId, bool>);

impl Witness {
    fn hear(&mut self, room: &mut Room) {
        while let Some(output) = room.poll_output() {
            match output.event {
                Event::Joined(who) => assert!(self.0.insert(who.id, who.away).is_none(), "joined twice"),
                Event::Updated(who) => assert!(
                    self.0.insert(who.id, who.away).is_some(),
                    "updated without a seat"
                ),
                Event::Left { id, .. } => assert!(self.0.remove(&id).is_some(), "left without a seat"),
                Event::Ended(_) => assert!(matches!(output.to, Audience::One(_))),
                Event::Mute { .. } | Event::RoomUpdated(_) => {}
            }
        }
    }
}

fn obey(room: &mut Room, seats: &mut Vec<Seat>, now: &mut Moment, command: Command) {
    let pick = |seats: &[Seat], index: usize| (!seats.is_empty()).then(|| seats[index % seats.len()]);
    match command {
        Command::Join(who) => {
            let role = if who == 0 { Role::Moderator } else { Role::Speaker };
            let identity = format!("i{who}");
            let entrance = Entrance {
                name: identity.clone(),
                identity,
                role,
                permissions: role.permissions(),
                hidden: false,
                served: false,
            };
            seats.extend(room.join(entrance, *now).ok());
        }
        Command::Leave(index) => {
            if let Some(seat) = pick(seats, index) {
                room.leave(seat.id, LeaveReason::Left, *now);
            }
        }
        Command::Break(index) => {
            if let Some(seat) = pick(seats, index) {
                room.connection_lost(seat.id, *now, *now);
            }
        }
        Command::Resume(index) => {
            if let Some(seat) = pick(seats, index) {
                seats.extend(room.resume(seat.id, seat.secret, *now).ok());
            }
        }
        Command::Kick(target, by) => {
            if let (Some(target), Some(by)) = (pick(seats, target), pick(seats, by)) {
                // Refused as often as not.
                let _ = room.kick(target.id, by.id, *now);
            }
        }
        Command::Wait(milliseconds) => {
            *now = *now + Duration::from_millis(milliseconds);
            room.handle_timeout(*now);
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_seats_identities_and_events_agree(commands in commands()) {
        let settings =
            RoomSettings { member_limit: LIMIT, topology: Topology::P2p, locked: false, encrypted: false, empty_timeout: None };
        let view = RoomView { namespace: "n".into(), name: "r".into(), settings, crowded: false };
        let mut now = Moment::default();
        let mut room = Room::new(view, Rules::default(), [1; 32], now);
        let (mut seats, mut witness) = (Vec::new(), Witness::default());
        for command in commands {
            obey(&mut room, &mut seats, &mut now, command);
            witness.hear(&mut room);
            let inside: BTreeMap<_, _> = room.participants().map(|who| (who.id, who.away)).collect();
            prop_assert_eq!(&inside, &witness.0, "the events tell the whole truth");
            prop_assert!(inside.len() <= LIMIT as usize);
            let identities: BTreeSet<_> = room.participants().map(|who| who.identity.clone()).collect();
            prop_assert_eq!(identities.len(), inside.len(), "one identity, one seat");
            let away = inside.values().any(|away| *away);
            if let Some(deadline) = room.poll_timeout() {
                prop_assert!(deadline.at + Duration::from_secs(61) > now);
            } else {
                prop_assert!(!away, "whoever is away has a deadline");
            }
        }
        // Given time, whoever is away goes.
        room.handle_timeout(now + Duration::from_secs(100));
        prop_assert!(room.participants().all(|who| !who.away));
    }
}
