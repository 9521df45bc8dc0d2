//! All connections of a shard's TCP allocations with their peers: being made, waiting for their clients, spliced.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use trefoil_net::{Interest, Ready, listen_tcp};
use trefoil_turn::{ClientAddr, ConnectionId, OpenFailure, PeerAddr, RelayId};

use crate::end::End;
use crate::shard::{CLIENT_END, PEER_END, Running, TCP_RELAY};
use crate::splice::Splice;

/// Connections of peers accepted at once.
const ACCEPT_BATCH: usize = 32;

/// A connection with a peer.
enum Row {
    /// The peer has not accepted yet.
    Connecting(ConnectionId, TcpStream),
    /// Its client has not asked for it yet; the kernel keeps what the peer says meanwhile.
    Waiting(TcpStream),
    Spliced(ConnectionId, Box<Splice>),
}

/// The connections; the machine bounds how many there are.
#[derive(Default)]
pub(crate) struct Splices {
    /// Listening sockets of relayed transport addresses, by [`RelayId::index`].
    listeners: Vec<Option<(RelayId, TcpListener)>>,
    rows: Vec<Option<Row>>,
    free: Vec<usize>,
    by_connection: HashMap<ConnectionId, usize>,
    resting: BTreeSet<(Duration, usize)>,
}

impl Splices {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_connection.len()
    }

    /// When a splice that is over its rate may go on.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.resting.first().map(|(due, _)| *due)
    }

    pub(crate) fn close_listener(&mut self, index: usize) {
        if let Some(slot) = self.listeners.get_mut(index) {
            *slot = None;
        }
    }

    fn insert(&mut self, connection: ConnectionId, row: Row) -> usize {
        let index = self.free.pop().unwrap_or(self.rows.len());
        if index == self.rows.len() {
            self.rows.push(None);
        }
        if let Some(slot) = self.rows.get_mut(index) {
            *slot = Some(row);
        }
        self.by_connection.insert(connection, index);
        index
    }

    fn row(&mut self, index: usize) -> Option<&mut Row> {
        self.rows.get_mut(index)?.as_mut()
    }

    fn remove(&mut self, connection: ConnectionId) -> Option<Row> {
        let index = self.by_connection.remove(&connection)?;
        self.free.push(index);
        let row = self.rows.get_mut(index)?.take();
        if let Some(Row::Spliced(_, splice)) = &row
            && let Some(until) = splice.rests_until
        {
            self.resting.remove(&(until, index));
        }
        row
    }
}

