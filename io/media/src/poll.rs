//! What transports have to say: datagrams to send, packets to forward, and what became of them.

use trefoil_peer::{Path, Published, Subscribed, Via};
use trefoil_sfu::TrackId;

use crate::{
    demux::{Arrival, Known, Leg, is_success},
    links::Handed,
    outbox::Route,
    spread::RoomWord,
    worker::Worker,
};

impl Worker {
    pub(crate) fn poll_publish(&mut self, member: u32) {
        self.poll_published(member, None);
    }

    /// Takes everything that a publishing transport has to say; `source` is where its last datagram came to.
    pub(crate) fn poll_published(&mut self, member: u32, arrival: Option<Arrival>) {
        let mut closed = false;
        loop {
            let leg = self
                .members
                .get_mut(member)
                .and_then(|member| member.publish.as_mut());
            let Some(published) = leg.and_then(|leg| leg.transport.poll()) else {
                break;
            };
            match published {
                Published::Datagram { path, bytes } => {
                    let route = self.route(path, arrival);
                    if is_success(&bytes) {
                        self.learn(member, Leg::Publish, path, arrival);
                    }
                    self.outbox.send(route, &bytes);
                }
                Published::Packet(packet) => self.ingest(member, *packet),
                Published::Report {
                    media,
                    encoding,
                    microseconds,
                    timestamp,
                } => self.note_report(member, (media, encoding), microseconds, timestamp),
                Published::Connected => {
                    self.meters.connected += 1;
                    self.begin_call(member);
                }
                Published::Closed => closed = true,
            }
        }
        let leg = self
            .members
            .get_mut(member)
            .and_then(|member| member.publish.as_mut());
        let (mut withheld, mut gone) = (0, closed);
        if let Some(leg) = leg {
            (withheld, gone) = (leg.transport.take_withheld(), gone || leg.transport.is_closed());
        }
        self.meters.withheld += withheld;
        if gone {
            self.lose_publish(member);
        }
        self.plan_publish(member);
    }

    fn note_report(&mut self, member: u32, (media, encoding): (u8, u8), microseconds: u64, timestamp: u32) {
        let Some(known) = self.members.get(member) else {
            return;
        };
        let track = known
            .publish
            .as_ref()
            .and_then(|leg| *leg.tracks.get(usize::from(media))?);
        if let Some(track) = track {
            self.report_of(known.room, track, None, (encoding, microseconds, timestamp));
        }
    }

    /// When a timestamp of a track was, as its publisher said here or through a link.
    pub(crate) fn report_of(
        &mut self,
        room: u32,
        track: TrackId,
        from: Option<u8>,
        (encoding, microseconds, timestamp): (u8, u64, u32),
    ) {
        let Some(known) = self.rooms.get_mut(room) else {
            return;
        };
        known.router.report(track, encoding, microseconds, timestamp);
        let word = RoomWord::Report {
            track,
            encoding,
            microseconds,
            timestamp,
        };
        self.say_all(room, from, &word);
    }

    /// Takes everything that a subscribing transport has to say.
    pub(crate) fn poll_subscribed(&mut self, member: u32, arrival: Option<Arrival>) {
        let mut closed = false;
        loop {
            let leg = self
                .members
                .get_mut(member)
                .and_then(|member| member.subscribe.as_mut());
            let polled = leg.and_then(|leg| leg.transport.as_mut()?.poll(&mut leg.out));
            let Some(subscribed) = polled else {
                break;
            };
            match subscribed {
                Subscribed::Datagram { path, bytes } => {
                    let route = self.route(path, arrival);
                    if is_success(&bytes) {
                        self.learn(member, Leg::Subscribe, path, arrival);
                    }
                    self.outbox.send(route, &bytes);
                }
                Subscribed::Connected => self.begin_receiving(member),
                Subscribed::Data {
                    channel,
                    binary: _,
                    data,
                } => self.relay_data(member, channel, &data),
                Subscribed::Closed => closed = true,
            }
        }
        let leg = self
            .members
            .get(member)
            .and_then(|member| member.subscribe.as_ref());
        let transport = leg.and_then(|leg| leg.transport.as_ref());
        if closed || transport.is_some_and(trefoil_peer::SubscribeTransport::is_closed) {
            self.lose_subscribe(member);
        }
        self.plan_subscribe(member);
    }

    /// How a path is answered: as is known of it, or as its last datagram came.
    pub(crate) fn route(&self, path: Path, arrival: Option<Arrival>) -> Route {
        let known = self.demux.known(path).map(|known| known.arrival);
        Route {
            path,
            source: known.or(arrival).and_then(|arrival| arrival.source),
        }
    }

    /// A transport has proved to be at an address: its datagrams are known from now on, wherever they arrive.
    fn learn(&mut self, member: u32, leg: Leg, path: Path, arrival: Option<Arrival>) {
        let (Some(known), Some(arrival)) = (self.members.get_mut(member), arrival) else {
            return;
        };
        let proved = match leg {
            Leg::Publish => known.publish.as_mut().map(|leg| &mut leg.at),
            Leg::Subscribe => known.subscribe.as_mut().map(|leg| &mut leg.at),
            Leg::Plain => None,
        };
        let Some(proved) = proved else { return };
        let known = Known { member, leg, arrival };
        let new = self.demux.learn(path, known, proved);
        if new && path.via == Via::Udp && arrival.worker != self.number {
            let (remote, worker) = (path.remote, self.number);
            self.links.send(arrival.worker, Handed::Proved { remote, worker });
        }
    }

    /// Forgets where a transport was.
    pub(crate) fn forget(&mut self, at: &[(Via, std::net::SocketAddr)]) {
        for (remote, worker) in self.demux.forget(at) {
            if worker != self.number {
                self.links.send(worker, Handed::Forgotten { remote });
            }
        }
    }
}
