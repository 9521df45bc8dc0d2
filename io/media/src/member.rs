//! One participant's transports.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use trefoil_bwe::Pacer;
use trefoil_peer::{Outbound, PublishTransport, SubscribeTransport, Via};
use trefoil_sfu::{Outgoing, TrackId};

use crate::{
    Described, MuteState, ROOM_ITSELF, Rights, command::Reception, hearing::Hearing, mix_out::MixOut,
    outbox::Route, plain::PlainLeg, timers::Planned,
};

/// Somebody in a room, as a worker knows them.
#[derive(Default)]
pub(crate) struct Member {
    /// In which of the worker's rooms.
    pub(crate) room: u32,
    pub(crate) participant: u64,
    pub(crate) name: Arc<str>,
    pub(crate) rights: Rights,
    pub(crate) muted: MuteState,
    pub(crate) publish: Option<Box<PublishLeg>>,
    pub(crate) subscribe: Option<Box<SubscribeLeg>>,
    /// By mid, what they said that they publish.
    pub(crate) sources: BTreeMap<String, Described>,
    pub(crate) hearing: Hearing,
    /// Whether they take part in the room's mix as a listener.
    pub(crate) hears_mix: bool,
    /// What they send and receive as a gateway.
    pub(crate) plain: Option<Box<PlainLeg>>,
    /// The worker through which they are known, if they are not here.
    pub(crate) link: Option<u8>,
}

impl Member {
    /// What they publish and what they receive, where they do both.
    pub(crate) fn legs(&mut self) -> Option<(&mut PublishLeg, &mut SubscribeLeg)> {
        Some((self.publish.as_mut()?, self.subscribe.as_mut()?))
    }

    /// Whether they are somebody, and on this worker.
    pub(crate) const fn is_here(&self) -> bool {
        self.link.is_none() && self.participant != ROOM_ITSELF
    }
}

/// The remote addresses that a transport has proved.
pub(crate) type Proved = Vec<(Via, std::net::SocketAddr)>;

/// What somebody publishes.
pub(crate) struct PublishLeg {
    pub(crate) transport: PublishTransport,
    /// The fingerprint of the offer that made it: another one needs another transport.
    pub(crate) fingerprint: String,
    pub(crate) at: Proved,
    /// Whoever does not connect is given up, however much of ICE is heard.
    pub(crate) opened: Duration,
    pub(crate) heard: Duration,
    pub(crate) planned: Planned,
    /// By the transport's media.
    pub(crate) tracks: Vec<Option<TrackId>>,
    pub(crate) allowance: Allowance,
}

/// What somebody receives.
pub(crate) struct SubscribeLeg {
    /// None where one connection goes both ways: then the engine is that of what they publish.
    pub(crate) transport: Option<SubscribeTransport>,
    pub(crate) out: Outbound,
    pub(crate) at: Proved,
    /// Whoever does not connect is given up, however much of ICE is heard.
    pub(crate) opened: Duration,
    pub(crate) heard: Duration,
    pub(crate) planned: Planned,
    pub(crate) pacer: Pacer<Paced>,
    /// Where media goes, once the transport is connected.
    pub(crate) route: Option<Route>,
    pub(crate) audio: u8,
    pub(crate) video: u8,
    pub(crate) next_report: Duration,
    pub(crate) told: Reception,
    /// Where sequence numbers begin.
    pub(crate) first: u16,
    pub(crate) mix: MixOut,
}

/// A packet that waits for its turn: found again in the history of its encoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paced {
    pub(crate) track: TrackId,
    pub(crate) encoding: u8,
    pub(crate) sequence: u64,
    pub(crate) place: u8,
    pub(crate) outgoing: Outgoing,
    pub(crate) again: bool,
}

/// What may yet be received: a bucket that fills at a rate and holds a second of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    bits_per_second: u64,
    left: u64,
    at: Duration,
}

impl Allowance {
    pub(crate) const fn new(bits_per_second: u64, now: Duration) -> Self {
        Self {
            bits_per_second,
            left: bits_per_second,
            at: now,
        }
    }

    /// Whether so many bytes may come.
    pub(crate) fn take(&mut self, bytes: usize, now: Duration) -> bool {
        let passed = u64::try_from(now.saturating_sub(self.at).as_micros()).unwrap_or(u64::MAX);
        let grown = passed.saturating_mul(self.bits_per_second) / 1_000_000;
        if grown > 0 {
            self.left = self.left.saturating_add(grown).min(self.bits_per_second);
            self.at = now;
        }
        let bits = bytes as u64 * 8;
        let may = bits <= self.left;
        if may {
            self.left -= bits;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_than_the_rate_is_not_taken() {
        let mut allowance = Allowance::new(1_000_000, Duration::ZERO);
        let mut taken = 0;
        for millisecond in 0..2000_u64 {
            for _ in 0..4 {
                taken += u64::from(allowance.take(125, Duration::from_millis(millisecond)));
            }
        }
        // A second's worth at once, and two seconds of the rate.
        let bits = taken * 1000;
        assert!((2_900_000..=3_010_000).contains(&bits), "{bits}");
    }
}
