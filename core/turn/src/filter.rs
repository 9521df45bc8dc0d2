//! Where relayed data may go: one list of refused ranges over canonical addresses, with exceptions that the operator names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A range of addresses, `address/length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    base: IpAddr,
    length: u8,
}

/// A range that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address range; write it like 192.0.2.0/24, 2001:db8::/32 or a single address")]
pub struct NetError(String);

impl FromStr for Net {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Net, NetError> {
        let wrong = || NetError(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(most);
        if length > most {
            Err(wrong())
        } else {
            Ok(Net { base, length })
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.base, self.length)
    }
}

impl Net {
    /// Whether the range holds this address. Ranges of one family hold nothing of the other.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let (base, ip, bits) = match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => (u32::from(base).into(), u32::from(ip).into(), 32),
            (IpAddr::V6(base), IpAddr::V6(ip)) => (u128::from(base), u128::from(ip), 128),
            _ => return false,
        };
        let shift = bits - u32::from(self.length);
        base.checked_shr(shift).unwrap_or(0) == ip.checked_shr(shift).unwrap_or(0)
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Net {
    Net {
        base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        length,
    }
}

const fn v6(a: u16, b: u16, c: u16, length: u8) -> Net {
    Net {
        base: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)),
        length,
    }
}

/// Every special-purpose range of the IANA registries to which nobody on the Internet has an address, with its rule's name.
const SPECIAL: &[(Net, &str)] = &[
    (v4(0, 0, 0, 0, 8), "this-network"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "carrier-nat"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "ietf-protocol"),
    (v4(192, 0, 2, 0, 24), "documentation"),
    (v4(192, 88, 99, 0, 24), "6to4-relay"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(198, 18, 0, 0, 15), "benchmark"),
    (v4(198, 51, 100, 0, 24), "documentation"),
    (v4(203, 0, 113, 0, 24), "documentation"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(240, 0, 0, 0, 4), "reserved"),
    (v6(0, 0, 0, 96), "ipv4-compatible"),
    (v6(0x64, 0xff9b, 1, 48), "local-nat64"),
    (v6(0x100, 0, 0, 64), "discard"),
    (v6(0x2001, 0, 0, 32), "teredo"),
    (v6(0x2001, 0xdb8, 0, 32), "documentation"),
    (v6(0x2002, 0, 0, 16), "6to4"),
    (v6(0x3fff, 0, 0, 20), "documentation"),
    (v6(0x5f00, 0, 0, 16), "segment-routing"),
    (v6(0xfc00, 0, 0, 7), "unique-local"),
    (v6(0xfe80, 0, 0, 10), "link-local"),
    (v6(0xfec0, 0, 0, 10), "site-local"),
    (v6(0xff00, 0, 0, 8), "multicast"),
];

/// What may be done with a peer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Data may be sent there.
    Allowed,
    /// One of this server's own relay addresses: data may reach live allocations there, and nothing else.
    OwnRelay,
    /// One of this machine's addresses, or a private one, at which a service of ours listens: data may reach the service's
    /// port, and nothing else.
    OwnService,
    /// Nothing may be sent there, because of the rule of this name.
    Refused(&'static str),
}

/// The peer filter of one server.
#[derive(Clone, Debug, Default)]
pub struct PeerFilter {
    allowed: Vec<Net>,
    denied: Vec<Net>,
    own_addresses: Vec<IpAddr>,
    own_relays: Vec<IpAddr>,
    services: Vec<SocketAddr>,
}

impl PeerFilter {
    /// A filter that refuses special-purpose ranges, `denied` and `own_addresses` (of this machine), and lets `allowed`
    /// override each of them. `own_relays` are the relay addresses, as bound and as advertised.
    #[must_use]
    pub fn new(
        allowed: Vec<Net>,
        denied: Vec<Net>,
        own_addresses: Vec<IpAddr>,
        own_relays: Vec<IpAddr>,
    ) -> PeerFilter {
        PeerFilter {
            allowed,
            denied,
            own_addresses,
            own_relays,
            services: Vec::new(),
        }
    }

    /// Lets data reach these addresses over UDP, whatever else is refused there but by `denied`: the media server, for
    /// clients that reach nothing but the relay.
    #[must_use]
    pub fn with_services(mut self, services: Vec<SocketAddr>) -> PeerFilter {
        self.services = services;
        self
    }

    /// Whether `peer` is a service that data may reach.
    #[must_use]
    pub fn is_service(&self, peer: SocketAddr) -> bool {
        self.services.contains(&peer) && !self.denied.iter().any(|net| net.contains(peer.ip()))
    }

