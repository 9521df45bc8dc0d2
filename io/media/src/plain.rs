//! Gateways: people who send and receive plain RTP, each known by one remote address.

use std::net::SocketAddr;

use trefoil_net::Source;
use trefoil_peer::{Path, Picture, PlainKeys, PlainTransport, Via};
use trefoil_rtp::Codec;
use trefoil_sfu::{MemberId, Source as TrackSource, TrackId, TrackInfo};

use crate::{
    demux::{Arrival, Known, Leg},
    links::Handed,
    member::Allowance,
    mix_out::MixOut,
    outbox::{Outbox, Route},
    room::Feed,
    worker::Worker,
};

/// Bits a second that one gateway may send: sound.
const RATE: u64 = 1_000_000;

/// A gateway, as it was agreed.
#[derive(Clone, Debug)]
pub struct PlainAsk {
    /// Where it sends to, and is sent from: one of [`Media::plain_address`](crate::Media::plain_address).
    pub local: SocketAddr,
    /// The only address that is heard, and that is sent to; no other gateway has it.
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
    route: Route,
    transport: PlainTransport,
    track: TrackId,
    allowance: Allowance,
    pub(crate) codec: Codec,
    pub(crate) packet_time: u8,
    pub(crate) mix: MixOut,
}

impl Worker {
    /// Somebody is there over plain RTP: they publish one voice and hear the mix.
    pub(crate) fn open_plain(&mut self, member: u32, ask: &PlainAsk) {
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
        let path = Path {
            via: Via::Udp,
            remote: ask.remote,
            local: ask.local,
        };
        if self.demux.known(path).is_some() {
            return self.refuse(member, "plain", "somebody else is at that remote address", false);
        }
        let (Some(track), Ok(random)) = (room.router.publish(info), getrandom::u64()) else {
            return self.refuse(member, "plain", "the room has no place for one more track", false);
        };
        room.feeds.insert(track, Feed::new(member, 0, ask.codec, &[]));
        for link in &room.links {
            room.router.set_linked(track, *link, u8::MAX);
        }
        room.router.mute(track, muted);
        let socket = self
            .outbox
            .sockets
            .iter()
            .find(|socket| serves(socket.local(), ask.local));
        let source = socket.map(|socket| socket.source(ask.local.ip()));
        let [ssrc, timestamp] = [random as u32, (random >> 32) as u32];
        known.plain = Some(Box::new(PlainLeg {
            route: Route { path, source },
            transport: PlainTransport::new(ask.codec, ask.payload_type, ssrc, ask.keys.as_ref()),
            track,
            allowance: Allowance::new(RATE, self.now),
            codec: ask.codec,
            packet_time: ask.packet_time,
            mix: MixOut::new(0, random as u16 & 0x7FFF, timestamp),
        }));
        known.hearing.mixed = Some(true);
        self.place_plain(member, path, source);
        self.unsettled.push(index);
        self.tell_tracks(member);
        self.settle_hearing(member);
    }

    /// What comes from a gateway's address is the gateway's from now on, whichever worker it reaches.
    fn place_plain(&mut self, member: u32, path: Path, source: Option<Source>) {
        let arrival = Arrival {
            source,
            worker: self.number,
        };
        let known = Known {
            member,
            leg: Leg::Plain,
            arrival,
        };
        self.demux.learn(path, known, &mut Vec::new());
        let (remote, worker) = (path.remote, self.number);
        self.tell_workers(|| Handed::Proved { remote, worker });
    }

    fn tell_workers(&mut self, word: impl Fn() -> Handed) {
        for other in (0..self.links.workers()).filter_map(|other| u8::try_from(other).ok()) {
            if self.links.is_other(other) {
                self.links.send(other, word());
            }
        }
    }

    /// A datagram came from where a gateway is.
    pub(crate) fn receive_plain(&mut self, member: u32, datagram: &mut [u8]) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let Some(leg) = &mut known.plain else { return };
        let (room, track) = (known.room, leg.track);
        if !leg.allowance.take(datagram.len(), self.now) {
            self.meters.policed += 1;
        } else if let Some(packet) = leg.transport.receive(datagram) {
            self.take_packet(room, track, None, packet);
        } else {
            self.meters.unverified += 1;
        }
    }

    /// A gateway is gone.
    pub(crate) fn close_plain(&mut self, member: u32) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let (Some(leg), room) = (known.plain.take(), known.room) else {
            return;
        };
        let remote = leg.route.path.remote;
        self.demux.forget(&[(Via::Udp, remote)]);
        self.tell_workers(|| Handed::Forgotten { remote });
        if let Some(room) = self.rooms.get_mut(room) {
            room.drop_track(leg.track);
        }
    }
}

/// Whether a socket that listens at `listening` receives what is sent to `address`.
pub(crate) fn serves(listening: SocketAddr, address: SocketAddr) -> bool {
    listening.port() == address.port()
        && listening.is_ipv4() == address.is_ipv4()
        && (listening.ip().is_unspecified() || listening.ip() == address.ip())
}

impl PlainLeg {
    /// Sends a packet of the mix.
    pub(crate) fn send(&mut self, picture: &Picture<'_>, outbox: &mut Outbox) {
        let transport = &mut self.transport;
        outbox.compose(self.route, |out| transport.write(picture, out));
    }
}
