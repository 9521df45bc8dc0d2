//! Gateways: people who send and receive plain RTP, each with a socket of their own and one remote address.

use std::{net::SocketAddr, sync::Arc};

use trefoil_net::{Source, UdpSocket};
use trefoil_peer::{Picture, PlainKeys, PlainTransport};
use trefoil_rtp::Codec;
use trefoil_sfu::{MemberId, Source as TrackSource, TrackId, TrackInfo};

use crate::{
    member::Allowance,
    mix_out::MixOut,
    outbox::LONGEST,
    room::Feed,
    worker::{AT_ONCE, PLAIN, Worker},
};

/// Bits a second that one gateway may send: sound.
const RATE: u64 = 1_000_000;

/// A gateway, as it was agreed.
#[derive(Clone, Debug)]
pub struct PlainAsk {
    /// Where it sends to, and is sent from.
    pub socket: Arc<UdpSocket>,
    /// The only address that is heard, and that is sent to.
    pub remote: SocketAddr,
    /// Both ways.
    pub codec: Codec,
    /// Both ways.
    pub payload_type: u8,
    /// Milliseconds of sound in a packet to it.
    pub packet_time: u8,
    /// Both keys, where it is sealed.
    pub keys: Option<PlainKeys>,
}

/// A member's plain transport.
pub(crate) struct PlainLeg {
    socket: Arc<UdpSocket>,
    source: Source,
    remote: SocketAddr,
    transport: PlainTransport,
    track: TrackId,
    allowance: Allowance,
    pub(crate) codec: Codec,
    pub(crate) packet_time: u8,
    pub(crate) mix: MixOut,
}

impl Worker {
    /// Somebody is there over plain RTP: they publish one voice and hear the mix.
    pub(crate) fn open_plain(&mut self, member: u32, ask: PlainAsk) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let (index, muted) = (known.room, known.muted.audio);
        let Some(room) = self.rooms.get_mut(index) else {
            return;
        };
        let info = TrackInfo {
            publisher: MemberId(member.into()),
            codec: ask.codec,
            source: TrackSource::Microphone,
            encodings: 1,
        };
        let watched = self.poller.add(&*ask.socket, PLAIN | u64::from(member));
        let (Ok(()), Some(track), Ok(random)) = (watched, room.router.publish(info), getrandom::u64()) else {
            return self.refuse(
                member,
                "plain",
                "the system has no room for one more socket",
                false,
            );
        };
        room.feeds.insert(track, Feed::new(member, 0, ask.codec, &[]));
        for link in &room.links {
            room.router.set_linked(track, *link, u8::MAX);
        }
        room.router.mute(track, muted);
        let [ssrc, timestamp] = [random as u32, (random >> 32) as u32];
        known.plain = Some(Box::new(PlainLeg {
            source: ask.socket.source(ask.socket.local().ip()),
            socket: ask.socket,
            remote: ask.remote,
            transport: PlainTransport::new(ask.codec, ask.payload_type, ssrc, ask.keys.as_ref()),
            track,
            allowance: Allowance::new(RATE, self.now),
            codec: ask.codec,
            packet_time: ask.packet_time,
            mix: MixOut::new(0, random as u16 & 0x7FFF, timestamp),
        }));
        known.hearing.mixed = Some(true);
        self.unsettled.push(index);
        self.tell_tracks(member);
        self.settle_hearing(member);
    }

    /// Takes what came to a gateway's socket.
    pub(crate) fn take_from_plain(&mut self, member: u32) {
        self.outbox.batch.make_room(AT_ONCE);
        let Some(known) = self.members.get(member) else {
            return;
        };
        let Some(leg) = &known.plain else { return };
        let (room, remote, track) = (known.room, leg.remote, leg.track);
        let slots = self.outbox.batch.receive(&leg.socket, AT_ONCE).unwrap_or(0..0);
        for slot in slots {
            let Some(received) = self.outbox.batch.received(slot) else {
                continue;
            };
            if received.from != remote {
                self.meters.strangers += received.count();
                continue;
            }
            for span in received.segments() {
                let leg = self
                    .members
                    .get_mut(member)
                    .and_then(|known| known.plain.as_mut());
                let Some(leg) = leg else { return };
                let bytes = self.outbox.batch.bytes(span);
                let mut datagram = [0; LONGEST];
                let Some(datagram) = datagram.get_mut(..bytes.len()) else {
                    continue;
                };
                datagram.copy_from_slice(bytes);
                if !leg.allowance.take(datagram.len(), self.now) {
                    self.meters.policed += 1;
                } else if let Some(packet) = leg.transport.receive(datagram) {
                    self.take_packet(room, track, None, packet);
                } else {
                    self.meters.unverified += 1;
                }
            }
        }
    }

    /// The socket of a gateway that is gone is closed, after what waits in it was sent.
    pub(crate) fn close_plain(&mut self, member: u32) {
        let Some(leg) = self.members.get_mut(member).and_then(|known| known.plain.take()) else {
            return;
        };
        self.outbox.batch.dispatch();
        let room = self.members.get(member).map(|known| known.room);
        if let Some(room) = room.and_then(|room| self.rooms.get_mut(room)) {
            room.drop_track(leg.track);
        }
    }
}

impl PlainLeg {
    /// Sends a packet of the mix.
    pub(crate) fn send(&mut self, picture: &Picture<'_>, outbox: &mut crate::outbox::Outbox) {
        let (transport, source, remote) = (&mut self.transport, self.source, self.remote);
        outbox
            .batch
            .compose(source, remote, LONGEST, |out| transport.write(picture, out));
    }
}
