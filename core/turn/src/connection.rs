//! TCP allocations (RFC 6062): connections with peers, and the clients' connections that carry their data.
//!
//! A client asks for a connection (Connect), or a peer makes one and the client is told (ConnectionAttempt). Either way
//! it gets a number, and the client brings that number over a new connection of its own within thirty seconds
//! (ConnectionBind). From then on the caller moves bytes between the two, as many as [`Server::carry`] grants.

use std::net::SocketAddr;
use std::time::Duration;

use trefoil_stun::{AttributeType, Class, Message, Method, TransactionId, Writer};

use crate::authenticate::{Asker, Caller};
use crate::packet::Route;
use crate::server::Owner;
use crate::{AllocationId, Deadline, DeadlineReason, Now, Output, PeerAddr, Refusal, RelayId, Server};

/// How long a peer may take to accept, and then a client to bring the number
/// ([RFC 6062 sections 5.2 and 5.3](https://www.rfc-editor.org/rfc/rfc6062#section-5.2)).
const PATIENCE: Duration = Duration::from_secs(30);
/// The least that is granted at once of more.
const LEAST_PART: usize = 256;

/// Names a connection with a peer: the shard that it lives on in the first byte, then what cannot be guessed easily.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u32);

impl ConnectionId {
    /// CONNECTION-ID on the wire.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a client to a peer.
    FromClient,
    /// From a peer to a client.
    ToClient,
}

#[derive(Debug)]
pub(crate) struct Connection {
    allocation: AllocationId,
    peer: SocketAddr,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The peer has not accepted yet; who asked for it, and until when it is waited for.
    Connecting(Box<Asker>, Duration),
    /// The client has not brought its number yet, and until when it may.
    Waiting(Duration),
    /// Its data flows.
    Spliced,
}

impl Server {
    /// [RFC 6062 section 5.2](https://www.rfc-editor.org/rfc/rfc6062#section-5.2).
    pub(crate) fn connect(
        &mut self,
        asker: &Asker,
        caller: &Caller,
        message: &Message<'_>,
        now: Now,
    ) -> Result<(), Refusal> {
        let id = self.held_by(asker.client, caller)?;
        let held = self.allocations.at(id.0).ok_or(Refusal::NoAllocation)?;
        if !held.tcp {
            return Err(Refusal::WrongTransport);
        }
        let peer = message
            .xor_address(AttributeType::XOR_PEER_ADDRESS)
            .ok_or(Refusal::MissingPeer)?;
        if let Route::Refused(rule) = self.route(peer) {
            return Err(Refusal::PeerForbidden(rule));
        }
        if self.config.filter.is_service(peer) {
            return Err(Refusal::PeerForbidden("own-service"));
        }
        let relay = held.relay_towards(peer.ip()).ok_or(Refusal::PeerFamily)?;
        let ports = self.config.tcp.as_ref();
        if !ports.is_some_and(|ports| ports.contain(peer.port())) {
            return Err(Refusal::PeerPortForbidden);
        }
        if self.has_connection(id, peer) {
            return Err(Refusal::ConnectionExists);
        }
        let from = self.relays.at(relay.id.0).ok_or(Refusal::NoAllocation)?.bound;
        let until = now.elapsed + PATIENCE;
        let connection = self.add_connection(id, peer, State::Connecting(Box::new(asker.clone()), until))?;
        self.output(Output::Connect {
            connection,
            from,
            peer: PeerAddr(peer),
        });
        Ok(())
    }

    /// The answer to [`Output::Connect`]: whether the peer has accepted.
    pub fn handle_connected(&mut self, connection: ConnectionId, accepted: bool, now: Now) {
        let until = now.elapsed + PATIENCE;
        let Some(row) = self.connections.get_mut(&connection) else {
            return;
        };
        let State::Connecting(asker, late) = &row.state else {
            return;
        };
        let (asker, late) = (asker.clone(), *late);
        if !accepted {
            self.disconnect(connection);
            return self.refuse(&asker, &Refusal::ConnectionFailed, now);
        }
        row.state = State::Waiting(until);
        self.forget_deadline(connection, late);
        self.set_deadline(connection, until);
        self.succeed(&asker, |writer| {
            writer.number(AttributeType::CONNECTION_ID, connection.0);
        });
    }