    /// What may be done with `ip`.
    #[must_use]
    pub fn access(&self, ip: IpAddr) -> Access {
        let canonical = match canonical(ip) {
            Ok(canonical) => canonical,
            Err(rule) => return Access::Refused(rule),
        };
        let within = |nets: &[Net]| nets.iter().any(|net| net.contains(canonical));
        if within(&self.allowed) {
            Access::Allowed
        } else if self.is_own_relay(canonical) {
            if canonical == ip {
                Access::OwnRelay
            } else {
                Access::Refused("own-relay-translated")
            }
        } else if within(&self.denied) {
            Access::Refused("denied")
        } else if canonical == ip && self.services.iter().any(|service| service.ip() == ip) {
            Access::OwnService
        } else if self.own_addresses.contains(&canonical) {
            Access::Refused("own-address")
        } else {
            let special = SPECIAL.iter().find(|(net, _)| net.contains(canonical));
            special.map_or(Access::Allowed, |(_, rule)| Access::Refused(rule))
        }
    }

    /// Whether `ip` is a relay address of this server.
    #[must_use]
    pub fn is_own_relay(&self, ip: IpAddr) -> bool {
        self.own_relays.contains(&ip)
    }
}

/// The address that packets to `ip` end up at; the rule's name if they would leave IPv6 by a way that hides it.
fn canonical(ip: IpAddr) -> Result<IpAddr, &'static str> {
    let IpAddr::V6(six) = ip else { return Ok(ip) };
    match six.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] => Err("ipv4-mapped"),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Ok(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)).into())
        }
        _ => Ok(ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter() -> PeerFilter {
        let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let own = vec!["203.0.113.5".parse().unwrap(), "10.0.0.5".parse().unwrap()];
        PeerFilter::new(
            nets(&["10.9.0.0/16", "127.0.0.2"]),
            nets(&["2600:1:2:3:8000::/65", "9.9.9.9"]),
            vec!["8.8.4.4".parse().unwrap()],
            own,
        )
    }

    fn check(addresses: &str, expected: impl Fn(Access) -> bool) {
        for address in addresses.split_whitespace() {
            let access = filter().access(address.parse().unwrap());
            assert!(expected(access), "{address}: {access:?}");
        }
    }

    #[test]
    fn every_special_purpose_address_is_refused() {
        let refused = |access| matches!(access, Access::Refused(_));
        check(
            "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1",
            refused,
        );
        check(
            "169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1",
            refused,
        );
        check(
            "192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1",
            refused,
        );
        check("239.255.255.255 240.0.0.1 255.255.255.255", refused);
        check(
            ":: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:169.254.169.254",
            refused,
        );
        check(
            "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:db8::1",
            refused,
        );
        check(
            "2002:7f00:1::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1",
            refused,
        );
        check("ff02::1 ff0e::1 ::8.8.8.8", refused);
    }

    #[test]
    fn public_addresses_are_allowed() {
        let allowed = |access| access == Access::Allowed;
        check(
            "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.32.0.1 223.255.255.255",
            allowed,
        );
        check("2001:4860:4860::8888 2606:4700::1 64:ff9b::808:808", allowed);
    }

    #[test]
    fn the_operators_lists_come_first() {
        check("10.9.1.1 127.0.0.2", |access| access == Access::Allowed);
        check("9.9.9.9", |access| access == Access::Refused("denied"));
        check("8.8.4.4", |access| access == Access::Refused("own-address"));
        check("203.0.113.5 10.0.0.5", |access| access == Access::OwnRelay);
    }

    #[test]
    fn a_service_is_reached_at_its_port_unless_the_operator_denies_it() {
        let services = ["8.8.4.4:3479", "192.168.1.9:3479", "9.9.9.9:3479"].map(|text| text.parse().unwrap());
        let filter = filter().with_services(services.to_vec());
        let access = |text: &str| filter.access(text.parse().unwrap());
        assert_eq!(access("8.8.4.4"), Access::OwnService);
        assert_eq!(access("192.168.1.9"), Access::OwnService);
        assert_eq!(access("9.9.9.9"), Access::Refused("denied"));
        assert_eq!(access("64:ff9b::808:404"), Access::Refused("own-address"));
        assert!(filter.is_service(services[0]) && !filter.is_service("8.8.4.4:22".parse().unwrap()));
        assert!(!filter.is_service(services[2]));
    }

    #[test]
    fn a_relay_address_behind_nat64_is_not_the_relay_address() {
        check("64:ff9b::cb00:7105", |access| {
            access == Access::Refused("own-relay-translated")
        });
    }

    #[test]
    fn a_range_may_begin_inside_a_byte() {
        check("2600:1:2:3:8000::1 2600:1:2:3:ffff::", |access| {
            access == Access::Refused("denied")
        });
        check("2600:1:2:3:7fff::1 2600:1:2:2:8000::", |access| {
            access == Access::Allowed
        });
        let net: Net = "10.0.0.0/9".parse().unwrap();
        assert!(
            net.contains("10.127.255.255".parse().unwrap()) && !net.contains("10.128.0.0".parse().unwrap())
        );
        assert!(
            "0.0.0.0/0"
                .parse::<Net>()
                .unwrap()
                .contains("8.8.8.8".parse().unwrap())
        );
    }

    #[test]
    fn an_unreadable_range_is_an_error_that_names_it() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/-1",
            "10.0.0.0-10.0.0.9",
            "example.org",
        ] {
            assert_eq!(text.parse::<Net>(), Err(NetError(text.to_owned())));
        }
    }
}
