//! From sockets to the machine.

use std::net::SocketAddr;
use std::ops::Range;

use trefoil_net::Received;
use trefoil_turn::{ClientAddr, Framing, PeerAddr, Transport, Verdict};

use crate::dtls::Wants;
use crate::handover::Handed;
use crate::shard::Running;

/// Datagrams taken from a listening socket at once.
const LISTENER_BATCH: usize = 64;
/// Datagrams taken from a relay socket at once.
const RELAY_BATCH: usize = 16;
/// Messages taken from other shards at once.
const HANDOVER_BATCH: usize = 64;
/// Connections accepted at once.
const ACCEPT_BATCH: usize = 32;

impl Running {
    pub(crate) fn take_from_clients(&mut self, index: usize) {
        self.batch.make_room(LISTENER_BATCH);
        let Some(listener) = self.parts.listeners.get(index) else {
            return;
        };
        let bound = listener.local();
        let slots = match self.batch.receive(listener, LISTENER_BATCH) {
            Ok(slots) => slots,
            Err(error) => return tracing::debug!(%error, "a listening socket reports an error"),
        };
        for slot in slots {
            let Some(received) = self.batch.received(slot) else {
                continue;
            };
            let local = SocketAddr::new(received.local.unwrap_or(bound.ip()), bound.port());
            let client = ClientAddr {
                transport: Transport::Udp,
                local,
                remote: received.from,
            };
            for span in received.segments() {
                if self.dtls.is_some() && matches!(self.batch.bytes(span.clone()).first(), Some(20..=63)) {
                    self.take_dtls(client, span);
                    continue;
                }
                let verdict = self
                    .machine
                    .handle_client(client, self.batch.bytes(span.clone()), self.now);
                self.act(client, verdict, span);
            }
        }
    }

    /// A packet of a DTLS connection.
    fn take_dtls(&mut self, client: ClientAddr, span: Range<usize>) {
        let at = self.clock.instant_at(self.now.elapsed);
        let Some(dtls) = &mut self.dtls else { return };
        let wants = dtls.handle(client, self.batch.bytes(span), at, self.now.elapsed);
        self.satisfy(
            ClientAddr {
                transport: Transport::Dtls,
                ..client
            },
            wants,
        );
    }

    pub(crate) fn dtls_timeouts(&mut self) {
        let at = self.clock.instant_at(self.now.elapsed);
        let all = self
            .dtls
            .as_mut()
            .map(|dtls| dtls.handle_timeouts(at))
            .unwrap_or_default();
        all.into_iter()
            .for_each(|(client, wants)| self.satisfy(client, wants));
    }

    /// Does what a DTLS connection wants.
    pub(crate) fn satisfy(&mut self, client: ClientAddr, wants: Wants) {
        if let Some(source) = self.source_towards(client) {
            wants
                .packets
                .iter()
                .for_each(|packet| self.batch.send_bytes(source, client.remote, packet));
        }
        for message in wants.messages {
            let span = self.batch.keep(&message);
            let verdict = self.machine.handle_client(client, &message, self.now);
            self.act(client, verdict, span);
        }
        if wants.ended {
            self.disconnected([client]);
        }
    }

    pub(crate) fn take_from_peers(&mut self, index: usize) {
        self.batch.make_room(RELAY_BATCH);
        let Some(Some(open)) = self.relays.get_mut(index) else {
            return;
        };
        let (relay, expected) = (open.id, usize::from(open.expected));
        let slots = match self.batch.receive(&open.socket, expected) {
            Ok(slots) => slots,
            Err(error) => return tracing::debug!(%error, "a relay socket reports an error"),
        };
        let next = if slots.len() == expected {
            (expected * 4).min(RELAY_BATCH)
        } else {
            slots.len().max(1)
        };
        open.expected = u8::try_from(next).unwrap_or(1);
        for slot in slots {
            let Some(received) = self.batch.received(slot) else {
                continue;
            };
            let peer = PeerAddr(received.from);
            let (bytes, count) = (received.span.len(), received.count());
            let verdict = self
                .machine
                .handle_peer(relay, peer, bytes, count, self.now.elapsed);
            if let Verdict::ToClient { client, framing, .. } = verdict {
                self.deliver_all(client, framing, &received);
            }
        }
    }

    /// Delivers what one peer sent, one datagram or a run of them.
    pub(crate) fn deliver_all(&mut self, client: ClientAddr, framing: Framing, received: &Received) {
        let single = received.segment == 0;
        for span in received.segments() {
            self.deliver(client, framing, span, single);
        }
    }

    pub(crate) fn take_from_shards(&mut self) {
        for _ in 0..HANDOVER_BATCH {
            let Some((handed, data)) = self.parts.handover.receive() else {
                return;
            };
            let body = self.batch.keep(data);
            let verdict = match handed {
                Handed::Relayed { from, to } => {
                    self.machine
                        .handle_relayed(from, to, 0..body.len(), self.now.elapsed)
                }
                Handed::Message(client) => {
                    self.machine
                        .handle_client(client, self.batch.bytes(body.clone()), self.now)
                }
            };
            match (handed, verdict) {
                // Data alone has no header before it that could be overwritten.
                (Handed::Relayed { .. }, Verdict::ToClient { client, framing, .. }) => {
                    self.deliver(client, framing, body, false);
                }
                (Handed::Relayed { .. }, _) => {}
                // Handed on again, it could go in circles.
                (Handed::Message(_), Verdict::ToOwner { .. }) => {}
                (Handed::Message(client), verdict) => self.act(client, verdict, body),
            }
        }
    }

    pub(crate) fn take_connections(&mut self, index: usize) {
        let Some(listener) = self.parts.stream_listeners.get(index) else {
            return;
        };
        for _ in 0..ACCEPT_BATCH {
            if !self.streams.accept(listener, &self.poller, self.now.elapsed) {
                return;
            }
        }
    }

    /// Reads one connection once and handles each whole message.
    pub(crate) fn take_from_stream(&mut self, index: usize, readable: bool, writable: bool) {
        if writable {
            let broken = self.streams.flush_one(index, &self.poller);
            self.disconnected(broken);
        }
        if !readable {
            return;
        }
        let ended = self
            .streams
            .at(index)
            .is_some_and(|stream| stream.read().is_err());
        let ended = self.take_messages(index) || ended;
        if ended {
            let client = self.streams.close(index);
            self.disconnected(client);
        }
    }

    /// Handles each whole message that a connection has read; whether it must end.
    pub(crate) fn take_messages(&mut self, index: usize) -> bool {
        while let Some(stream) = self.streams.at(index) {
            let client = stream.client;
            match stream.next_message(self.now.elapsed) {
                Ok(Some(message)) => {
                    let span = self.batch.keep(&message);
                    let verdict = self.machine.handle_client(client, &message, self.now);
                    self.act(client, verdict, span);
                }
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
        false
    }

    /// Tells the machine about clients whose connections are gone.
    pub(crate) fn disconnected(&mut self, clients: impl IntoIterator<Item = ClientAddr>) {
        for client in clients {
            self.machine.handle_disconnected(client, self.now);
        }
        self.outputs();
    }
}
