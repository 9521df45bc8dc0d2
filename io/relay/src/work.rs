//! The slow things: answers, sockets that open and close, the ledger.

use std::io;
use std::net::SocketAddr;

use trefoil_net::{SocketOptions, UdpSocket};
use trefoil_turn::{OpenFailure, Output, RelayId};

use crate::meters::lock;
use crate::shard::{RELAY, RelaySocket, Running};

/// Buffers of a relay socket, in bytes.
const RELAY_BUFFER: usize = 1 << 20;

impl Running {
    /// Does the slow things that the machine wants.
    pub(crate) fn outputs(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Reply { to, bytes } => self.reply(to, &bytes),
                Output::Admit { allocation, username } => {
                    let answer = lock(&self.parts.ledger).take(&username);
                    self.machine.handle_admission(allocation, answer, self.now);
                }
                Output::Release {
                    allocation,
                    username,
                    mut traffic,
                } => {
                    traffic += self.carried.take_last(allocation);
                    lock(&self.parts.ledger).give_back(&username);
                    if self.parts.detailed_metrics {
                        self.detail.ended(&username, traffic);
                    }
                    tracing::debug!(?traffic, "allocation ended");
                }
                Output::Open { relay, address } => {
                    let answer = self.open(relay, address);
                    self.machine.handle_opened(relay, answer, self.now);
                }
                Output::Listen { relay, address } => {
                    let answer = self.listen_for_peers(relay, address);
                    self.machine.handle_opened(relay, answer, self.now);
                }
                Output::Connect {
                    connection,
                    from,
                    peer,
                } => self.connect(connection, from, peer),
                Output::Splice { connection, client } => self.splice(connection, client),
                Output::Disconnect { connection } => self.disconnect(connection),
                Output::Channels { allocation } => self.channels_changed(allocation),
                Output::Close { relay } => {
                    self.splices.close_listener(relay.index());
                    self.batch.dispatch();
                    if let Some(slot) = self.relays.get_mut(relay.index()) {
                        *slot = None;
                    }
                }
                Output::Refused { client, refusal } => {
                    tracing::debug!(client = %client.remote, reason = refusal.name(), ?refusal, "request refused");
                }
            }
        }
    }

    pub(crate) fn open(&mut self, relay: RelayId, address: SocketAddr) -> Result<(), OpenFailure> {
        let options = SocketOptions {
            reuse_port: false,
            buffer_bytes: RELAY_BUFFER,
        };
        let failure = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => OpenFailure::PortTaken,
            _ => {
                tracing::debug!(%error, "cannot open a relay socket; check the limit of open files and `relay_addresses`");
                OpenFailure::Exhausted
            }
        };
        let socket = UdpSocket::bind(address, options).map_err(failure)?;
        // Without errors to tell, and with the system's own mind about fragments, the relay works as well.
        let _ = socket.keep_errors(true);
        let _ = socket.set_dont_fragment(false);
        self.poller
            .add(&socket, RELAY | relay.index() as u64)
            .map_err(failure)?;
        if self.relays.len() <= relay.index() {
            self.relays.resize_with(relay.index() + 1, || None);
        }
        if let Some(slot) = self.relays.get_mut(relay.index()) {
            *slot = Some(RelaySocket {
                id: relay,
                socket,
                expected: 1,
                deaf: false,
            });
        }
        Ok(())
    }
}
