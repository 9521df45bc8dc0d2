//! A NAT as [RFC 4787](https://www.rfc-editor.org/rfc/rfc4787) describes them: how it maps, and whom it lets in.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// On what something depends (RFC 4787 section 4.1 for mapping, section 5 for filtering).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// On nothing of the other side.
    EndpointIndependent,
    /// On its address.
    AddressDependent,
    /// On its address and port.
    AddressAndPortDependent,
}

impl Dependence {
    /// As much of `remote` as counts.
    fn part(self, remote: SocketAddr) -> (Option<IpAddr>, Option<u16>) {
        match self {
            Dependence::EndpointIndependent => (None, None),
            Dependence::AddressDependent => (Some(remote.ip()), None),
            Dependence::AddressAndPortDependent => (Some(remote.ip()), Some(remote.port())),
        }
    }
}

type Part = (Option<IpAddr>, Option<u16>);

/// How long a mapping lives without a packet from inside (RFC 4787 section 4.3: at least two minutes).
const MAPPING_LASTS: Duration = Duration::from_secs(120);

#[derive(Clone, Debug)]
struct Mapping {
    inside: SocketAddr,
    until: Duration,
    /// Whom packets from inside went to, as much of them as filtering looks at.
    open_to: Vec<Part>,
}

/// One NAT with one public address.
#[derive(Clone, Debug)]
pub struct Nat {
    outside: IpAddr,
    mapping: Dependence,
    filtering: Dependence,
    by_flow: BTreeMap<(SocketAddr, Part), u16>,
    by_port: BTreeMap<u16, Mapping>,
    next_port: u16,
}

impl Nat {
    /// A NAT whose public address is `outside`.
    #[must_use]
    pub fn new(outside: IpAddr, mapping: Dependence, filtering: Dependence) -> Nat {
        let (by_flow, by_port) = (BTreeMap::new(), BTreeMap::new());
        Nat {
            outside,
            mapping,
            filtering,
            by_flow,
            by_port,
            next_port: 20_000,
        }
    }

    /// What most homes have: one mapping for all, and only those let in that were written to.
    #[must_use]
    pub fn cone(outside: IpAddr) -> Nat {
        Nat::new(
            outside,
            Dependence::EndpointIndependent,
            Dependence::AddressAndPortDependent,
        )
    }

    /// A new port for each destination: what no hole punching gets through.
    #[must_use]
    pub fn symmetric(outside: IpAddr) -> Nat {
        Nat::new(
            outside,
            Dependence::AddressAndPortDependent,
            Dependence::AddressAndPortDependent,
        )
    }

    /// The NAT's public address.
    #[must_use]
    pub fn outside(&self) -> IpAddr {
        self.outside
    }

    /// A packet leaves: the source that `remote` will see.
    pub fn leave(&mut self, inside: SocketAddr, remote: SocketAddr, now: Duration) -> SocketAddr {
        let flow = (inside, self.mapping.part(remote));
        let live = |port: &u16| self.by_port.get(port).is_some_and(|mapping| mapping.until > now);
        let port = self.by_flow.get(&flow).copied().filter(live).unwrap_or_else(|| {
            self.next_port = self.next_port.checked_add(1).unwrap_or(20_000);
            self.next_port
        });
        self.by_flow.insert(flow, port);
        let fresh = Mapping {
            inside,
            until: now,
            open_to: Vec::new(),
        };
        let mapping = self.by_port.entry(port).or_insert(fresh);
        if mapping.until <= now {
            mapping.open_to.clear();
        }
        mapping.inside = inside;
        mapping.until = now + MAPPING_LASTS;
        let part = self.filtering.part(remote);
        if !mapping.open_to.contains(&part) {
            mapping.open_to.push(part);
        }
        SocketAddr::new(self.outside, port)
    }

    /// A packet arrives at `port`: whom inside it is for, if it is let in.
    #[must_use]
    pub fn enter(&self, port: u16, remote: SocketAddr, now: Duration) -> Option<SocketAddr> {
        let mapping = self.by_port.get(&port).filter(|mapping| mapping.until > now)?;
        mapping
            .open_to
            .contains(&self.filtering.part(remote))
            .then_some(mapping.inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    const INSIDE: &str = "192.168.1.2:5000";
    const NOW: Duration = Duration::from_secs(10);

    #[test]
    fn a_cone_shows_everybody_one_port_and_lets_in_whom_it_wrote_to() {
        let mut nat = Nat::cone("198.51.100.1".parse().unwrap());
        let seen = nat.leave(at(INSIDE), at("203.0.113.1:1"), NOW);
        assert_eq!(nat.leave(at(INSIDE), at("203.0.113.2:2"), NOW), seen);
        assert_eq!(nat.enter(seen.port(), at("203.0.113.2:2"), NOW), Some(at(INSIDE)));
        assert_eq!(nat.enter(seen.port(), at("203.0.113.2:3"), NOW), None);
        assert_eq!(nat.enter(seen.port(), at("203.0.113.9:1"), NOW), None);
    }

    #[test]
    fn a_symmetric_nat_shows_each_a_port_of_its_own() {
        let mut nat = Nat::symmetric("198.51.100.1".parse().unwrap());
        let one = nat.leave(at(INSIDE), at("203.0.113.1:1"), NOW);
        let other = nat.leave(at(INSIDE), at("203.0.113.1:2"), NOW);
        assert_ne!(one, other);
        assert_eq!(nat.enter(one.port(), at("203.0.113.1:2"), NOW), None);
    }

    #[test]
    fn a_mapping_ends_two_minutes_after_the_last_packet_from_inside() {
        let mut nat = Nat::cone("198.51.100.1".parse().unwrap());
        let server = at("203.0.113.1:1");
        let seen = nat.leave(at(INSIDE), server, NOW);
        assert_eq!(
            nat.enter(seen.port(), server, NOW + Duration::from_secs(119)),
            Some(at(INSIDE))
        );
        assert_eq!(
            nat.enter(seen.port(), server, NOW + Duration::from_secs(120)),
            None
        );
        assert_ne!(
            nat.leave(at(INSIDE), server, NOW + Duration::from_secs(120)),
            seen
        );
    }

    #[test]
    fn filtering_by_address_lets_any_port_of_it_in() {
        let any = Dependence::EndpointIndependent;
        let mut nat = Nat::new("198.51.100.1".parse().unwrap(), any, Dependence::AddressDependent);
        let seen = nat.leave(at(INSIDE), at("203.0.113.1:1"), NOW);
        assert_eq!(nat.enter(seen.port(), at("203.0.113.1:9"), NOW), Some(at(INSIDE)));
        assert_eq!(nat.enter(seen.port(), at("203.0.113.2:1"), NOW), None);
    }
}
