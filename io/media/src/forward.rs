//! The packet path: what a publisher sent, to everybody who subscribes.

use std::{rc::Rc, time::Duration};

use trefoil_bwe::{Micros, Priority, Pushed};
use trefoil_peer::{Feedback, Picture, PublishedPacket};
use trefoil_sfu::{MemberId, Outgoing, Rewrite, Sent, TrackId};

use crate::{
    history::Held,
    member::{Paced, SubscribeLeg},
    outbox::Outbox,
    worker::Worker,
};

/// Headers, extensions, tag and the headers below, around a payload: what the pacer counts.
const AROUND: usize = 12 + 20 + 16 + 28;
/// A packet is not sent again sooner than this after it was.
const SOONEST_AGAIN: Duration = Duration::from_millis(20);
/// Padding packets that one round sends at most.
const PADDING: usize = 16;

impl SubscribeLeg {
    /// Sends a packet, now or when it is its turn.
    #[inline]
    fn forward(&mut self, paced: Paced, held: &Held, outbox: &mut Outbox, now: Duration) {
        let priority = match (held.packet.codec.is_video(), paced.again) {
            (false, _) => Priority::Audio,
            (true, true) => Priority::Retransmission,
            (true, false) => Priority::Video,
        };
        let bytes = held.packet.payload.len() + AROUND;
        if let Pushed::SendNow = self.pacer.push(paced, bytes, priority, micros(now)) {
            self.write(paced, held, outbox, now);
        }
    }

    #[inline]
    fn write(&mut self, paced: Paced, held: &Held, outbox: &mut Outbox, now: Duration) {
        let (Some(route), Some(plane)) = (self.route, self.out.plane()) else {
            return;
        };
        let Outgoing {
            sequence,
            timestamp,
            marker,
            rewrite,
        } = paced.outgoing;
        let packet = &held.packet;
        let picture = Picture {
            codec: packet.codec,
            sequence,
            timestamp,
            marker,
            payload: &packet.payload,
            renumber: match rewrite {
                Rewrite::Nothing => None,
                Rewrite::Pictures { picture, tl0 } => Some((picture, tl0)),
                Rewrite::Frame(frame) => Some((frame, 0)),
            },
            descriptor: &packet.descriptor,
            level: packet.level,
            orientation: packet.orientation,
            voices: &[],
        };
        let now = micros(now);
        outbox.compose(route, |out| {
            if paced.again {
                plane.repeat(paced.place, &picture, now, out)
            } else {
                plane.write(paced.place, &picture, now, out)
            }
        });
    }

    /// What waits for its turn in one place is of no use any more.
    fn forget_waiting(&mut self, place: u8) {
        self.pacer.retain(|waiting| waiting.place != place);
    }

    /// The rate at which packets leave follows the estimate.
    pub(crate) fn follow_estimate(&mut self) {
        if let Some(plane) = self.out.plane_ref() {
            self.pacer.set_rate(plane.estimator().pace());
        }
    }
}

impl Worker {
    /// A packet came from a publisher: it waits for the next flush.
    #[inline]
    pub(crate) fn ingest(&mut self, member: u32, packet: PublishedPacket) {
        let Some(known) = self.members.get(member) else {
            return;
        };
        let leg = known.publish.as_ref();
        let Some(Some(track)) = leg.and_then(|leg| leg.tracks.get(usize::from(packet.media)).copied()) else {
            self.meters.unpublished += 1;
            return;
        };
        self.take_packet(known.room, track, None, packet);
    }

    /// A packet of a track came, from here or through a link.
    #[inline]
    pub(crate) fn take_packet(
        &mut self,
        room: u32,
        track: TrackId,
        from: Option<u8>,
        packet: PublishedPacket,
    ) {
        self.spread_packet(room, track, from, &packet);
        self.mix_packet(room, track, &packet);
        let Some(known) = self.rooms.get_mut(room) else {
            return;
        };
        let Some(feed) = known.feeds.get_mut(&track) else {
            return;
        };
        if packet.codec != feed.codec {
            feed.codec = packet.codec;
            known.router.recode(track, packet.codec);
            self.unsettled.push(room);
        }
        let Some(known) = self.rooms.get_mut(room) else {
            return;
        };
        let Some(feed) = known.feeds.get_mut(&track) else {
            return;
        };
        let numbers = (packet.sequence, packet.timestamp, packet.marker);
        let descriptor = (!packet.descriptor.is_empty()).then_some(&*packet.descriptor);
        let received = known.router.receive(
            track,
            packet.encoding,
            numbers,
            &packet.payload,
            descriptor,
            self.now,
        );
        let Ok(incoming) = received else {
            self.meters.malformed += 1;
            return;
        };
        if let Some(level) = packet.level {
            known.router.level(track, level & 0x7F, self.now);
        }
        self.meters.packets_in += 1;
        feed.packets_in += 1;
        feed.bytes_in += packet.payload.len() as u64;
        let (encoding, video) = (packet.encoding, packet.codec.is_video());
        let held = Rc::new(Held { packet, incoming });
        if video && let Some(history) = feed.histories.get_mut(usize::from(encoding)) {
            history.keep(held.clone());
        }
        if feed.pending.is_empty() {
            if known.dirty.is_empty() {
                self.dirty.push(room);
            }
            known.dirty.push(track);
        }
        feed.pending.push((encoding, held));
    }

    /// Forwards everything that came since the last flush: track by track, subscriber by subscriber, so that what one
    /// subscriber gets lies together and leaves in one call.
    pub(crate) fn forward(&mut self) {
        while let Some(room) = self.dirty.pop() {
            self.forward_room(room);
        }
    }