    /// A peer has connected to a relayed transport address
    /// ([RFC 6062 section 5.3](https://www.rfc-editor.org/rfc/rfc6062#section-5.3)). Returns the number of the connection;
    /// without one it must be closed.
    pub fn handle_incoming(&mut self, relay: RelayId, peer: PeerAddr, now: Now) -> Option<ConnectionId> {
        let attempted = self.attempt(relay, peer.0, now);
        self.counts.peers_turned_away += u64::from(attempted.is_none());
        attempted
    }

    fn attempt(&mut self, relay: RelayId, peer: SocketAddr, now: Now) -> Option<ConnectionId> {
        let Owner::Allocation(id) = self.relays.at(relay.0)?.owner else {
            return None;
        };
        let held = self.allocations.at(id.0)?;
        let client = held.client;
        if self.opening.contains_key(&id) || !held.permits(peer.ip(), now.elapsed) {
            return None;
        }
        let until = now.elapsed + PATIENCE;
        let connection = self.add_connection(id, peer, State::Waiting(until)).ok()?;
        let transaction = TransactionId(self.random.transaction_id());
        let mut buffer = [0; 64];
        let (class, method) = (Class::Indication, Method::ConnectionAttempt);
        let mut writer = Writer::new(&mut buffer, class, method, transaction);
        writer.number(AttributeType::CONNECTION_ID, connection.0);
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        let length = writer.finish().unwrap_or(0);
        self.reply(client, buffer.get(..length).unwrap_or_default());
        Some(connection)
    }

    /// [RFC 6062 section 5.4](https://www.rfc-editor.org/rfc/rfc6062#section-5.4).
    pub(crate) fn connection_bind(
        &mut self,
        asker: &Asker,
        caller: &Caller,
        message: &Message<'_>,
    ) -> Result<(), Refusal> {
        if !asker.client.transport.is_stream() {
            return Err(Refusal::NeedsStream);
        }
        if self.holds(asker.client) {
            return Err(Refusal::ControlConnection);
        }
        let connection = number(message).ok_or(Refusal::BadConnection)?;
        let row = self
            .connections
            .get_mut(&connection)
            .ok_or(Refusal::BadConnection)?;
        let State::Waiting(late) = row.state else {
            return Err(Refusal::BadConnection);
        };
        let held = self
            .allocations
            .at(row.allocation.0)
            .ok_or(Refusal::BadConnection)?;
        // All bearers of tokens share a username; the key tells them apart.
        let other_bearer = held.grant.is_some() && held.key != caller.key;
        if held.username != caller.username || other_bearer {
            return Err(Refusal::WrongCredentials);
        }
        row.state = State::Spliced;
        self.forget_deadline(connection, late);
        self.counts.spliced += 1;
        self.succeed(asker, |writer| {
            writer.number(AttributeType::CONNECTION_ID, connection.0);
        });
        self.output(Output::Splice {
            connection,
            client: asker.client,
        });
        Ok(())
    }

    /// How many of these bytes may be moved now; the rest must wait. What is granted counts as carried.
    pub fn carry(
        &mut self,
        connection: ConnectionId,
        direction: Direction,
        bytes: usize,
        now: Duration,
    ) -> usize {
        let id = self.connections.get(&connection).map(|row| row.allocation);
        let Some(held) = id.and_then(|id| self.allocations.at_mut(id.0)) else {
            return 0;
        };
        let mut part = bytes;
        while held
            .within_rates((0, part as u64), &self.config.limits, now)
            .is_err()
        {
            part /= 2;
            if part < LEAST_PART {
                return 0;
            }
        }
        for traffic in [&mut held.traffic, &mut self.counts.traffic] {
            match direction {
                Direction::FromClient => traffic.bytes_from_client += part as u64,
                Direction::ToClient => traffic.bytes_to_client += part as u64,
            }
        }
        part
    }

