//! From the machine to sockets.

use std::ops::Range;

use trefoil_net::{Source, UdpSocket};
use trefoil_turn::{ClientAddr, Framing, Transport, Verdict};

use crate::shard::{RelaySocket, Running};

impl Running {
    /// Sends data to a client. With `in_place` the bytes before the data are free for a header.
    pub(crate) fn deliver(
        &mut self,
        client: ClientAddr,
        framing: Framing,
        body: Range<usize>,
        in_place: bool,
    ) {
        if client.transport != Transport::Udp {
            return self.deliver_to_connection(client, framing, body);
        }
        let Some(source) = self.source_towards(client) else {
            return;
        };
        let Ok(length) = u16::try_from(body.len()) else {
            return;
        };
        match framing {
            Framing::Channel(channel) => {
                let head = trefoil_turn::channel_header(channel, length);
                if in_place {
                    self.batch.send_headed(source, client.remote, &head, body);
                } else {
                    self.batch.send_framed(source, client.remote, &head, body, 0);
                }
            }
            Framing::Indication(peer) => {
                let mut head = [0; 48];
                let used = self.machine.data_indication(peer, length, &mut head);
                let padding = usize::from(length).next_multiple_of(4) - usize::from(length);
                let head = head.get(..used).unwrap_or_default();
                self.batch.send_framed(source, client.remote, head, body, padding);
            }
        }
    }

    /// Like [`Running::deliver`] for a client over TCP, TLS or DTLS. On streams every message is padded to four bytes.
    fn deliver_to_connection(&mut self, client: ClientAddr, framing: Framing, body: Range<usize>) {
        let Ok(length) = u16::try_from(body.len()) else {
            return;
        };
        let padded = client.transport.is_stream() || matches!(framing, Framing::Indication(_));
        let padding = if padded {
            usize::from(length).next_multiple_of(4) - usize::from(length)
        } else {
            0
        };
        let mut head = [0; 48];
        let used = match framing {
            Framing::Channel(channel) => {
                let header = trefoil_turn::channel_header(channel, length);
                head.iter_mut().zip(header).for_each(|(into, byte)| *into = byte);
                header.len()
            }
            Framing::Indication(peer) => self.machine.data_indication(peer, length, &mut head),
        };
        let head = head.get(..used).unwrap_or_default();
        let zeros = [0u8; 3];
        let padding = zeros.get(..padding).unwrap_or_default();
        let whole = [head, self.batch.bytes(body), padding].concat();
        self.queue(client, &[&whole]);
    }

    /// Does what the machine said about a client's message, these bytes of the batch.
    #[inline]
    pub(crate) fn act(&mut self, client: ClientAddr, verdict: Verdict, message: Range<usize>) {
        let start = message.start;
        let within = |data: Range<usize>| start + data.start..start + data.end;
        match verdict {
            Verdict::Nothing => self.outputs(),
            Verdict::ToPeer {
                relay,
                peer,
                data,
                dont_fragment,
            } => {
                let Some(Some(RelaySocket { socket, .. })) = self.relays.get(relay.index()) else {
                    return;
                };
                let source = socket.source(socket.local().ip());
                if dont_fragment {
                    // The bit belongs to the socket, so nothing else may wait in the queue meanwhile.
                    self.batch.dispatch();
                    let _ = socket.set_dont_fragment(true);
                    self.batch.send(source, peer.0, within(data));
                    self.batch.dispatch();
                    let _ = socket.set_dont_fragment(false);
                } else {
                    self.batch.send(source, peer.0, within(data));
                }
            }
            // The data came in a message of its own, whose header is free now.
            Verdict::ToClient {
                client,
                framing,
                data,
            } => self.deliver(client, framing, within(data), true),
            Verdict::ToOwner { shard } if client.transport.is_stream() => {
                let bytes = self.batch.bytes(message).to_vec();
                self.hand_over(client, shard, &bytes);
            }
            Verdict::ToOwner { shard } => {
                let bytes = self.batch.bytes(message);
                if self.parts.handover.send_message(shard, client, bytes).is_err() {
                    self.handover_dropped += 1;
                }
            }
            Verdict::ToShard {
                shard,
                from,
                to,
                data,
            } => {
                let data = self.batch.bytes(within(data));
                if self.parts.handover.send(shard, from, to, data).is_err() {
                    self.handover_dropped += 1;
                }
            }
        }
    }

    pub(crate) fn reply(&mut self, to: ClientAddr, bytes: &[u8]) {
        if to.transport != Transport::Udp {
            self.queue(to, &[bytes]);
        } else if let Some(source) = self.source_towards(to) {
            self.batch.send_bytes(source, to.remote, bytes);
        }
    }

    /// Sends a message made of these parts to a client that has a connection.
    fn queue(&mut self, client: ClientAddr, parts: &[&[u8]]) {
        if client.transport.is_stream() {
            return self.streams.queue(client, parts);
        }
        if let Some(dtls) = &mut self.dtls {
            let wants = dtls.send(client, &parts.concat());
            self.satisfy(client, wants);
        }
    }

    /// The listening socket, and the address of ours, that a client speaks to.
    #[inline]
    pub(crate) fn source_towards(&self, client: ClientAddr) -> Option<Source> {
        let serves = |listener: &&UdpSocket| {
            let (bound, local) = (listener.local(), client.local);
            bound.port() == local.port() && (bound.ip() == local.ip() || bound.ip().is_unspecified())
        };
        self.parts
            .listeners
            .iter()
            .find(serves)
            .map(|listener| listener.source(client.local.ip()))
    }
}
