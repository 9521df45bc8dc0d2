//! Many TURN clients and their peers on two sockets: each client has an address of its own in 127.1.0.0/16 and each peer
//! one in 127.2.0.0/16, so the server sees as many 5-tuples as it would in life while the generator stays cheap.

pub mod batch;
pub mod clients;
pub mod flow;

use std::net::Ipv4Addr;

/// The address of client `n`.
pub fn client_ip(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, (n >> 8) as u8, n as u8)
}

/// The address of the peer of client `n`.
pub fn peer_ip(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 2, (n >> 8) as u8, n as u8)
}

/// Which client or peer has this address.
pub fn number_of(ip: Ipv4Addr) -> usize {
    let [_, _, high, low] = ip.octets();
    usize::from(high) << 8 | usize::from(low)
}
