//! What a TURN server is, said as simply as can be: maps with the moment at which each entry ends.
//!
//! No tables by number, no deadlines, no slabs: an entry is there if its moment has not come. The machine must say the
//! same of every request and every packet of any history (`properties`).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Clients go by number.
pub(crate) type Name = u16;

pub(crate) struct Model {
    pub(crate) now: Duration,
    allocations: BTreeMap<Name, Allocation>,
}

struct Allocation {
    relayed: SocketAddr,
    ends: Duration,
    permissions: BTreeMap<IpAddr, Duration>,
    channels: BTreeMap<u16, (SocketAddr, Duration)>,
}

/// How a client gets data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    Channel(Name, u16),
    Indication(Name, SocketAddr),
}

/// Where data of a client goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Went {
    Nowhere,
    Out(SocketAddr),
    To(Delivered),
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Ten minutes at least, an hour at most.
fn lifetime(asked: u32) -> Duration {
    seconds(u64::from(asked).clamp(600, 3600))
}

impl Allocation {
    fn permits(&self, ip: IpAddr, now: Duration) -> bool {
        self.permissions.get(&ip).is_some_and(|ends| *ends > now)
    }

    fn peer_of(&self, channel: u16, now: Duration) -> Option<SocketAddr> {
        let (peer, ends) = self.channels.get(&channel)?;
        (*ends > now).then_some(*peer)
    }

    fn channel_of(&self, peer: SocketAddr, now: Duration) -> Option<u16> {
        let mut live = self.channels.iter().filter(|(_, (_, ends))| *ends > now);
        live.find(|(_, (bound, _))| *bound == peer)
            .map(|(channel, _)| *channel)
    }
}

impl Model {
    pub(crate) fn at(now: Duration) -> Model {
        Model {
            now,
            allocations: BTreeMap::new(),
        }
    }

    fn of(&self, name: Name) -> Option<&Allocation> {
        self.allocations.get(&name).filter(|held| held.ends > self.now)
    }

    fn of_mut(&mut self, name: Name) -> Option<&mut Allocation> {
        let now = self.now;
        self.allocations.get_mut(&name).filter(|held| held.ends > now)
    }

    pub(crate) fn count(&self) -> usize {
        self.allocations
            .values()
            .filter(|held| held.ends > self.now)
            .count()
    }

    /// In how many seconds anything ends that is there now.
    pub(crate) fn ends(&self) -> Vec<u64> {
        let of_one = |held: &Allocation| -> Vec<Duration> {
            let channels = held.channels.values().map(|(_, ends)| *ends);
            let permissions = held.permissions.values().copied();
            channels.chain(permissions).chain([held.ends]).collect()
        };
        let all = self.allocations.values().flat_map(of_one);
        all.filter(|ends| *ends > self.now)
            .map(|ends| (ends - self.now).as_secs())
            .collect()
    }

    pub(crate) fn relayed(&self, name: Name) -> Option<SocketAddr> {
        self.of(name).map(|held| held.relayed)
    }

    /// The error that an Allocate gets, or 0; `relayed` is what it was given then.
    pub(crate) fn allocate(&mut self, name: Name, asked: u32, relayed: Option<SocketAddr>) -> u16 {
        if self.of(name).is_some() {
            return 437;
        }
        let relayed = relayed.unwrap();
        let taken = self
            .allocations
            .values()
            .any(|held| held.relayed == relayed && held.ends > self.now);
        assert!(!taken, "{relayed} is somebody's");
        let allocation = Allocation {
            relayed,
            ends: self.now + lifetime(asked),
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
        };
        self.allocations.insert(name, allocation);
        0
    }

    pub(crate) fn refresh(&mut self, name: Name, asked: u32) -> u16 {
        let now = self.now;
        let Some(held) = self.of_mut(name) else { return 437 };
        held.ends = if asked == 0 { now } else { now + lifetime(asked) };
        0
    }

    pub(crate) fn permit(&mut self, name: Name, ip: IpAddr) -> u16 {
        let ends = self.now + seconds(300);
        let Some(held) = self.of_mut(name) else { return 437 };
        held.permissions.insert(ip, ends);
        0
    }

    pub(crate) fn bind(&mut self, name: Name, channel: u16, peer: SocketAddr) -> u16 {
        let now = self.now;
        let Some(held) = self.of_mut(name) else { return 437 };
        let other_peer = held.peer_of(channel, now).is_some_and(|bound| bound != peer);
        let other_channel = held.channel_of(peer, now).is_some_and(|bound| bound != channel);
        if other_peer || other_channel {
            return 400;
        }
        held.channels.insert(channel, (peer, now + seconds(600)));
        held.permissions.insert(peer.ip(), now + seconds(300));
        0
    }

    pub(crate) fn channel_data(&self, name: Name, channel: u16) -> Went {
        let peer = self.of(name).and_then(|held| held.peer_of(channel, self.now));
        peer.map_or(Went::Nowhere, |peer| self.send(name, peer))
    }

    /// Data of a client for a peer, which may be another client's relayed address.
    pub(crate) fn send(&self, name: Name, peer: SocketAddr) -> Went {
        let Some(held) = self.of(name).filter(|held| held.permits(peer.ip(), self.now)) else {
            return Went::Nowhere;
        };
        if peer.ip() != held.relayed.ip() {
            return Went::Out(peer);
        }
        self.arrive(peer, held.relayed).map_or(Went::Nowhere, Went::To)
    }

    /// Data of a peer at a relayed address.
    pub(crate) fn arrive(&self, relayed: SocketAddr, peer: SocketAddr) -> Option<Delivered> {
        let mut live = self.allocations.iter().filter(|(_, held)| held.ends > self.now);
        let (name, held) = live.find(|(_, held)| held.relayed == relayed)?;
        if !held.permits(peer.ip(), self.now) {
            return None;
        }
        Some(match held.channel_of(peer, self.now) {
            Some(channel) => Delivered::Channel(*name, channel),
            None => Delivered::Indication(*name, peer),
        })
    }
}
