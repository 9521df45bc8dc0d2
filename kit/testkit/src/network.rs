//! An imaginary network with an imaginary clock: datagrams take their time, get lost, and pass NATs.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::{Nat, Seed};

/// A datagram on its way or arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The source as the receiver sees it.
    pub from: SocketAddr,
    /// The receiver, as it knows itself.
    pub to: SocketAddr,
    /// What it carries.
    pub bytes: Vec<u8>,
}

/// What every way through the network is like.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// From one host to another.
    pub delay: Duration,
    /// At most so much more, by chance; later datagrams may overtake earlier ones.
    pub jitter: Duration,
    /// Datagrams that vanish, in percent.
    pub loss_percent: u8,
}

/// The network and its clock. Hosts are addresses; those behind a NAT have one of its inside addresses.
#[derive(Clone, Debug)]
pub struct Network {
    link: Link,
    seed: Seed,
    now: Duration,
    nats: Vec<Nat>,
    /// Which NAT a host is behind.
    behind: BTreeMap<IpAddr, usize>,
    /// By time of arrival, then in the order in which they were sent.
    flying: BTreeMap<(Duration, u64), Datagram>,
    sent: u64,
}

impl Network {
    /// A network without hosts at time zero.
    #[must_use]
    pub fn new(link: Link, seed: Seed) -> Network {
        let (now, sent) = (Duration::ZERO, 0);
        Network {
            link,
            seed,
            now,
            nats: Vec::new(),
            behind: BTreeMap::new(),
            flying: BTreeMap::new(),
            sent,
        }
    }

    /// Puts `hosts` behind a NAT.
    pub fn put_behind(&mut self, nat: Nat, hosts: impl IntoIterator<Item = IpAddr>) {
        let index = self.nats.len();
        self.nats.push(nat);
        self.behind.extend(hosts.into_iter().map(|host| (host, index)));
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// How to repeat what happened, for the message of an assertion.
    #[must_use]
    pub fn again(&self) -> String {
        self.seed.again()
    }

    /// Sends a datagram. A NAT before the sender gives it another source now; one before the receiver decides when it
    /// arrives.
    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let nat = self
            .behind
            .get(&from.ip())
            .and_then(|index| self.nats.get_mut(*index));
        let from = nat.map_or(from, |nat| nat.leave(from, to, self.now));
        if self.seed.happens(self.link.loss_percent) {
            return;
        }
        let jitter = u64::try_from(self.link.jitter.as_micros()).unwrap_or(u64::MAX);
        let more = Duration::from_micros(self.seed.below(jitter.saturating_add(1)));
        self.sent += 1;
        let datagram = Datagram {
            from,
            to,
            bytes: bytes.to_vec(),
        };
        self.flying
            .insert((self.now + self.link.delay + more, self.sent), datagram);
    }

    /// Moves the clock to the next arrival before `until`, or to `until` if there is none.
    pub fn next_arrival(&mut self, until: Duration) -> Option<Datagram> {
        while let Some((when, _)) = self
            .flying
            .keys()
            .next()
            .copied()
            .filter(|(when, _)| *when <= until)
        {
            self.now = when;
            let datagram = self.flying.pop_first().map(|(_, datagram)| datagram)?;
            if let Some(arrived) = self.let_in(datagram) {
                return Some(arrived);
            }
        }
        self.now = self.now.max(until);
        None
    }

    /// What becomes of a datagram at its destination: a private address from outside is nobody's, a NAT's own address
    /// leads to whom it is mapped.
    fn let_in(&self, datagram: Datagram) -> Option<Datagram> {
        if let Some(nat) = self.nats.iter().find(|nat| nat.outside() == datagram.to.ip()) {
            let to = nat.enter(datagram.to.port(), datagram.from, self.now)?;
            return Some(Datagram { to, ..datagram });
        }
        (!self.behind.contains_key(&datagram.to.ip())).then_some(datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STILL: Link = Link {
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        loss_percent: 0,
    };

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_datagram_arrives_after_its_delay_and_in_order() {
        let mut network = Network::new(STILL, Seed::new(1));
        network.send(at("203.0.113.1:1"), at("203.0.113.2:2"), b"one");
        network.send(at("203.0.113.1:1"), at("203.0.113.2:2"), b"two");
        let arrived = network.next_arrival(Duration::from_secs(1)).unwrap();
        assert_eq!(
            (arrived.bytes.as_slice(), network.now()),
            (&b"one"[..], STILL.delay)
        );
        assert_eq!(
            network.next_arrival(Duration::from_secs(1)).unwrap().bytes,
            b"two"
        );
        assert_eq!(network.next_arrival(Duration::from_secs(1)), None);
        assert_eq!(network.now(), Duration::from_secs(1));
    }

    #[test]
    fn as_many_are_lost_as_was_said() {
        let mut network = Network::new(
            Link {
                loss_percent: 30,
                ..STILL
            },
            Seed::new(2),
        );
        for _ in 0..1000 {
            network.send(at("203.0.113.1:1"), at("203.0.113.2:2"), b"x");
        }
        let arrived = std::iter::from_fn(|| network.next_arrival(Duration::from_secs(1))).count();
        assert!(
            (640..=760).contains(&arrived),
            "{arrived} of 1000 arrived; {}",
            network.again()
        );
    }

    #[test]
    fn a_host_behind_a_nat_is_reached_through_its_mapping_only() {
        let mut network = Network::new(STILL, Seed::new(3));
        let (inside, outside, server) = (
            at("192.168.1.2:5"),
            "198.51.100.1".parse().unwrap(),
            at("203.0.113.1:1"),
        );
        network.put_behind(Nat::cone(outside), [inside.ip()]);
        network.send(inside, server, b"out");
        let seen = network.next_arrival(Duration::from_secs(1)).unwrap().from;
        assert_eq!(seen.ip(), outside);
        network.send(server, seen, b"back");
        network.send(at("203.0.113.9:9"), seen, b"stranger");
        network.send(server, inside, b"to a private address");
        assert_eq!(network.next_arrival(Duration::from_secs(2)).unwrap().to, inside);
        assert_eq!(network.next_arrival(Duration::from_secs(2)), None);
    }
}