impl Running {
    /// Opens the listening socket of a relayed transport address.
    pub(crate) fn listen_for_peers(
        &mut self,
        relay: RelayId,
        address: SocketAddr,
    ) -> Result<(), OpenFailure> {
        let index = relay.index();
        let failure = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => OpenFailure::PortTaken,
            _ => OpenFailure::Exhausted,
        };
        // Shared, because connections to peers leave from the same port; but with nobody else, so that is tried first.
        listen_tcp(address, false).map_err(failure)?;
        let listener = listen_tcp(address, true).map_err(failure)?;
        self.poller
            .add(&listener, TCP_RELAY | index as u64)
            .map_err(failure)?;
        let listeners = &mut self.splices.listeners;
        if listeners.len() <= index {
            listeners.resize_with(index + 1, || None);
        }
        if let Some(slot) = listeners.get_mut(index) {
            *slot = Some((relay, listener));
        }
        Ok(())
    }

    /// Takes connections that peers have made.
    pub(crate) fn take_peers(&mut self, index: usize) {
        for _ in 0..ACCEPT_BATCH {
            let Some(Some((relay, listener))) = self.splices.listeners.get(index) else {
                return;
            };
            let Ok((socket, from)) = listener.accept() else {
                return;
            };
            let attempted = self.machine.handle_incoming(*relay, PeerAddr(from), self.now);
            if let Some(connection) = attempted {
                self.splices.insert(connection, Row::Waiting(socket));
            }
            self.outputs();
        }
    }

    /// Begins to connect to a peer.
    pub(crate) fn connect(&mut self, connection: ConnectionId, from: SocketAddr, peer: PeerAddr) {
        let begun = begin_to_connect(from, peer.0).and_then(|socket| {
            let index = self
                .splices
                .insert(connection, Row::Connecting(connection, socket));
            let write = Interest {
                read: false,
                write: true,
            };
            match self.splices.row(index) {
                Some(Row::Connecting(_, socket)) => {
                    self.poller
                        .set(socket, PEER_END | index as u64, Interest::default(), write)
                }
                _ => Ok(()),
            }
        });
        if begun.is_err() {
            self.machine.handle_connected(connection, false, self.now);
        }
    }

    /// The client's connection carries data from now on, no messages.
    pub(crate) fn splice(&mut self, connection: ConnectionId, client: ClientAddr) {
        let stream = self.streams.take(client, &self.poller);
        let row = self.splices.remove(connection);
        let (Some(stream), Some(Row::Waiting(peer))) = (stream, row) else {
            return self.machine.handle_connection_ended(connection);
        };
        let peer = match peer.set_nonblocking(true).and_then(|()| peer.set_nodelay(true)) {
            Ok(()) => End::new(peer, None, Vec::new()),
            Err(_) => return self.machine.handle_connection_ended(connection),
        };
        let splice = Box::new(Splice::new(stream.into_end(), peer, self.now.elapsed));
        let index = self.splices.insert(connection, Row::Spliced(connection, splice));
        self.turn_splice(index);
    }

    /// Closes a connection with a peer and whatever belongs to it.
    pub(crate) fn disconnect(&mut self, connection: ConnectionId) {
        self.splices.remove(connection);
    }

    /// The peer's end of a connection has something.
    pub(crate) fn take_from_peer_end(&mut self, index: usize, event: Ready) {
        match self.splices.row(index) {
            Some(Row::Connecting(..)) if event.writable || event.failed => self.connected(index),
            Some(Row::Connecting(..) | Row::Waiting(_)) | None => {}
            Some(Row::Spliced(..)) => self.turn_splice(index),
        }
    }

    fn connected(&mut self, index: usize) {
        let Some(slot) = self.splices.rows.get_mut(index) else {
            return;
        };
        let Some(Row::Connecting(connection, socket)) = slot.take() else {
            return;
        };
        let write = Interest {
            read: false,
            write: true,
        };
        let token = PEER_END | index as u64;
        let forgotten = self.poller.set(&socket, token, write, Interest::default());
        let accepted = matches!(socket.take_error(), Ok(None)) && forgotten.is_ok();
        *slot = Some(Row::Waiting(socket));
        self.machine.handle_connected(connection, accepted, self.now);
        self.outputs();
    }

    /// Moves what can be moved between the ends of a splice.
    pub(crate) fn turn_splice(&mut self, index: usize) {
        let Some(Row::Spliced(connection, splice)) =
            self.splices.rows.get_mut(index).and_then(Option::as_mut)
        else {
            return;
        };
        let (machine, now, connection) = (&mut self.machine, self.now.elapsed, *connection);
        let before = splice.rests_until;
        let tokens = (&self.poller, CLIENT_END | index as u64, PEER_END | index as u64);
        let goes_on = splice.turn(
            &mut |direction, bytes| machine.carry(connection, direction, bytes, now),
            tokens,
            now,
        );
        let after = splice.rests_until;
        if before != after {
            let resting = &mut self.splices.resting;
            before.map(|until| resting.remove(&(until, index)));
            after.map(|until| resting.insert((until, index)));
        }
        if !goes_on {
            self.splices.remove(connection);
            self.machine.handle_connection_ended(connection);
        }
    }

    /// Closes splices of which one side has gone and the other is silent; called once a second.
    pub(crate) fn sweep_splices(&mut self) {
        let now = self.now.elapsed;
        let forgotten = |row: &Option<Row>| match row {
            Some(Row::Spliced(connection, splice)) if splice.is_forgotten(now) => Some(*connection),
            Some(Row::Spliced(..) | Row::Waiting(_) | Row::Connecting(..)) | None => None,
        };
        let forgotten: Vec<ConnectionId> = self.splices.rows.iter().filter_map(forgotten).collect();
        for connection in forgotten {
            self.splices.remove(connection);
            self.machine.handle_connection_ended(connection);
        }
    }

    /// Lets splices go on that have rested.
    pub(crate) fn wake_splices(&mut self) {
        while let Some((due, index)) = self.splices.resting.first().copied()
            && due <= self.now.elapsed
        {
            self.splices.resting.remove(&(due, index));
            self.turn_splice(index);
        }
    }
}

/// A connection that is being made, from the port at which a socket of ours listens.
fn begin_to_connect(from: SocketAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(from), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&from.into())?;
    match socket.connect(&peer.into()) {
        Ok(()) => Ok(socket.into()),
        Err(error) if error.raw_os_error() == Some(EINPROGRESS) => Ok(socket.into()),
        Err(error) => Err(error),
    }
}

/// The connection is being made; std has no name for it.
const EINPROGRESS: i32 = 115;
