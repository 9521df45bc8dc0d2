//! What the network says about data that did not reach a peer, told to the client that sent it.

use std::time::Duration;

use trefoil_stun::{AttributeType, Class, Method, TransactionId, Writer};

use crate::bucket::Bucket;
use crate::server::Owner;
use crate::{PeerAddr, RelayId, Server};

/// Errors a second that one allocation is told of, and as many at once.
const TOLD_PER_SECOND: u64 = 10;

/// An ICMP message, or an ICMPv6 message if the peer's address is IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The MTU of the next hop, if the message has one.
    pub mtu: u32,
}

/// Why a client is not told of an ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IcmpDrop {
    /// The relayed transport address is nobody's.
    NoAllocation,
    /// The allocation has no permission for the peer that did not get the data.
    NoPermission,
    /// A type that is no error about a datagram.
    OtherType,
    /// The allocation was told often enough for now.
    TooMany,
}

impl IcmpDrop {
    /// A short name for counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            IcmpDrop::NoAllocation => "no_allocation",
            IcmpDrop::NoPermission => "no_permission",
            IcmpDrop::OtherType => "other_type",
            IcmpDrop::TooMany => "too_many",
        }
    }
}

impl Icmp {
    /// Whether it says that a datagram did not arrive.
    fn is_error(self, v4: bool) -> bool {
        match self.kind {
            3 | 11 if v4 => true,
            1..=3 if !v4 => true,
            _ => false,
        }
    }

    /// The value of the attribute ([RFC 8656 section 18.13](https://www.rfc-editor.org/rfc/rfc8656#section-18.13)): two
    /// reserved bytes, 7 bits of type, 9 bits of code, and the MTU where the datagram was too big.
    fn value(self, v4: bool) -> [u8; 8] {
        let too_big = if v4 {
            (self.kind, self.code) == (3, 4)
        } else {
            self.kind == 2
        };
        let [k, c] = (u16::from(self.kind) << 9 | u16::from(self.code)).to_be_bytes();
        let [m0, m1, m2, m3] = if too_big { self.mtu } else { 0 }.to_be_bytes();
        [0, 0, k, c, m0, m1, m2, m3]
    }
}

impl Server {
    /// ICMP about data that was sent from a relay socket to `peer`
    /// ([RFC 8656 section 11.5](https://www.rfc-editor.org/rfc/rfc8656#section-11.5)): tells the client with a Data
    /// indication, which is a queued output.
    ///
    /// # Errors
    /// Why the client is not told.
    pub fn handle_icmp(
        &mut self,
        relay: RelayId,
        peer: PeerAddr,
        icmp: Icmp,
        now: Duration,
    ) -> Result<(), IcmpDrop> {
        let told = self.tell_icmp(relay, peer, icmp, now);
        match told {
            Ok(()) => self.counts.icmp_told += 1,
            Err(drop) => *self.counts.icmp_dropped.entry(drop.name()).or_default() += 1,
        }
        told
    }

    fn tell_icmp(
        &mut self,
        relay: RelayId,
        peer: PeerAddr,
        icmp: Icmp,
        now: Duration,
    ) -> Result<(), IcmpDrop> {
        let v4 = peer.0.is_ipv4();
        if !icmp.is_error(v4) {
            return Err(IcmpDrop::OtherType);
        }
        let Some(Owner::Allocation(id)) = self.relays.at(relay.0).map(|row| row.owner) else {
            return Err(IcmpDrop::NoAllocation);
        };
        let allocation = self.allocations.at_mut(id.0).ok_or(IcmpDrop::NoAllocation)?;
        if !allocation.permits(peer.0.ip(), now) {
            return Err(IcmpDrop::NoPermission);
        }
        let bucket = allocation
            .icmp
            .get_or_insert_with(|| Box::new(Bucket::full(TOLD_PER_SECOND, now)));
        if !bucket.take(1, TOLD_PER_SECOND, now) {
            return Err(IcmpDrop::TooMany);
        }
        let client = allocation.client;
        let transaction = TransactionId(self.random.transaction_id());
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer, Class::Indication, Method::Data, transaction);
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.0);
        writer.attribute(AttributeType::ICMP, &icmp.value(v4));
        let length = writer.finish().unwrap_or(0);
        self.reply(client, buffer.get(..length).unwrap_or_default());
        Ok(())
    }
}
