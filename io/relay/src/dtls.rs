//! Clients over DTLS: their connections, from the first packet to silence.
//!
//! A handshake costs memory before the client's address is proved, since the engine keeps what it has seen while it asks
//! for its cookie. So unfinished handshakes are few and short: at the bound the oldest one goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dimpl::{Config, Dtls, Output};
use trefoil_turn::{ClientAddr, Transport};

use crate::certificate::Certificate;

/// Unfinished handshakes of one shard.
const MOST_HANDSHAKES: usize = 256;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The largest packet that the engine makes.
const PACKET: usize = 2048;

/// What all shards make connections from.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    config: Arc<Config>,
    certificate: Arc<Certificate>,
}

impl Engine {
    pub(crate) fn new(certificate: Arc<Certificate>) -> Result<Engine> {
        let config = Config::builder().require_client_certificate(false).build();
        let config = Arc::new(config.context("DTLS cannot be set up")?);
        Ok(Engine { config, certificate })
    }
}

struct Connection {
    dtls: Dtls,
    due: Instant,
    established: bool,
    /// The last message, or the beginning.
    last: Duration,
}

/// What a connection wants after it was given something.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    /// Packets for the client.
    pub(crate) packets: Vec<Vec<u8>>,
    /// Messages for the machine.
    pub(crate) messages: Vec<Vec<u8>>,
    /// The connection is over and forgotten.
    pub(crate) ended: bool,
}

/// The DTLS connections of one shard.
pub(crate) struct DtlsClients {
    config: Arc<Config>,
    certificate: Arc<Certificate>,
    connections: BTreeMap<ClientAddr, Connection>,
    due: BTreeSet<(Instant, ClientAddr)>,
    /// Unfinished handshakes, the oldest first; may name some that are finished or gone.
    handshakes: VecDeque<ClientAddr>,
    most: usize,
    buffer: Vec<u8>,
}

impl DtlsClients {
    pub(crate) fn new(engine: Engine, most: usize) -> DtlsClients {
        DtlsClients {
            config: engine.config,
            certificate: engine.certificate,
            connections: BTreeMap::new(),
            due: BTreeSet::new(),
            handshakes: VecDeque::new(),
            most,
            buffer: vec![0; PACKET],
        }
    }

    /// A packet of a client whose first byte says DTLS.
    pub(crate) fn handle(&mut self, client: ClientAddr, packet: &[u8], at: Instant, now: Duration) -> Wants {
        let client = ClientAddr {
            transport: Transport::Dtls,
            ..client
        };
        if !self.connections.contains_key(&client) && !self.begin(client, packet, at, now) {
            return Wants::default();
        }
        self.with(client, |connection| {
            connection.last = now;
            connection.dtls.handle_timeout(at)?;
            connection.dtls.handle_packet(packet)
        })
    }

    /// Makes a connection for a ClientHello; anything else of a stranger is ignored.
    fn begin(&mut self, client: ClientAddr, packet: &[u8], at: Instant, now: Duration) -> bool {
        let hello = packet.first() == Some(&22) && packet.get(13) == Some(&1);
        let Some(certificate) = self.certificate.for_dtls().filter(|_| hello) else {
            return false;
        };
        while self.handshakes.len() >= MOST_HANDSHAKES {
            self.forget_oldest_handshake();
        }
        if self.connections.len() >= self.most {
            return false;
        }
        let dtls = Dtls::new_auto(self.config.clone(), certificate, at);
        self.connections.insert(
            client,
            Connection {
                dtls,
                due: at,
                established: false,
                last: now,
            },
        );
        self.handshakes.push_back(client);
        true
    }

    fn forget_oldest_handshake(&mut self) {
        if let Some(oldest) = self.handshakes.pop_front()
            && self
                .connections
                .get(&oldest)
                .is_some_and(|connection| !connection.established)
        {
            self.forget(oldest);
        }
    }

    /// Sends a message to a client.
    pub(crate) fn send(&mut self, client: ClientAddr, message: &[u8]) -> Wants {
        self.with(client, |connection| {
            connection.dtls.send_application_data(message).map(drop)
        })
    }

    /// Gives something to a connection and takes what it wants then.
    fn with(
        &mut self,
        client: ClientAddr,
        give: impl FnOnce(&mut Connection) -> Result<(), dimpl::Error>,
    ) -> Wants {
        let mut wants = Wants::default();
        let Some(connection) = self.connections.get_mut(&client) else {
            return wants;
        };
        let failed = give(connection).is_err();
        loop {
            match connection.dtls.poll_output(&mut self.buffer) {
                Output::Packet(packet) => wants.packets.push(packet.to_vec()),
                Output::ApplicationData(message) => wants.messages.push(message.to_vec()),
                Output::BufferTooSmall { needed } => self.buffer.resize(needed, 0),
                Output::Connected => connection.established = true,
                Output::CloseNotify => wants.ended = true,
                Output::Timeout(due) => {
                    self.due.remove(&(connection.due, client));
                    connection.due = due;
                    self.due.insert((due, client));
                    break;
                }
                // Certificates and keys for media: a TURN client has neither.
                _ => {}
            }
        }
        if failed || wants.ended {
            wants.ended = true;
            self.forget(client);
        }
        wants
    }

    fn forget(&mut self, client: ClientAddr) {
        if let Some(connection) = self.connections.remove(&client) {
            self.due.remove(&(connection.due, client));
        }
    }

    /// Does what is due; returns what each connection wants.
    pub(crate) fn handle_timeouts(&mut self, at: Instant) -> Vec<(ClientAddr, Wants)> {
        let mut all = Vec::new();
        while let Some((due, client)) = self.due.first().copied().filter(|(due, _)| *due <= at) {
            self.due.remove(&(due, client));
            let wants = self.with(client, |connection| connection.dtls.handle_timeout(at));
            // A timer that stays where it is would be taken for ever.
            let stuck = self
                .connections
                .get(&client)
                .is_some_and(|connection| connection.due <= at);
            if stuck {
                self.forget(client);
            }
            all.push((
                client,
                Wants {
                    ended: wants.ended || stuck,
                    ..wants
                },
            ));
        }
        all
    }

    /// When [`DtlsClients::handle_timeouts`] is to be called next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Forgets connections that have been silent for `idle` and hold no allocation, and handshakes that take too long.
    pub(crate) fn sweep(&mut self, holds: impl Fn(ClientAddr) -> bool, idle: Duration, now: Duration) {
        let silent = |(client, connection): (&ClientAddr, &Connection)| {
            let patience = if connection.established { idle } else { HANDSHAKE };
            (connection.last + patience <= now && !holds(*client)).then_some(*client)
        };
        let silent: Vec<ClientAddr> = self.connections.iter().filter_map(silent).collect();
        silent.into_iter().for_each(|client| self.forget(client));
        let connections = &self.connections;
        self.handshakes.retain(|client| {
            connections
                .get(client)
                .is_some_and(|connection| !connection.established)
        });
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }
}
