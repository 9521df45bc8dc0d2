//! The machine itself: its tables, who is asked for what, time, and what waits to be done outside.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use trefoil_stun::{AttributeType, Class, Kind, Message, Method, is_comprehension_required};

use crate::allocate::Opening;
use crate::allocation::Allocation;
use crate::authenticate::{Asker, Caller};
use crate::budget::Budget;
use crate::connection::Connection;
use crate::hash::Keyed;
use crate::mobility::{Strays, Ticket};
use crate::nonce::Nonces;
use crate::ports::{Ports, RelayPorts};
use crate::random::Random;
use crate::slab::Slab;
use crate::{
    AllocationId, ClientAddr, Config, ConnectionId, Counts, Output, Refusal, RelayedAddr, Traffic, Verdict,
};

/// The moment at which something is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since any fixed moment; never runs backwards.
    pub elapsed: Duration,
    /// Seconds since 1970, only to check whether credentials have expired.
    pub unix_seconds: u64,
}

/// Names a socket that the caller opened for a relayed transport address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayId(pub(crate) (u32, u32));

impl RelayId {
    /// A small number that no other open relay of this machine has.
    #[must_use]
    pub fn index(self) -> usize {
        self.0.0 as usize
    }
}

/// Replies that may wait to be sent; more are dropped, and clients ask again.
const MOST_OUTPUTS: usize = 4096;

/// When something is to be done even if nothing arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// When, on the clock of [`Now::elapsed`].
    pub at: Duration,
    /// What for.
    pub reason: DeadlineReason,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadlineReason {
    /// An allocation expires.
    Allocation(AllocationId),
    /// A reserved port expires.
    Reservation([u8; 8]),
    /// A connection with a peer was not made, or not asked for by its client, in time.
    Connection(ConnectionId),
}

/// What a relay socket belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelayRow {
    pub(crate) address: RelayedAddr,
    pub(crate) bound: SocketAddr,
    pub(crate) owner: Owner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Allocation(AllocationId),
    Reservation([u8; 8]),
}

/// A TURN and STUN server without sockets or clock.
#[derive(Debug)]
pub struct Server {
    pub(crate) config: Config,
    pub(crate) nonces: Nonces,
    pub(crate) random: Random,
    budget: Budget,
    pub(crate) allocations: Slab<Allocation>,
    pub(crate) by_client: HashMap<ClientAddr, AllocationId, Keyed>,
    pub(crate) relays: Slab<RelayRow>,
    /// Relayed addresses by what peers see, for relay to relay inside the process.
    pub(crate) by_relayed: HashMap<(u16, bool), RelayId, Keyed>,
    pub(crate) ports: Vec<RelayPorts>,
    pub(crate) opening: BTreeMap<AllocationId, Opening>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) reservations: BTreeMap<[u8; 8], (RelayId, Duration)>,
    pub(crate) tickets: BTreeMap<Ticket, AllocationId>,
    pub(crate) strays: Strays,
    pub(crate) deadlines: BTreeSet<Deadline>,
    pub(crate) counts: Counts,
    pub(crate) draining: bool,
    outputs: VecDeque<Output>,
}

