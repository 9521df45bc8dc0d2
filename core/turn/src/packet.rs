//! The packet path: where application data goes, as a return value.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use trefoil_stun::{
    AttributeType, ChannelData, Class, Message, Method, TransactionId, Writer, is_comprehension_required,
};

use crate::allocation::{Allocation, OverRate};
use crate::server::Owner;
use crate::{Access, AllocationId, ChannelNumber, ClientAddr, PeerAddr, RelayId, RelayedAddr, Server};

/// How data is wrapped for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// As ChannelData.
    Channel(ChannelNumber),
    /// As a Data indication, made with [`Server::data_indication`].
    Indication(PeerAddr),
}

/// What comes before `length` bytes of data in a ChannelData message.
#[must_use]
#[inline]
pub fn channel_header(channel: ChannelNumber, length: u16) -> [u8; 4] {
    trefoil_stun::channel_header(channel.get(), length)
}

/// Where the application data of a message goes. The caller still owns the bytes; `data` says which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nowhere. There may be outputs to poll.
    Nothing,
    /// Out of this relay socket.
    ToPeer {
        /// The socket.
        relay: RelayId,
        /// The destination.
        peer: PeerAddr,
        /// Which bytes.
        data: Range<usize>,
        /// The client asked that the packet not be fragmented.
        dont_fragment: bool,
    },
    /// To a client of this machine: a peer's data, or another client's without a socket between.
    ToClient {
        /// Whom.
        client: ClientAddr,
        /// Wrapped how.
        framing: Framing,
        /// Which bytes.
        data: Range<usize>,
    },
    /// The whole message to the machine of this shard, by [`Server::handle_client`] there: the client has moved here, its
    /// allocation has not. If it came over a connection, that goes there too.
    ToOwner {
        /// Its number.
        shard: u16,
    },
    /// To the machine of this shard, by [`Server::handle_relayed`].
    ToShard {
        /// Its number.
        shard: u16,
        /// From this relayed address.
        from: RelayedAddr,
        /// To this one.
        to: RelayedAddr,
        /// Which bytes.
        data: Range<usize>,
    },
}

/// Where a peer's address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Out of a socket.
    Outside,
    /// To an allocation of this server, never to a socket.
    Own,
    /// Nowhere, because of this rule.
    Refused(&'static str),
}

impl Server {
    /// Where data for `peer` may go.
    pub(crate) fn route(&self, peer: SocketAddr) -> Route {
        if self.config.listeners.contains(&peer) {
            return Route::Refused("own-listener");
        }
        if self.config.filter.is_service(peer) {
            return Route::Outside;
        }
        let relay = self.config.filter.is_own_relay(peer.ip()) && self.config.ports.contains(&peer.port());
        match self.config.filter.access(peer.ip()) {
            Access::Allowed | Access::OwnRelay if relay => Route::Own,
            Access::Allowed => Route::Outside,
            Access::OwnRelay | Access::OwnService => Route::Refused("own-address"),
            Access::Refused(rule) => Route::Refused(rule),
        }
    }

    #[inline]
    pub(crate) fn channel_data(&mut self, client: ClientAddr, bytes: &[u8], now: Duration) -> Verdict {
        let Some(ChannelData { channel, data }) = ChannelData::parse(bytes) else {
            self.counts.malformed += 1;
            return Verdict::Nothing;
        };
        let Some(id) = self.by_client.get(&client).copied() else {
            return self.unroutable();
        };
        let Some(allocation) = self.allocations.at(id.0) else {
            return self.unroutable();
        };
        let Some(bound) = allocation
            .channel(channel, now)
            .filter(|bound| bound.permitted_until > now)
        else {
            return self.unroutable();
        };
        let (peer, own) = (bound.peer, bound.own);
        self.forward(id, peer, own, data, false, now)
    }