    fn forward_room(&mut self, index: u32) {
        let now = self.now;
        let Some(room) = self.rooms.get_mut(index) else {
            return;
        };
        while let Some(track) = room.dirty.pop() {
            let Some(feed) = room.feeds.get_mut(&track) else {
                continue;
            };
            let mut pending = std::mem::take(&mut feed.pending);
            if let Some((subscriptions, align)) = room.router.subscriptions(track) {
                for subscription in subscriptions {
                    let MemberId(member) = subscription.member;
                    let leg = self
                        .members
                        .get_mut(member as u32)
                        .and_then(|member| member.subscribe.as_mut());
                    let Some(leg) = leg else { continue };
                    let mut before = subscription.gate.current();
                    for (encoding, held) in &pending {
                        let incoming = &held.incoming;
                        let aligned = |to| align(*encoding, to, incoming.timestamp);
                        let Some(outgoing) = subscription.gate.pass(*encoding, incoming, aligned, now) else {
                            continue;
                        };
                        let current = subscription.gate.current();
                        if current.map(|layer| layer.encoding) != before.map(|layer| layer.encoding) {
                            // Decoding begins anew with this packet: what of the old encoding still waits is of no use.
                            leg.forget_waiting(subscription.slot);
                            before = current;
                        }
                        let paced = Paced {
                            track,
                            encoding: *encoding,
                            sequence: incoming.sequence,
                            place: subscription.slot,
                            outgoing,
                            again: false,
                        };
                        leg.forward(paced, held, &mut self.outbox, now);
                        room.packets_out += 1;
                    }
                    if let Some(due) = leg.pacer.poll_timeout() {
                        let timer = crate::timers::Timer::Subscribe(member as u32);
                        self.timers
                            .plan(&mut leg.planned, timer, Duration::from_micros(due.0));
                    }
                }
            }
            pending.clear();
            if let Some(feed) = room.feeds.get_mut(&track) {
                feed.pending = pending;
            }
        }
    }

    /// What waits for its turn in one place of a member is of no use any more.
    pub(crate) fn forget_waiting(&mut self, MemberId(member): MemberId, place: u8) {
        let member = self.members.get_mut(member as u32);
        if let Some(leg) = member.and_then(|member| member.subscribe.as_mut()) {
            leg.forget_waiting(place);
        }
    }

    /// Does what a subscriber's feedback asks for.
    pub(crate) fn answer_feedback(&mut self, member: u32) {
        let mut feedback = std::mem::take(&mut self.feedback);
        for wish in feedback.drain(..) {
            match wish {
                Feedback::Nack { place, sequence } => self.repeat(member, place, sequence),
                Feedback::PictureLost { place } => self.picture_lost(member, place),
            }
        }
        self.feedback = feedback;
    }

    fn picture_lost(&mut self, member: u32, place: u8) {
        let Some(room) = self.members.get(member).map(|member| member.room) else {
            return;
        };
        if let Some(known) = self.rooms.get_mut(room) {
            known
                .router
                .picture_lost(MemberId(member.into()), place, self.now);
            self.unsettled.push(room);
        }
    }

    fn repeat(&mut self, member: u32, place: u8, sequence: u16) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let (Some(room), Some(leg)) = (self.rooms.get_mut(known.room), known.subscribe.as_mut()) else {
            return;
        };
        let Some(plane) = leg.out.plane() else {
            return;
        };
        // A packet that is on its way need not be sent once more.
        let interval = plane.estimator().round_trip().max(SOONEST_AGAIN);
        let (id, now) = (MemberId(member.into()), self.now);
        let found = room.router.in_slot(id, place).and_then(|(track, subscription)| {
            let Sent {
                outgoing,
                encoding,
                sequence,
            } = subscription.gate.repeat(sequence, interval, now)?;
            let held = room.feeds.get(&track)?.find(encoding, sequence)?;
            let paced = Paced {
                track,
                encoding,
                sequence,
                place,
                outgoing,
                again: true,
            };
            plane
                .may_repeat(held.packet.payload.len() + AROUND, micros(now))
                .then(|| (paced, held.clone()))
        });
        match found {
            Some((paced, held)) => leg.forward(paced, &held, &mut self.outbox, self.now),
            None => {
                if let Some(plane) = leg.out.plane() {
                    plane.cannot_repeat();
                }
            }
        }
    }

    /// Sends what has waited for its turn, and padding where a probe wants it.
    pub(crate) fn pace(&mut self, member: u32) {
        let now = self.now;
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let (Some(room), Some(leg)) = (self.rooms.get(known.room), known.subscribe.as_mut()) else {
            return;
        };
        while let Some(paced) = leg.pacer.pop(micros(now)) {
            let held = room
                .feeds
                .get(&paced.track)
                .and_then(|feed| feed.find(paced.encoding, paced.sequence));
            if let Some(held) = held {
                leg.write(paced, held, &mut self.outbox, now);
            }
        }
        if let Some(plane) = leg.out.plane() {
            plane.estimator_mut().handle_timeout(micros(now));
        }
        let Some(route) = leg.route else { return };
        let Some(plane) = leg.out.plane() else {
            return;
        };
        for _ in 0..PADDING {
            let due = plane
                .estimator_mut()
                .probe(micros(now))
                .map_or(0, |probe| probe.bytes_due);
            if due == 0 {
                break;
            }
            self.outbox
                .compose(route, |out| plane.pad(true, micros(now), out));
        }
    }
}

pub(crate) fn micros(now: Duration) -> Micros {
    Micros(u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}
