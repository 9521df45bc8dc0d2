//! What is told to those who asked, and to everybody else.

use trefoil_sfu::{MemberId, Output, TrackId};

use crate::{
    Notice, Told, TrackView,
    command::{Reception, TrackReception},
    member::Member,
    spread::RoomWord,
    worker::Worker,
};

impl Worker {
    /// Tells one member something.
    pub(crate) fn tell(&mut self, member: u32, told: Told) {
        let Some(member) = self.members.get(member) else {
            return;
        };
        let Some(room) = self.rooms.get(member.room) else {
            return;
        };
        let notice = Notice {
            room: room.key,
            to: Some(member.participant),
            told,
        };
        self.meters.untold += u64::from(!(self.notices)(notice));
    }

    /// Tells everybody in a room something.
    pub(crate) fn tell_all(&mut self, room: u32, told: Told) {
        let Some(known) = self.rooms.get(room) else { return };
        if !known.links.is_empty() {
            // Each part of a room tells its own people.
            let here = |member: &u32| self.members.get(*member).is_some_and(Member::is_here);
            let here: Vec<u32> = known.members.iter().copied().filter(here).collect();
            return here
                .into_iter()
                .for_each(|member| self.tell(member, told.clone()));
        }
        let notice = Notice {
            room: known.key,
            to: None,
            told,
        };
        self.meters.untold += u64::from(!(self.notices)(notice));
    }

    /// What a member publishes, as others are told.
    fn tracks_of(&self, member: u32) -> Option<Told> {
        let known = self.members.get(member)?;
        let room = self.rooms.get(known.room)?;
        let own = room
            .router
            .tracks()
            .filter(|track| track.info().publisher == MemberId(member.into()));
        let tracks = own.map(|track| TrackView {
            track: track.id(),
            codec: track.info().codec,
            source: track.info().source,
            name: room.feeds.get(&track.id()).and_then(|feed| feed.name.clone()),
            muted: track.is_muted(),
        });
        Some(Told::Tracks {
            of: known.participant,
            tracks: tracks.collect(),
        })
    }

    /// Tells everybody what a member publishes now.
    pub(crate) fn tell_tracks(&mut self, member: u32) {
        self.spread_tracks(member);
        let room = self.members.get(member).map(|member| member.room);
        if let (Some(room), Some(told)) = (room, self.tracks_of(member)) {
            self.tell_all(room, told);
        }
    }

    /// Tells a newcomer what everybody else publishes.
    pub(crate) fn tell_all_tracks(&mut self, newcomer: u32) {
        let Some(member) = self.members.get(newcomer) else {
            return;
        };
        let Some(room) = self.rooms.get(member.room) else {
            return;
        };
        let others: Vec<u32> = room
            .members
            .iter()
            .copied()
            .filter(|other| *other != newcomer)
            .collect();
        for other in others {
            match self.tracks_of(other) {
                Some(Told::Tracks { of, tracks }) if !tracks.is_empty() => {
                    self.tell(newcomer, Told::Tracks { of, tracks });
                }
                _ => {}
            }
        }
    }

    /// Does and tells what a room's router wants done and told.
    pub(crate) fn outputs(&mut self, room: u32) {
        loop {
            let Some(known) = self.rooms.get_mut(room) else {
                return;
            };
            let Some(output) = known.router.poll_output() else {
                break;
            };
            match output {
                Output::Keyframe { track, encoding } => self.ask_for_keyframe(room, track, encoding),
                Output::Needed { track, encodings } => self.tell_needed(room, track, encodings),
                Output::Left(member, slot) => self.forget_waiting(member, slot),
                Output::Slots(member) => self.tell_slots(room, member),
                Output::Speakers => self.tell_speakers(room),
            }
        }
        self.plan_room(room);
    }

    fn say_to(&mut self, room: u32, link: u8, word: RoomWord) {
        if let Some(room) = self.rooms.get(room) {
            self.links.say(link, room.key, word);
        }
    }

    fn ask_for_keyframe(&mut self, room: u32, track: TrackId, encoding: u8) {
        let Some(feed) = self.rooms.get(room).and_then(|room| room.feeds.get(&track)) else {
            return;
        };
        let (member, media) = (feed.member, feed.media);
        if let Some(link) = self.members.get(member).and_then(|member| member.link) {
            return self.say_to(room, link, RoomWord::Keyframe { track, encoding });
        }
        let Some(leg) = self
            .members
            .get_mut(member)
            .and_then(|member| member.publish.as_mut())
        else {
            return;
        };
        leg.transport.request_keyframe(media, encoding);
        self.meters.keyframes_asked += 1;
        self.poll_publish(member);
    }

    fn tell_needed(&mut self, room: u32, track: TrackId, encodings: u8) {
        let Some(feed) = self.rooms.get(room).and_then(|room| room.feeds.get(&track)) else {
            return;
        };
        if let Some(link) = self.members.get(feed.member).and_then(|member| member.link) {
            return self.say_to(room, link, RoomWord::Needed { track, encodings });
        }
        let needed = (0_u8..)
            .zip(&feed.rids)
            .filter(|(index, _)| encodings >> index & 1 == 1);
        let told = Told::Needed {
            track,
            rids: needed.map(|(_, rid)| rid.clone()).collect(),
            any: encodings != 0,
        };
        self.tell(feed.member, told);
    }

    pub(crate) fn tell_slots(&mut self, room: u32, MemberId(member): MemberId) {
        let (Some(room), Some(known)) = (self.rooms.get(room), self.members.get(member as u32)) else {
            return;
        };
        let mut shown = Vec::new();
        if let Some(leg) = &known.subscribe {
            let slots = (0_u8..).zip(room.router.slots(MemberId(member)));
            shown.extend(slots.filter_map(|(place, slot)| Some((leg.out.mid_of(place), slot.track()?))));
            if known.hears_mix {
                shown.push((leg.out.mid_of(leg.mix.place), TrackId::MIX));
            }
        }
        let told = Told::Slots(shown);
        self.tell(member as u32, told);
    }

    fn tell_speakers(&mut self, room: u32) {
        let Some(known) = self.rooms.get(room) else { return };
        let speakers = known.router.speakers().iter().filter_map(|(track, level)| {
            let member = self.members.get(known.feeds.get(track)?.member)?;
            Some((member.participant, -i8::try_from(*level).unwrap_or(127)))
        });
        let told = Told::Speakers(speakers.collect());
        self.tell_all(room, told);
    }

    /// Tells a subscriber how they receive, if that is another way than before.
    pub(crate) fn tell_reception(&mut self, member: u32) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let (Some(room), Some(leg)) = (self.rooms.get(known.room), known.subscribe.as_mut()) else {
            return;
        };
        let Some(plane) = leg.out.plane_ref() else {
            return;
        };
        let estimator = plane.estimator();
        let received = room.router.received_by(MemberId(member.into()));
        let tracks = received.filter(|(_, track, _)| track.info().codec.is_video());
        let now = Reception {
            estimate: estimator.estimate() / 10_000 * 10_000,
            loss: (estimator.loss() * 100.0).round() / 100.0,
            round_trip: u32::try_from(estimator.round_trip().as_millis()).unwrap_or(u32::MAX),
            tracks: tracks
                .map(|(_, track, subscription)| TrackReception {
                    track: track.id(),
                    bits_per_second: subscription.share.bits_per_second,
                    limit: subscription.share.limit,
                })
                .collect(),
        };
        let loss = now.loss;
        if now != leg.told {
            leg.told = now.clone();
            self.tell(member, Told::Reception(now));
        }
        self.follow_loss(member, loss);
    }
}