    pub(crate) fn send_indication(
        &mut self,
        client: ClientAddr,
        message: &Message<'_>,
        now: Duration,
    ) -> Verdict {
        let mut unknown = message.attributes().map(|attribute| attribute.kind);
        if unknown.any(|kind| is_comprehension_required(kind) && !kind.is_known()) {
            self.counts.malformed += 1;
            return Verdict::Nothing;
        }
        let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS);
        let (Some(peer), Some(data)) = (peer, message.first(AttributeType::DATA)) else {
            self.counts.malformed += 1;
            return Verdict::Nothing;
        };
        let Some(id) = self.by_client.get(&client).copied() else {
            return self.unroutable();
        };
        let permitted = self
            .allocations
            .at(id.0)
            .is_some_and(|allocation| !allocation.tcp && allocation.permits(peer.ip(), now));
        let own = match self.route(peer) {
            Route::Outside if permitted => false,
            Route::Own if permitted => true,
            Route::Outside | Route::Own | Route::Refused(_) => return self.unroutable(),
        };
        let dont_fragment = message.first(AttributeType::DONT_FRAGMENT).is_some();
        self.forward(id, PeerAddr(peer), own, message.span_of(data), dont_fragment, now)
    }

    /// Sends a client's data on, after permission and filter have been checked.
    #[inline]
    fn forward(
        &mut self,
        id: AllocationId,
        peer: PeerAddr,
        own: bool,
        data: Range<usize>,
        dont_fragment: bool,
        now: Duration,
    ) -> Verdict {
        let Some(allocation) = self.allocations.at_mut(id.0) else {
            return Verdict::Nothing;
        };
        let Some(relay) = allocation.relay_towards(peer.0.ip()) else {
            return self.unroutable();
        };
        let size = data.len() as u64;
        if let Err(over) = allocation.within_rates((1, size), &self.config.limits, now) {
            return self.over_rate(over, 1);
        }
        allocation.traffic.packets_from_client += 1;
        allocation.traffic.bytes_from_client += size;
        self.counts.traffic.packets_from_client += 1;
        self.counts.traffic.bytes_from_client += size;
        if !own {
            return Verdict::ToPeer {
                relay: relay.id,
                peer,
                data,
                dont_fragment,
            };
        }
        let (from, to) = (relay.address, RelayedAddr(peer.0));
        let shard = self.config.shard.of_port(peer.0.port());
        if shard == self.config.shard.index {
            self.handle_relayed(from, to, data, now)
        } else {
            Verdict::ToShard {
                shard,
                from,
                to,
                data,
            }
        }
    }

    /// Delivers data that one relayed address of this server sends to another: only to a living allocation that has a
    /// permission for the sender.
    pub fn handle_relayed(
        &mut self,
        from: RelayedAddr,
        to: RelayedAddr,
        data: Range<usize>,
        now: Duration,
    ) -> Verdict {
        let relay = self.by_relayed.get(&(to.0.port(), to.0.is_ipv4())).copied();
        match relay {
            Some(relay) => self.deliver(relay, PeerAddr(from.0), data, 1, now),
            None => self.unroutable(),
        }
    }

    /// Handles what arrived at a relay socket: `packets` datagrams of one peer, `bytes` long together. All of them go
    /// the same way, so the verdict's range is the whole.
    #[inline]
    pub fn handle_peer(
        &mut self,
        relay: RelayId,
        peer: PeerAddr,
        bytes: usize,
        packets: u64,
        now: Duration,
    ) -> Verdict {
        self.deliver(relay, peer, 0..bytes, packets, now)
    }

    #[inline]
    fn deliver(
        &mut self,
        relay: RelayId,
        peer: PeerAddr,
        data: Range<usize>,
        packets: u64,
        now: Duration,
    ) -> Verdict {
        let Some(Owner::Allocation(id)) = self.relays.at(relay.0).map(|row| row.owner) else {
            return self.unroutable();
        };
        let Some(allocation) = self.allocations.at_mut(id.0) else {
            return self.unroutable();
        };
        let Some(framing) = framing(allocation, peer, now) else {
            return self.unroutable();
        };
        let size = data.len() as u64;
        if let Err(over) = allocation.within_rates((packets, size), &self.config.limits, now) {
            return self.over_rate(over, packets);
        }
        allocation.traffic.packets_to_client += packets;
        allocation.traffic.bytes_to_client += size;
        self.counts.traffic.packets_to_client += packets;
        self.counts.traffic.bytes_to_client += size;
        Verdict::ToClient {
            client: allocation.client,
            framing,
            data,
        }
    }

    fn over_rate(&mut self, over: OverRate, packets: u64) -> Verdict {
        match over {
            OverRate::Allocation => self.counts.over_rate += packets,
            OverRate::Identity => self.counts.over_identity_rate += packets,
        }
        Verdict::Nothing
    }

    fn unroutable(&mut self) -> Verdict {
        self.counts.unroutable += 1;
        Verdict::Nothing
    }

    /// Writes what comes before `length` bytes of data in a Data indication; the data and its padding to four bytes
    /// follow. Returns how much of `buffer` it takes (36 or 48 bytes).
    pub fn data_indication(&mut self, peer: PeerAddr, length: u16, buffer: &mut [u8; 48]) -> usize {
        let transaction = TransactionId(self.random.transaction_id());
        let mut writer = Writer::new(buffer, Class::Indication, Method::Data, transaction);
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.0);
        let used = writer.attribute(AttributeType::DATA, &[]).finish().unwrap_or(0);
        let total = (used + usize::from(length).next_multiple_of(4)).saturating_sub(trefoil_stun::HEADER);
        for (at, field) in [
            (2, u16::try_from(total).unwrap_or(0)),
            (used.saturating_sub(2), length),
        ] {
            if let Some(into) = buffer.get_mut(at..at + 2) {
                into.copy_from_slice(&field.to_be_bytes());
            }
        }
        used
    }
}

/// How data of `peer` is wrapped for the client; `None` without a permission.
#[inline]
fn framing(allocation: &Allocation, peer: PeerAddr, now: Duration) -> Option<Framing> {
    match allocation.channel_to(peer.0, now) {
        Some(channel) => (channel.permitted_until > now).then_some(Framing::Channel(channel.number)),
        None => allocation
            .permits(peer.0.ip(), now)
            .then_some(Framing::Indication(peer)),
    }
}
