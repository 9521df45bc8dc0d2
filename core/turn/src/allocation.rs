//! One allocation: who holds it, with whom it may speak, and until when.

use std::net::{IpAddr, SocketAddr};
use std::ops::AddAssign;
use std::time::Duration;

use trefoil_stun::{Key, PasswordAlgorithm, TransactionId};

use crate::allowance::Purse;
use crate::authenticate::Caller;
use crate::bucket::Bucket;
use crate::mobility::Ticket;
use crate::third_party::Grant;
use crate::{ChannelNumber, ClientAddr, ConnectionId, Limits, PeerAddr, RelayId, RelayedAddr};

/// How long a permission lasts ([RFC 8656 section 9](https://www.rfc-editor.org/rfc/rfc8656#section-9)).
pub(crate) const PERMISSION: Duration = Duration::from_secs(300);
/// How long a channel lasts ([RFC 8656 section 12](https://www.rfc-editor.org/rfc/rfc8656#section-12)).
pub(crate) const CHANNEL: Duration = Duration::from_secs(600);

/// Names an allocation of one machine, for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllocationId(pub(crate) (u32, u32));

/// What an allocation has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets from the client that were sent on.
    pub packets_from_client: u64,
    /// Their application bytes.
    pub bytes_from_client: u64,
    /// Packets from peers that were delivered to the client.
    pub packets_to_client: u64,
    /// Their application bytes.
    pub bytes_to_client: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Traffic) {
        self.packets_from_client += more.packets_from_client;
        self.bytes_from_client += more.bytes_from_client;
        self.packets_to_client += more.packets_to_client;
        self.bytes_to_client += more.bytes_to_client;
    }
}

#[derive(Debug)]
pub(crate) struct Permission {
    pub(crate) peer: IpAddr,
    pub(crate) until: Duration,
}

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) number: ChannelNumber,
    pub(crate) peer: PeerAddr,
    pub(crate) until: Duration,
    /// The end of the permission for the peer's address, so that the packet path looks in one place.
    pub(crate) permitted_until: Duration,
    /// The peer is a relayed address of this server.
    pub(crate) own: bool,
}

/// One relayed transport address of an allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relay {
    pub(crate) id: RelayId,
    pub(crate) address: RelayedAddr,
}

/// Which rate does not allow a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverRate {
    /// That of the allocation.
    Allocation,
    /// That of all allocations of the identity.
    Identity,
}

#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) client: ClientAddr,
    pub(crate) username: Box<str>,
    /// What an access token grants, if one made the allocation.
    pub(crate) grant: Option<Box<Grant>>,
    pub(crate) key: Key,
    pub(crate) algorithm: PasswordAlgorithm,
    /// Of the Allocate, so that its retransmission gets the same answer.
    pub(crate) transaction: TransactionId,
    pub(crate) expires: Duration,
    /// One, or one of each family; empty while sockets are being opened.
    pub(crate) relays: [Option<Relay>; 2],
    pub(crate) channels: Vec<Channel>,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) traffic: Traffic,
    /// Peers are reached over TCP (RFC 6062), and these connections stand or are being made.
    pub(crate) tcp: bool,
    pub(crate) connections: Vec<ConnectionId>,
    /// The reservation that the Allocate made.
    pub(crate) token: Option<[u8; 8]>,
    /// What the client may move with, and what it moved with last.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) previous_ticket: Option<Ticket>,
    /// The ledger knows of it.
    pub(crate) admitted: bool,
    buckets: Option<Box<[Bucket; 2]>>,
    /// What it may carry of what its identity may.
    pub(crate) purse: Purse,
    /// How often the client is told of ICMP; from the first time on.
    pub(crate) icmp: Option<Box<Bucket>>,
}

