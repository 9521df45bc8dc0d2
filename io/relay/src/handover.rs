//! From a shard to another: data between two relayed addresses of this server that live on different shards, and
//! messages of clients that have moved.
//!
//! Each shard has one end of a pair of local datagram sockets and all others can send into it. The kernel bounds the
//! queue and drops nothing silently: a full one is an error that the sender counts. Nobody outside the process can reach
//! it, so the addresses in its messages need no check.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixDatagram;

use trefoil_turn::{ClientAddr, RelayedAddr, Transport};

/// A tag and two addresses of 19 bytes.
const HEADER: usize = 39;
/// The tag of data between relayed addresses.
const RELAYED: u8 = 0;
/// The tag of a client's message.
const MESSAGE: u8 = 1;

/// What was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    /// Data of one relayed address for another.
    Relayed {
        /// Of whom.
        from: RelayedAddr,
        /// For whom.
        to: RelayedAddr,
    },
    /// A UDP client's message, as if it had arrived here.
    Message(ClientAddr),
}

/// What one shard needs to send to and to receive from the others.
#[derive(Debug)]
pub(crate) struct Handover {
    /// By the number of the shard.
    to: Vec<UnixDatagram>,
    pub(crate) from: UnixDatagram,
    buffer: Vec<u8>,
}

impl Handover {
    /// The handovers of `shards` shards, in their order.
    pub(crate) fn all(shards: u16) -> io::Result<Vec<Handover>> {
        let pairs: Vec<(UnixDatagram, UnixDatagram)> = (0..shards)
            .map(|_| UnixDatagram::pair())
            .collect::<io::Result<_>>()?;
        for (sender, receiver) in &pairs {
            sender.set_nonblocking(true)?;
            receiver.set_nonblocking(true)?;
        }
        let (senders, receivers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let handover = |from| {
            let to = senders
                .iter()
                .map(UnixDatagram::try_clone)
                .collect::<io::Result<_>>()?;
            Ok(Handover {
                to,
                from,
                buffer: vec![0; HEADER + 65_536],
            })
        };
        receivers.into_iter().map(handover).collect()
    }

    /// Sends data to the shard that owns the relayed address `to`.
    pub(crate) fn send(
        &mut self,
        shard: u16,
        from: RelayedAddr,
        to: RelayedAddr,
        data: &[u8],
    ) -> io::Result<()> {
        self.send_tagged(shard, RELAYED, [from.0, to.0], data)
    }

    /// Sends a client's message to the shard that holds its allocation.
    pub(crate) fn send_message(&mut self, shard: u16, client: ClientAddr, message: &[u8]) -> io::Result<()> {
        self.send_tagged(shard, MESSAGE, [client.remote, client.local], message)
    }

    fn send_tagged(
        &mut self,
        shard: u16,
        tag: u8,
        addresses: [SocketAddr; 2],
        data: &[u8],
    ) -> io::Result<()> {
        let Some(socket) = self.to.get(usize::from(shard)) else {
            return Ok(());
        };
        self.buffer.clear();
        self.buffer.push(tag);
        addresses
            .into_iter()
            .for_each(|address| write_address(&mut self.buffer, address));
        self.buffer.extend_from_slice(data);
        socket.send(&self.buffer).map(|_| ())
    }

    /// Takes one message. `None` when there is none.
    pub(crate) fn receive(&mut self) -> Option<(Handed, &[u8])> {
        self.buffer.resize(HEADER + 65_536, 0);
        let length = self.from.recv(&mut self.buffer).ok()?;
        let (tag, rest) = self.buffer.get(..length)?.split_first()?;
        let (first, rest) = read_address(rest)?;
        let (second, data) = read_address(rest)?;
        let handed = if *tag == MESSAGE {
            Handed::Message(ClientAddr {
                transport: Transport::Udp,
                local: second,
                remote: first,
            })
        } else {
            Handed::Relayed {
                from: RelayedAddr(first),
                to: RelayedAddr(second),
            }
        };
        Some((handed, data))
    }
}

fn write_address(into: &mut Vec<u8>, address: SocketAddr) {
    let (family, octets) = match address.ip() {
        IpAddr::V4(ip) => (4, ip.to_ipv6_mapped().octets()),
        IpAddr::V6(ip) => (6, ip.octets()),
    };
    into.push(family);
    into.extend(address.port().to_be_bytes());
    into.extend(octets);
}

fn read_address(bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let ([family, port_high, port_low], rest) = bytes.split_first_chunk()?;
    let (octets, rest) = rest.split_first_chunk::<16>()?;
    let [.., a, b, c, d] = *octets;
    let ip: IpAddr = if *family == 4 {
        Ipv4Addr::new(a, b, c, d).into()
    } else {
        Ipv6Addr::from(*octets).into()
    };
    Some((
        SocketAddr::new(ip, u16::from_be_bytes([*port_high, *port_low])),
        rest,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_shard_hands_over_another_receives() {
        let mut shards = Handover::all(2).unwrap();
        for (from, to) in [
            ("192.0.2.1:50000", "192.0.2.1:50002"),
            ("[2001:db8::1]:1", "[2001:db8::1]:65535"),
        ] {
            let [from, to] = [from, to].map(|text| RelayedAddr(text.parse().unwrap()));
            shards[0].send(1, from, to, b"data").unwrap();
            assert_eq!(
                shards[1].receive(),
                Some((Handed::Relayed { from, to }, &b"data"[..]))
            );
            let client = ClientAddr {
                transport: Transport::Udp,
                local: from.0,
                remote: to.0,
            };
            shards[0].send_message(1, client, b"").unwrap();
            assert_eq!(shards[1].receive(), Some((Handed::Message(client), &b""[..])));
            assert_eq!(shards[1].receive(), None);
        }
    }
}