impl Server {
    /// A server that knows `config` and draws all randomness from `seed`.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Server {
        let mut random = Random::new(seed);
        let nonces = Nonces::new(random.block());
        let ports = |address: &crate::RelayAddress| RelayPorts {
            bound: address.bound,
            advertised: address.advertised,
            ports: Ports::new(config.ports.clone(), config.shard),
        };
        let mut keyed = || Keyed(random.next_u64(), random.next_u64());
        Server {
            nonces,
            budget: Budget::new(config.limits.unproven_answers, keyed()),
            allocations: Slab::new(),
            by_client: HashMap::with_hasher(keyed()),
            relays: Slab::new(),
            by_relayed: HashMap::with_hasher(keyed()),
            ports: config.relay_addresses.iter().map(ports).collect(),
            opening: BTreeMap::new(),
            connections: BTreeMap::new(),
            reservations: BTreeMap::new(),
            tickets: BTreeMap::new(),
            strays: Strays::default(),
            deadlines: BTreeSet::new(),
            counts: Counts::default(),
            draining: false,
            outputs: VecDeque::new(),
            random,
            config,
        }
    }

    /// Handles one datagram, or one message of a stream, from a client. The verdict's range is within `bytes`.
    #[inline]
    pub fn handle_client(&mut self, client: ClientAddr, bytes: &[u8], now: Now) -> Verdict {
        if let Some(shard) = self.strays.shard_of(client, now.elapsed) {
            return Verdict::ToOwner { shard };
        }
        match Kind::of(bytes) {
            Kind::Channel => self.channel_data(client, bytes, now.elapsed),
            Kind::Stun => self.message(client, bytes, now),
            Kind::Dtls | Kind::Rtp | Kind::Zrtp | Kind::Other => {
                self.counts.malformed += 1;
                Verdict::Nothing
            }
        }
    }

    fn message(&mut self, client: ClientAddr, bytes: &[u8], now: Now) -> Verdict {
        let Ok(message) = Message::parse(bytes) else {
            self.counts.malformed += 1;
            return Verdict::Nothing;
        };
        if let Some(shard) = self.meant_for_other_shard(client, &message, now) {
            return Verdict::ToOwner { shard };
        }
        match (message.class(), message.method()) {
            (Class::Indication, Method::Send) => return self.send_indication(client, &message, now.elapsed),
            (Class::Request, Method::Binding) => self.binding(client, &message, now),
            (
                Class::Request,
                Method::Allocate
                | Method::Refresh
                | Method::CreatePermission
                | Method::ChannelBind
                | Method::Connect
                | Method::ConnectionBind,
            ) => self.request(client, &message, now),
            // Answering any of these would let two servers answer each other for ever.
            (Class::Request | Class::Indication | Class::Success | Class::Error, _) => {
                self.counts.malformed += 1
            }
        }
        Verdict::Nothing
    }

    /// Whether a client that has proved nothing is answered once more.
    pub(crate) fn may_answer(&mut self, client: ClientAddr, now: Now) -> bool {
        let may = client.transport.proves_source() || self.budget.take(client.remote.ip(), now.elapsed);
        self.counts.over_budget += u64::from(!may);
        may
    }

    fn request(&mut self, client: ClientAddr, message: &Message<'_>, now: Now) {
        let mut asker = Asker::of(client, message);
        let caller = match self.authenticate(client, message, now) {
            Ok(caller) => caller,
            Err(_) if !self.may_answer(client, now) => return,
            Err(refusal) => return self.refuse(&asker, &refusal, now),
        };
        asker.signature = Some((caller.integrity, caller.key.clone()));
        let done = match unknown_attributes(message) {
            Some(refusal) => Err(refusal),
            None => self.dispatch(&asker, caller, message, now),
        };
        if let Err(refusal) = done {
            self.refuse(&asker, &refusal, now);
        }
    }

    fn dispatch(
        &mut self,
        asker: &Asker,
        caller: Caller,
        message: &Message<'_>,
        now: Now,
    ) -> Result<(), Refusal> {
        match message.method() {
            Method::Allocate => self.allocate(asker, caller, message, now),
            Method::Refresh => self.refresh(asker, &caller, message, now),
            Method::CreatePermission => self.create_permission(asker, &caller, message, now),
            Method::Connect => self.connect(asker, &caller, message, now),
            Method::ConnectionBind => self.connection_bind(asker, &caller, message),
            _ => self.channel_bind(asker, &caller, message, now),
        }
    }

    /// The allocation of a 5-tuple.
    pub(crate) fn allocation_of(&self, client: ClientAddr) -> Option<&Allocation> {
        self.by_client
            .get(&client)
            .and_then(|id| self.allocations.at(id.0))
    }

    /// The allocation that a request after Allocate is about.
    pub(crate) fn held_by(&self, client: ClientAddr, caller: &Caller) -> Result<AllocationId, Refusal> {
        let id = *self.by_client.get(&client).ok_or(Refusal::NoAllocation)?;
        let held = self.allocations.at(id.0).ok_or(Refusal::NoAllocation)?;
        if held.username == caller.username {
            Ok(id)
        } else {
            Err(Refusal::WrongCredentials)
        }
    }

    /// The client's connection is gone, and with it its allocation.
    pub fn handle_disconnected(&mut self, client: ClientAddr, now: Now) {
        let Some(id) = self.by_client.get(&client).copied() else {
            return;
        };
        match self.allocations.at(id.0) {
            // It waits for its client to come back from somewhere, as long as its lifetime lasts.
            Some(held) if held.ticket.is_some() => drop(self.by_client.remove(&client)),
            Some(_) | None => self.end(id, now.elapsed),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(deadline) = self.deadlines.first().copied()
            && deadline.at <= now.elapsed
        {
            self.deadlines.remove(&deadline);
            match deadline.reason {
                DeadlineReason::Allocation(id) => self.end(id, now.elapsed),
                DeadlineReason::Reservation(token) => self.end_reservation(token, now.elapsed),
                DeadlineReason::Connection(connection) => self.connection_is_late(connection, now),
            }
        }
    }

    /// When [`Server::handle_timeout`] wants to be called, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.deadlines.first().copied()
    }

    /// The next thing to do outside.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// From now on no new allocations are made; living ones go on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// What the server has done.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Every allocation with a relayed address: whose it is, the first address, and what it has carried.
    pub fn each_allocation(&self) -> impl Iterator<Item = (&str, RelayedAddr, Traffic)> {
        self.allocations.iter().filter_map(|allocation| {
            let relay = allocation.relays.iter().flatten().next()?;
            Some((allocation.identity(), relay.address, allocation.traffic))
        })
    }

    /// How many allocations there are.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// Whether this 5-tuple holds an allocation.
    #[must_use]
    pub fn holds(&self, client: ClientAddr) -> bool {
        self.by_client.contains_key(&client)
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn reply(&mut self, to: ClientAddr, bytes: &[u8]) {
        if self.outputs.len() < MOST_OUTPUTS {
            self.outputs.push_back(Output::Reply {
                to,
                bytes: bytes.to_vec(),
            });
        }
    }

    pub(crate) fn refused(&mut self, client: ClientAddr, refusal: &Refusal) {
        if self.outputs.len() < MOST_OUTPUTS {
            self.outputs.push_back(Output::Refused {
                client,
                refusal: refusal.clone(),
            });
        }
    }
}

/// The comprehension-required attributes that mean nothing here, at most eight of them.
pub(crate) fn unknown_attributes(message: &Message<'_>) -> Option<Refusal> {
    let unknown = |kind: AttributeType| is_comprehension_required(kind) && !kind.is_known();
    let kinds = message
        .attributes()
        .map(|attribute| attribute.kind)
        .filter(|kind| unknown(*kind));
    let kinds: Vec<u16> = kinds.map(|kind| kind.0).take(8).collect();
    if kinds.is_empty() {
        None
    } else {
        Some(Refusal::UnknownAttributes(kinds))
    }
}
