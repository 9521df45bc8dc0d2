//! What a server is told once, when it is made.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use trefoil_auth::{TokenKey, turn_expiry, turn_password};
use trefoil_stun::{Key, PasswordAlgorithm, userhash};

use crate::{Offer, PeerFilter};

/// An address that allocations are made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayAddress {
    /// Where sockets are bound.
    pub bound: IpAddr,
    /// What clients and peers are told; differs behind one-to-one NAT.
    pub advertised: IpAddr,
}

/// Which part of the relay ports belongs to this machine. Shards share no port, so a port says which shard owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u16,
    /// At least 1.
    pub count: u16,
}

impl Shard {
    /// The shard that owns a relay port. Pairs of an even port and the next stay together, for EVEN-PORT.
    #[must_use]
    pub fn of_port(self, port: u16) -> u16 {
        (port / 2) % self.count.max(1)
    }
}

/// Bounds on what one client may hold and send.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Lifetime of an allocation whose client asks for none or for less.
    pub lifetime: Duration,
    /// The longest lifetime that is granted at once.
    pub longest_lifetime: Duration,
    /// Permissions of one allocation.
    pub permissions: usize,
    /// Channels of one allocation.
    pub channels: usize,
    /// Connections with peers of one TCP allocation.
    pub connections: usize,
    /// Connections with peers of all TCP allocations.
    pub all_connections: usize,
    /// Bits a second of one allocation, both directions together; `None` for no limit.
    pub bits_per_second: Option<u64>,
    /// Packets a second of one allocation, both directions together; `None` for no limit.
    pub packets_per_second: Option<u64>,
    /// Answers a second to one source that has proved nothing (Binding, 401 and their like over UDP); `None` for no limit.
    pub unproven_answers: Option<u64>,
    /// How long a closed relay port stays unused, so that late packets reach nobody else.
    pub quarantine: Duration,
    /// How far in the future a time-limited username may expire.
    pub longest_credential: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            lifetime: Duration::from_secs(600),
            longest_lifetime: Duration::from_secs(3600),
            permissions: 64,
            channels: 64,
            connections: 32,
            all_connections: 10_000,
            bits_per_second: None,
            packets_per_second: None,
            unproven_answers: Some(100),
            quarantine: Duration::from_secs(30),
            longest_credential: Duration::from_secs(2 * 86_400),
        }
    }
}

/// The two addresses of NAT behaviour discovery, which differ in IP and in port. The server must also listen on the two
/// crossed ones ([RFC 5780 section 6](https://www.rfc-editor.org/rfc/rfc5780#section-6)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// The address that clients know.
    pub primary: SocketAddr,
    /// The other one.
    pub alternate: SocketAddr,
}

impl Discovery {
    /// All four addresses.
    #[must_use]
    pub fn addresses(self) -> [SocketAddr; 4] {
        let (a, b) = (self.primary, self.alternate);
        [
            a,
            SocketAddr::new(a.ip(), b.port()),
            SocketAddr::new(b.ip(), a.port()),
            b,
        ]
    }

    /// The address that differs from `local`, one of the four, in IP, in port or in both.
    pub(crate) fn other(self, local: SocketAddr, ip: bool, port: bool) -> SocketAddr {
        let (a, b) = (self.primary, self.alternate);
        let other_ip = if local.ip() == a.ip() { b.ip() } else { a.ip() };
        let other_port = if local.port() == a.port() {
            b.port()
        } else {
            a.port()
        };
        SocketAddr::new(
            if ip { other_ip } else { local.ip() },
            if port { other_port } else { local.port() },
        )
    }
}

/// Ports of peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerPorts(pub Vec<RangeInclusive<u16>>);

impl PeerPorts {
    pub(crate) fn contain(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }
}

/// Who may allocate.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Shared secrets of time-limited credentials (`expiry:identity`); each is accepted, so that they can be rotated.
    pub secrets: Vec<Vec<u8>>,
    /// Usernames with fixed passwords.
    pub fixed: BTreeMap<String, String>,
    /// Who else lets clients in (RFC 7635).
    pub third_party: Option<ThirdParty>,
}

/// An authorisation server that gives clients access tokens for this one.
#[derive(Clone, Debug)]
pub struct ThirdParty {
    /// The name of this server there; it is in each 401, and tokens are sealed for it.
    pub server_name: String,
    /// The keys that both servers share, each by its name (`kid`), which is the username of clients.
    pub keys: BTreeMap<String, TokenKey>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Credentials({} secrets, {} fixed)",
            self.secrets.len(),
            self.fixed.len()
        )
    }
}

impl Credentials {
    /// Every key that `username` may sign with now; empty if there is none.
    pub(crate) fn keys(
        &self,
        username: &str,
        realm: &str,
        algorithm: PasswordAlgorithm,
        (unix_seconds, longest): (u64, Duration),
    ) -> Vec<Key> {
        let key = |password: &str| {
            Key::long_term(
                algorithm,
                username.as_bytes(),
                realm.as_bytes(),
                password.as_bytes(),
            )
        };
        let fixed = self.fixed.get(username).map(|password| key(password));
        let live = turn_expiry(username)
            .is_some_and(|expires| expires > unix_seconds && expires - unix_seconds <= longest.as_secs());
        let secrets: &[Vec<u8>] = if live { &self.secrets } else { &[] };
        let timed = secrets.iter().map(|secret| key(&turn_password(secret, username)));
        fixed.into_iter().chain(timed).collect()
    }

    /// The fixed username that hashes to `hash`. Time-limited names are not known beforehand, so they cannot be hidden.
    pub(crate) fn by_userhash(&self, hash: &[u8], realm: &str) -> Option<&str> {
        let mut names = self.fixed.keys();
        names
            .find(|name| userhash(name.as_bytes(), realm.as_bytes()) == *hash)
            .map(String::as_str)
    }
}

/// Everything about one machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// The realm of the credentials. Short, since it is in each 401.
    pub realm: String,
    /// Who may allocate.
    pub credentials: Credentials,
    /// When SHA-256 passwords are offered.
    pub offer: Offer,
    /// The addresses of allocations, at most one of each family is used.
    pub relay_addresses: Vec<RelayAddress>,
    /// The ports of allocations, of all shards together.
    pub ports: RangeInclusive<u16>,
    /// Which part of the ports is this machine's.
    pub shard: Shard,
    /// Where data may go.
    pub filter: PeerFilter,
    /// The server's own listening addresses: no peer, whatever the filter says.
    pub listeners: Vec<SocketAddr>,
    /// The addresses of NAT behaviour discovery, if it is offered.
    pub discovery: Option<Discovery>,
    /// Where clients are sent while this server drains, one of each family at most.
    pub alternates: Vec<SocketAddr>,
    /// Whether allocations may follow their clients to other addresses (RFC 8016).
    pub mobility: bool,
    /// The peers' ports that TCP allocations may connect to; `None` if TCP is not relayed (RFC 6062).
    pub tcp: Option<PeerPorts>,
    /// Whether the caller carries data of bound channels itself where it can ([`Output::Channels`](crate::Output)).
    pub channels_are_carried: bool,
    /// Bounds.
    pub limits: Limits,
}
