//! From a shard to another: data between two relayed addresses of this server that live on different shards.
//!
//! Each shard has one end of a pair of local datagram sockets and all others can send into it. The kernel bounds the
//! queue and drops nothing silently: a full one is an error that the sender counts. Nobody outside the process can reach
//! it, so the addresses in its messages need no check.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixDatagram;

use trefoil_turn::RelayedAddr;

/// Two addresses of 19 bytes.
const HEADER: usize = 38;

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
        let Some(socket) = self.to.get(usize::from(shard)) else {
            return Ok(());
        };
        self.buffer.clear();
        write_address(&mut self.buffer, from.0);
        write_address(&mut self.buffer, to.0);
        self.buffer.extend_from_slice(data);
        socket.send(&self.buffer).map(|_| ())
    }

    /// Takes one message: from, to, data. `None` when there is none.
    pub(crate) fn receive(&mut self) -> Option<(RelayedAddr, RelayedAddr, &[u8])> {
        self.buffer.resize(HEADER + 65_536, 0);
        let length = self.from.recv(&mut self.buffer).ok()?;
        let (from, rest) = read_address(self.buffer.get(..length)?)?;
        let (to, data) = read_address(rest)?;
        Some((RelayedAddr(from), RelayedAddr(to), data))
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
            assert_eq!(shards[1].receive(), Some((from, to, &b"data"[..])));
            assert_eq!(shards[1].receive(), None);
        }
    }
}
