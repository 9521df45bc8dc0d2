//! Which worker serves whom: a room's people are on one, until they are too many for it.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use crate::{Ask, Command, RoomKey, spread::home_of};

/// Where everybody is.
#[derive(Debug)]
pub(crate) struct Places {
    workers: usize,
    /// People of one room that one worker takes before the next one helps.
    share: usize,
    rooms: HashMap<RoomKey, HashMap<u64, u8>>,
    /// Where the gateways among them are; each alone at its address.
    gateways: HashMap<(RoomKey, u64), SocketAddr>,
    taken: HashSet<SocketAddr>,
}

impl Places {
    pub(crate) fn new(workers: usize, share: u32) -> Self {
        Self {
            workers,
            share: usize::try_from(share).unwrap_or(usize::MAX).max(1),
            rooms: HashMap::new(),
            gateways: HashMap::new(),
            taken: HashSet::new(),
        }
    }

    /// Whether a gateway is at this remote address.
    pub(crate) fn has_gateway(&self, remote: SocketAddr) -> bool {
        self.taken.contains(&remote)
    }

    /// The worker that a command is for: whoever enters gets one, whoever leaves gives it back; `None` for those who never
    /// entered.
    pub(crate) fn of(&mut self, command: &Command) -> Option<u8> {
        let (room, participant) = (command.room, command.participant);
        match &command.ask {
            Ask::Enter { .. } => {
                let inside = self.rooms.entry(room).or_default();
                let known = inside.get(&participant).copied();
                let place = known.unwrap_or_else(|| choose(inside, room, self.workers, self.share));
                inside.insert(participant, place);
                Some(place)
            }
            Ask::Leave => {
                if let Some(remote) = self.gateways.remove(&(room, participant)) {
                    self.taken.remove(&remote);
                }
                let inside = self.rooms.get_mut(&room)?;
                let place = inside.remove(&participant);
                if inside.is_empty() {
                    self.rooms.remove(&room);
                }
                place
            }
            Ask::Plain(ask) => {
                let place = self.rooms.get(&room)?.get(&participant).copied();
                if place.is_some() && self.taken.insert(ask.remote) {
                    self.gateways.insert((room, participant), ask.remote);
                }
                place
            }
            // What is played into a room is played where it is at home.
            Ask::Announce(_) | Ask::Silence(_) => Some(home_of(room, self.workers)),
            Ask::Publish { .. }
            | Ask::Subscribe { .. }
            | Ask::Answer { .. }
            | Ask::View(_)
            | Ask::Hear(_)
            | Ask::Voice(_)
            | Ask::Allow { .. }
            | Ask::Call { .. } => self.rooms.get(&room)?.get(&participant).copied(),
        }
    }
}

/// The first worker, beginning with the room's home, that has not its share yet; then the first that has not twice its share,
/// and so on.
fn choose(inside: &HashMap<u64, u8>, room: RoomKey, workers: usize, share: usize) -> u8 {
    let home = home_of(room, workers);
    let mut count = vec![0_usize; workers];
    for place in inside.values() {
        if let Some(count) = count.get_mut(usize::from(*place)) {
            *count += 1;
        }
    }
    let in_order = (0..workers).map(|step| (usize::from(home) + step) % workers);
    let shares = |worker: &usize| count.get(*worker).map_or(usize::MAX, |count| count / share);
    let chosen = in_order.min_by_key(shares);
    chosen
        .and_then(|worker| u8::try_from(worker).ok())
        .unwrap_or(home)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MuteState, Rights};

    const ROOM: RoomKey = RoomKey(1);

    fn command(participant: u64, ask: Ask) -> Command {
        Command {
            room: ROOM,
            participant,
            ask,
        }
    }

    fn enter(places: &mut Places, participant: u64) -> Option<u8> {
        let ask = Ask::Enter {
            name: "somebody".into(),
            rights: Rights::default(),
            muted: MuteState::default(),
            mixed: false,
        };
        places.of(&command(participant, ask))
    }

    #[test]
    fn a_room_stays_at_home_until_that_has_its_share() {
        let mut places = Places::new(3, 2);
        let placed = (0..8).filter_map(|participant| enter(&mut places, participant));
        assert_eq!(placed.collect::<Vec<_>>(), [1, 1, 2, 2, 0, 0, 1, 1]);
        assert_eq!(enter(&mut places, 4), Some(0), "who is there stays");
    }

    #[test]
    fn whoever_leaves_makes_room_and_is_not_known_any_more() {
        let mut places = Places::new(2, 1);
        assert_eq!((enter(&mut places, 7), enter(&mut places, 8)), (Some(1), Some(0)));
        assert_eq!(places.of(&command(7, Ask::View(None))), Some(1));
        assert_eq!(places.of(&command(7, Ask::Leave)), Some(1));
        assert_eq!(places.of(&command(7, Ask::View(None))), None);
        assert_eq!(enter(&mut places, 9), Some(1));
        for participant in [8, 9] {
            places.of(&command(participant, Ask::Leave));
        }
        assert!(places.rooms.is_empty(), "nothing is kept of a room that is over");
    }
}