impl Allocation {
    pub(crate) fn new(client: ClientAddr, caller: Caller, transaction: TransactionId) -> Allocation {
        Allocation {
            client,
            username: caller.username,
            grant: caller.grant.map(Box::new),
            key: caller.key,
            algorithm: caller.algorithm,
            transaction,
            expires: Duration::ZERO,
            relays: [None; 2],
            channels: Vec::new(),
            permissions: Vec::new(),
            traffic: Traffic::default(),
            tcp: false,
            connections: Vec::new(),
            token: None,
            ticket: None,
            previous_ticket: None,
            admitted: false,
            buckets: None,
            purse: Purse::default(),
            icmp: None,
        }
    }

    /// Who is counted: the bearer of a token, or what a username says of a person.
    pub(crate) fn identity(&self) -> &str {
        match &self.grant {
            Some(grant) => &grant.identity,
            None => quota_name(&self.username),
        }
    }

    pub(crate) fn relays(&self) -> impl Iterator<Item = Relay> {
        self.relays.into_iter().flatten()
    }

    /// The relay of the peer's family.
    #[inline]
    pub(crate) fn relay_towards(&self, peer: IpAddr) -> Option<Relay> {
        self.relays()
            .find(|relay| relay.address.0.is_ipv4() == peer.is_ipv4())
    }

    #[inline]
    pub(crate) fn channel(&self, number: u16, now: Duration) -> Option<&Channel> {
        self.channels
            .iter()
            .find(|channel| channel.number.get() == number && channel.until > now)
    }

    #[inline]
    pub(crate) fn channel_to(&self, peer: SocketAddr, now: Duration) -> Option<&Channel> {
        self.channels
            .iter()
            .find(|channel| channel.peer.0 == peer && channel.until > now)
    }

    pub(crate) fn permits(&self, peer: IpAddr, now: Duration) -> bool {
        self.permissions
            .iter()
            .any(|permission| permission.peer == peer && permission.until > now)
    }

    /// Drops what has expired, so that it counts against no cap.
    pub(crate) fn forget_expired(&mut self, now: Duration) {
        self.permissions.retain(|permission| permission.until > now);
        self.channels.retain(|channel| channel.until > now);
    }

    /// Installs or renews a permission; the caller has checked the cap.
    pub(crate) fn permit(&mut self, peer: IpAddr, now: Duration) {
        let until = now + PERMISSION;
        match self
            .permissions
            .iter_mut()
            .find(|permission| permission.peer == peer)
        {
            Some(permission) => permission.until = until,
            None => self.permissions.push(Permission { peer, until }),
        }
        let towards = self
            .channels
            .iter_mut()
            .filter(|channel| channel.peer.0.ip() == peer);
        towards.for_each(|channel| channel.permitted_until = until);
    }

    /// Whether the rates of this allocation and of its identity allow these packets now.
    #[inline]
    pub(crate) fn within_rates(
        &mut self,
        (packets, bytes): (u64, u64),
        limits: &Limits,
        now: Duration,
    ) -> Result<(), OverRate> {
        if !self.within_own_rates((packets, bytes), limits, now) {
            Err(OverRate::Allocation)
        } else if !self.purse.spend(packets, bytes * 8, now) {
            Err(OverRate::Identity)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn within_own_rates(&mut self, (packets, bytes): (u64, u64), limits: &Limits, now: Duration) -> bool {
        if limits.bits_per_second.is_none() && limits.packets_per_second.is_none() {
            return true;
        }
        let [bits, count] =
            [limits.bits_per_second, limits.packets_per_second].map(|rate| rate.unwrap_or(u64::MAX >> 8));
        let buckets = self
            .buckets
            .get_or_insert_with(|| Box::new([Bucket::full(bits, now), Bucket::full(count, now)]));
        let [bit_bucket, packet_bucket] = &mut **buckets;
        bit_bucket.take(bytes * 8, bits, now) && packet_bucket.take(packets, count, now)
    }
}

/// The part of a username that names a person: what follows the expiry of a time-limited one.
fn quota_name(username: &str) -> &str {
    match trefoil_auth::turn_expiry(username) {
        Some(_) => username
            .split_once(':')
            .map_or(username, |(_, identity)| identity),
        None => username,
    }
}