    /// A connection with a peer, or the client's connection that it was spliced with, has ended, and so have both.
    pub fn handle_connection_ended(&mut self, connection: ConnectionId) {
        self.remove_connection(connection);
    }

    pub(crate) fn connection_is_late(&mut self, connection: ConnectionId, now: Now) {
        let Some(row) = self.remove_connection(connection) else {
            return;
        };
        self.output(Output::Disconnect { connection });
        if let State::Connecting(asker, _) = row.state {
            self.refuse(&asker, &Refusal::ConnectionTimeout, now);
        }
    }

    /// Ends a connection, and has it closed.
    pub(crate) fn disconnect(&mut self, connection: ConnectionId) {
        if self.remove_connection(connection).is_some() {
            self.output(Output::Disconnect { connection });
        }
    }

    fn remove_connection(&mut self, connection: ConnectionId) -> Option<Connection> {
        let row = self.connections.remove(&connection)?;
        match row.state {
            State::Connecting(_, at) | State::Waiting(at) => self.forget_deadline(connection, at),
            State::Spliced => {}
        }
        if let Some(held) = self.allocations.at_mut(row.allocation.0) {
            held.connections.retain(|other| *other != connection);
        }
        Some(row)
    }

    fn has_connection(&self, id: AllocationId, peer: SocketAddr) -> bool {
        let of_allocation = self.allocations.at(id.0).map(|held| held.connections.as_slice());
        let mut rows = of_allocation
            .unwrap_or_default()
            .iter()
            .filter_map(|connection| self.connections.get(connection));
        rows.any(|row| row.peer == peer)
    }

    /// Notes a connection that waits for something, under a number that is free.
    fn add_connection(
        &mut self,
        allocation: AllocationId,
        peer: SocketAddr,
        state: State,
    ) -> Result<ConnectionId, Refusal> {
        let limits = &self.config.limits;
        let held = self
            .allocations
            .at_mut(allocation.0)
            .ok_or(Refusal::NoAllocation)?;
        if held.connections.len() >= limits.connections || self.connections.len() >= limits.all_connections {
            return Err(Refusal::ConnectionQuota);
        }
        let shard = u32::from(self.config.shard.index) << 24;
        let connection = loop {
            let connection = ConnectionId(shard | self.random.below(1 << 24));
            if !self.connections.contains_key(&connection) {
                break connection;
            }
        };
        held.connections.push(connection);
        if let State::Connecting(_, at) | State::Waiting(at) = state {
            self.set_deadline(connection, at);
        }
        let row = Connection {
            allocation,
            peer,
            state,
        };
        self.connections.insert(connection, row);
        Ok(connection)
    }

    fn set_deadline(&mut self, connection: ConnectionId, at: Duration) {
        let reason = DeadlineReason::Connection(connection);
        self.deadlines.insert(Deadline { at, reason });
    }

    fn forget_deadline(&mut self, connection: ConnectionId, at: Duration) {
        let reason = DeadlineReason::Connection(connection);
        self.deadlines.remove(&Deadline { at, reason });
    }

    /// The allocation of the connection that a ConnectionBind is about.
    pub(crate) fn by_connection(&self, message: &Message<'_>) -> Option<AllocationId> {
        if message.method() != Method::ConnectionBind {
            return None;
        }
        self.connections.get(&number(message)?).map(|row| row.allocation)
    }
}

fn number(message: &Message<'_>) -> Option<ConnectionId> {
    message.number(AttributeType::CONNECTION_ID).map(ConnectionId)
}
