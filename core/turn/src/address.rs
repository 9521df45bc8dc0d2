//! Addresses that must not be confused with each other.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A byte stream.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// DTLS over UDP.
    Dtls,
}

impl Transport {
    /// Whether messages have no borders of their own, so that ChannelData must be padded.
    #[must_use]
    pub fn is_stream(self) -> bool {
        match self {
            Transport::Tcp | Transport::Tls => true,
            Transport::Udp | Transport::Dtls => false,
        }
    }

    /// Whether the source address was proved by a handshake, so that a large answer cannot hit a stranger.
    #[must_use]
    pub fn proves_source(self) -> bool {
        self != Transport::Udp
    }
}

/// The 5-tuple of a client, which names its allocation
/// ([RFC 8656 section 2.2](https://www.rfc-editor.org/rfc/rfc8656#section-2.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientAddr {
    /// The transport protocol.
    pub transport: Transport,
    /// The server's address that the client speaks to; answers leave from it.
    pub local: SocketAddr,
    /// The client's address as the server sees it.
    pub remote: SocketAddr,
}

/// Equal addresses hash alike; what hardly ever differs is left out.
impl Hash for ClientAddr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let port = u64::from(self.remote.port());
        match self.remote.ip() {
            IpAddr::V4(ip) => state.write_u64(u64::from(u32::from(ip)) << 16 | port),
            IpAddr::V6(ip) => {
                state.write_u128(u128::from(ip));
                state.write_u64(port);
            }
        }
    }
}

/// The address of somebody out there with whom a client exchanges data through the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// A relayed transport address, as peers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayedAddr(pub SocketAddr);

/// A channel, 0x4000 to 0x7FFF. RFC 8656 ends the range at 0x4FFF; clients of RFC 5766 use all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    /// The channel of this number; `None` outside the range.
    #[must_use]
    pub fn new(number: u16) -> Option<ChannelNumber> {
        (0x4000..=0x7FFF)
            .contains(&number)
            .then_some(ChannelNumber(number))
    }

    /// The number on the wire.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}
