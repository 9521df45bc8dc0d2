//! What transports have to say: datagrams to send, packets to forward, and what became of them.

use trefoil_net::Source;
use trefoil_peer::{Path, Published, Subscribed};

use crate::{
    demux::{Known, Leg, is_success},
    outbox::Route,
    worker::Worker,
};

impl Worker {
    pub(crate) fn poll_publish(&mut self, member: u32) {
        self.poll_published(member, None);
    }

    /// Takes everything that a publishing transport has to say; `source` is where its last datagram came to.
    pub(crate) fn poll_published(&mut self, member: u32, source: Option<Source>) {
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
                    let route = self.route(path, source);
                    if is_success(&bytes) {
                        self.learn(member, Leg::Publish, route);
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
                Published::Connected => self.meters.connected += 1,
                Published::Closed => closed = true,
            }
        }
        let leg = self
            .members
            .get(member)
            .and_then(|member| member.publish.as_ref());
        if closed || leg.is_some_and(|leg| leg.transport.is_closed()) {
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
        if let (Some(track), Some(room)) = (track, self.rooms.get_mut(known.room)) {
            room.router.report(track, encoding, microseconds, timestamp);
        }
    }

    /// Takes everything that a subscribing transport has to say.
    pub(crate) fn poll_subscribed(&mut self, member: u32, source: Option<Source>) {
        let mut closed = false;
        loop {
            let leg = self
                .members
                .get_mut(member)
                .and_then(|member| member.subscribe.as_mut());
            let Some(subscribed) = leg.and_then(|leg| leg.transport.poll()) else {
                break;
            };
            match subscribed {
                Subscribed::Datagram { path, bytes } => {
                    let route = self.route(path, source);
                    if is_success(&bytes) {
                        self.learn(member, Leg::Subscribe, route);
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
        if closed || leg.is_some_and(|leg| leg.transport.is_closed()) {
            self.lose_subscribe(member);
        }
        self.plan_subscribe(member);
    }

    /// How a path is answered: as its last datagram came, or as is known of it.
    pub(crate) fn route(&self, path: Path, source: Option<Source>) -> Route {
        let known = || self.demux.known(path).and_then(|known| known.source);
        Route {
            path,
            source: known().or(source),
        }
    }

    fn learn(&mut self, member: u32, leg: Leg, route: Route) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let proved = match leg {
            Leg::Publish => known.publish.as_mut().map(|leg| &mut leg.at),
            Leg::Subscribe => known.subscribe.as_mut().map(|leg| &mut leg.at),
        };
        let source = route.source;
        if let Some(proved) = proved {
            self.demux
                .learn(route.path, Known { member, leg, source }, proved);
        }
    }
}
