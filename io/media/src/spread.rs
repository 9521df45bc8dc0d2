//! A room on several workers: more people than one core can serve.
//!
//! One worker is the room's home; the others each have a branch of it, and speak with the home only. Everybody elsewhere is a
//! member here too, without transports, known through a link; their tracks stand in the router like those of neighbours. So a
//! subscriber's packets, layers and repetitions are the business of their own worker alone, and a packet crosses a link once,
//! whatever number of people there receive it, and only if somebody does.

use std::sync::Arc;

use trefoil_peer::PublishedPacket;
use trefoil_rtp::Codec;
use trefoil_sfu::{MemberId, Source, TrackId, TrackInfo};

use crate::{
    MuteState, Rights, RoomKey, VoiceWish, data::DataMessage, hearing::Hearing, member::Member,
    receive::members_of, room::Feed, worker::Worker,
};

/// A track that is published elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FarTrack {
    pub(crate) id: TrackId,
    pub(crate) codec: Codec,
    pub(crate) source: Source,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) rids: Vec<String>,
    pub(crate) muted: bool,
    /// By participant, who alone may receive it.
    pub(crate) allowed: Option<Vec<u64>>,
}

/// What one part of a room says to another.
#[derive(Clone, Debug)]
pub(crate) enum RoomWord {
    /// There are people here now: who else is in the room?
    Join,
    /// There is nobody here any more.
    Part,
    /// Somebody is here.
    Entered { participant: u64, name: Arc<str> },
    /// And is gone.
    Left { participant: u64 },
    /// What somebody publishes now, all of it, and how mixes should have it.
    Tracks {
        of: u64,
        voice: VoiceWish,
        tracks: Vec<FarTrack>,
    },
    /// A sender report of a track.
    Report {
        track: TrackId,
        encoding: u8,
        microseconds: u64,
        timestamp: u32,
    },
    /// Only these encodings of a track are needed here.
    Needed { track: TrackId, encodings: u8 },
    /// Somebody here waits for a keyframe.
    Keyframe { track: TrackId, encoding: u8 },
    /// A data message, to people in the room.
    Data(DataMessage),
}

impl Worker {
    /// Which worker a room is at home.
    fn home_of(&self, key: RoomKey) -> u8 {
        home_of(key, self.links.workers())
    }

    /// Somebody came into a room that is or becomes one of several parts: the others are told.
    pub(crate) fn spread_enter(&mut self, room: u32, member: u32) {
        let Some(known) = self.rooms.get_mut(room) else {
            return;
        };
        let home = home_of(known.key, self.links.workers());
        if home != self.number && known.links.is_empty() {
            known.links.push(home);
            self.links.say(home, known.key, RoomWord::Join);
        }
        if let Some(word) = self.entered(member) {
            self.say_all(room, None, &word);
        }
    }

    /// Somebody is gone, as the others are told; and so is this part of the room, with the last one here.
    pub(crate) fn spread_leave(&mut self, room: u32, participant: u64) {
        self.say_all(room, None, &RoomWord::Left { participant });
        let Some(known) = self.rooms.get(room) else { return };
        let here = |member: &u32| self.members.get(*member).is_some_and(Member::is_here);
        let at_home = self.home_of(known.key) == self.number;
        if known.members.iter().any(here) || (at_home && !known.links.is_empty()) {
            return;
        }
        self.say_all(room, None, &RoomWord::Part);
        self.close_room(room);
    }

    /// Nobody is in a room any more, but those who are known through links.
    fn close_room(&mut self, room: u32) {
        self.end_announcements(room);
        while let Some(far) = self
            .rooms
            .get(room)
            .and_then(|room| room.members.first().copied())
        {
            self.remove_far(far);
        }
        if let Some(known) = self.rooms.remove(room) {
            self.by_key.remove(&known.key);
        }
    }

    fn entered(&self, member: u32) -> Option<RoomWord> {
        let known = self.members.get(member)?;
        Some(RoomWord::Entered {
            participant: known.participant,
            name: known.name.clone(),
        })
    }

    /// What a member publishes, for the other parts of the room.
    fn far_tracks(&self, member: u32) -> Option<RoomWord> {
        let known = self.members.get(member)?;
        let room = self.rooms.get(known.room)?;
        let participant = |id: &MemberId| Some(self.members.get(id.0 as u32)?.participant);
        let own = room
            .router
            .tracks()
            .filter(|track| track.info().publisher == MemberId(member.into()));
        let far = own.filter_map(|track| {
            let feed = room.feeds.get(&track.id())?;
            Some(FarTrack {
                id: track.id(),
                codec: track.info().codec,
                source: track.info().source,
                name: feed.name.clone(),
                rids: feed.rids.clone(),
                muted: track.is_muted(),
                allowed: track
                    .allowed()
                    .map(|allowed| allowed.iter().filter_map(participant).collect()),
            })
        });
        Some(RoomWord::Tracks {
            of: known.participant,
            voice: known.hearing.voice,
            tracks: far.collect(),
        })
    }

    /// Tells the other parts of the room what a member publishes now.
    pub(crate) fn spread_tracks(&mut self, member: u32) {
        let Some(room) = self.members.get(member).map(|member| member.room) else {
            return;
        };
        if self.rooms.get(room).is_some_and(|room| !room.links.is_empty())
            && let Some(word) = self.far_tracks(member)
        {
            let from = self.members.get(member).and_then(|member| member.link);
            self.say_all(room, from, &word);
        }
    }

    /// Says something to all other parts of a room, but to one.
    pub(crate) fn say_all(&mut self, room: u32, but: Option<u8>, word: &RoomWord) {
        let Some(known) = self.rooms.get(room) else { return };
        for link in known.links.iter().filter(|link| Some(**link) != but) {
            self.links.say(*link, known.key, word.clone());
        }
    }

    /// Another part of a room says something.
    pub(crate) fn hear(&mut self, key: RoomKey, from: u8, word: RoomWord) {
        let room = match (self.by_key.get(&key), &word) {
            (Some(room), _) => *room,
            (None, RoomWord::Join) => self.open_room(key),
            // What was said while the last one here left.
            (None, _) => return,
        };
        match word {
            RoomWord::Join => self.link(room, from),
            RoomWord::Part => self.part(room, from),
            RoomWord::Entered { participant, name } => self.far_entered(room, from, participant, name),
            RoomWord::Left { participant } => {
                if let Some(member) = self.far(key, participant, from) {
                    self.remove_far(member);
                    self.say_all(room, Some(from), &RoomWord::Left { participant });
                } else if let Some(elsewhere) = self.by_participant.get(&(key, participant)).copied() {
                    // They have come back another way in the meantime.
                    self.introduce(elsewhere, from);
                }
            }
            RoomWord::Tracks { of, voice, tracks } => {
                if let Some(member) = self.far(key, of, from) {
                    self.sound_as(member, voice);
                    self.set_far_tracks(room, member, &tracks);
                    self.tell_tracks(member);
                }
            }
            RoomWord::Report {
                track,
                encoding,
                microseconds,
                timestamp,
            } => self.report_of(room, track, Some(from), (encoding, microseconds, timestamp)),
            RoomWord::Needed { track, encodings } => {
                if let Some(room) = self.rooms.get_mut(room) {
                    room.router.set_linked(track, from, encodings);
                }
            }
            RoomWord::Keyframe { track, encoding } => {
                if let Some(known) = self.rooms.get_mut(room) {
                    known.router.ask_for_keyframe(track, encoding, self.now);
                    self.outputs(room);
                }
            }
            RoomWord::Data(message) => self.deliver_data(room, None, Some(from), &message),
        }
    }

    /// Another worker has a part of a room now: it is told everything.
    fn link(&mut self, room: u32, from: u8) {
        let Some(known) = self.rooms.get_mut(room) else {
            return;
        };
        if !known.links.contains(&from) {
            known.links.push(from);
        }
        let tracks: Vec<TrackId> = known.router.tracks().map(trefoil_sfu::Track::id).collect();
        for track in tracks {
            known.router.set_linked(track, from, u8::MAX);
        }
        let members = known.members.clone();
        for member in members {
            self.introduce(member, from);
        }
    }

    /// Tells another part of the room who somebody is and what they publish.
    fn introduce(&mut self, member: u32, to: u8) {
        let room = self.members.get(member).map(|member| member.room);
        let Some(key) = room.and_then(|room| Some(self.rooms.get(room)?.key)) else {
            return;
        };
        for word in [self.entered(member), self.far_tracks(member)]
            .into_iter()
            .flatten()
        {
            self.links.say(to, key, word);
        }
    }

    /// A worker has no part of a room any more.
    fn part(&mut self, room: u32, from: u8) {
        let Some(known) = self.rooms.get_mut(room) else {
            return;
        };
        known.links.retain(|link| *link != from);
        known.router.unlink(from);
        let members = known.members.clone();
        for member in members {
            let far = self
                .members
                .get(member)
                .filter(|member| member.link == Some(from));
            if let Some(participant) = far.map(|member| member.participant) {
                self.remove_far(member);
                self.say_all(room, None, &RoomWord::Left { participant });
            }
        }
        let here = |member: &u32| self.members.get(*member).is_some_and(Member::is_here);
        if self
            .rooms
            .get(room)
            .is_some_and(|room| room.links.is_empty() && !room.members.iter().any(here))
        {
            self.close_room(room);
        }
    }

    /// Somebody who is known through this link.
    fn far(&self, key: RoomKey, participant: u64, from: u8) -> Option<u32> {
        let member = *self.by_participant.get(&(key, participant))?;
        (self.members.get(member)?.link == Some(from)).then_some(member)
    }

    fn far_entered(&mut self, room: u32, from: u8, participant: u64, name: Arc<str>) {
        let Some(known) = self.rooms.get_mut(room) else {
            return;
        };
        if self.by_participant.contains_key(&(known.key, participant)) {
            return;
        }
        let member = self.members.insert(Member {
            room,
            participant,
            name: name.clone(),
            rights: Rights::default(),
            muted: MuteState::default(),
            publish: None,
            subscribe: None,
            sources: std::collections::BTreeMap::new(),
            hearing: Hearing::default(),
            hears_mix: false,
            plain: None,
            link: Some(from),
        });
        known.members.push(member);
        self.by_participant.insert((known.key, participant), member);
        self.far_members += 1;
        self.say_all(room, Some(from), &RoomWord::Entered { participant, name });
        self.tell_announcements(room, participant);
    }

    /// Forgets somebody who is known through a link, and their tracks.
    pub(crate) fn remove_far(&mut self, member: u32) {
        let Some(known) = self.members.get(member) else {
            return;
        };
        let room = known.room;
        self.set_far_tracks(room, member, &[]);
        self.quit_mix(room, member);
        let Some(known) = self.members.remove(member) else {
            return;
        };
        self.far_members -= 1;
        if let Some(room) = self.rooms.get_mut(room) {
            room.members.retain(|other| *other != member);
            self.by_participant.remove(&(room.key, known.participant));
        }
    }

    /// What somebody elsewhere publishes now.
    fn set_far_tracks(&mut self, room: u32, member: u32, tracks: &[FarTrack]) {
        let from = self.members.get(member).and_then(|member| member.link);
        let Some(known) = self.rooms.get_mut(room) else {
            return;
        };
        let publisher = MemberId(member.into());
        let own = known
            .router
            .tracks()
            .filter(|track| track.info().publisher == publisher);
        let gone = own.map(trefoil_sfu::Track::id);
        let gone: Vec<TrackId> = gone
            .filter(|id| !tracks.iter().any(|track| track.id == *id))
            .collect();
        for id in gone {
            known.drop_track(id);
        }
        for track in tracks {
            let info = TrackInfo {
                publisher,
                codec: track.codec,
                source: track.source,
                encodings: u8::try_from(track.rids.len()).unwrap_or(1).max(1),
            };
            if known.router.adopt(track.id, info) {
                let mut feed = Feed::new(member, 0, track.codec, &track.rids);
                feed.name.clone_from(&track.name);
                known.feeds.insert(track.id, feed);
                for link in known.links.iter().filter(|link| Some(**link) != from) {
                    known.router.set_linked(track.id, *link, u8::MAX);
                }
            }
            known.router.mute(track.id, track.muted);
            let key = known.key;
            let allowed = track.allowed.as_ref();
            let allowed = allowed.map(|allowed| members_of(&self.by_participant, key, allowed));
            known.router.allow(track.id, allowed);
        }
        self.unsettled.push(room);
        self.settle_volumes(room);
    }

    /// Hands a packet to the parts of the room where somebody receives it.
    #[inline]
    pub(crate) fn spread_packet(
        &mut self,
        room: u32,
        track: TrackId,
        from: Option<u8>,
        packet: &PublishedPacket,
    ) {
        let Some(known) = self.rooms.get(room).filter(|room| !room.links.is_empty()) else {
            return;
        };
        let Some(router_track) = known.router.track(track) else {
            return;
        };
        for link in router_track
            .links(packet.encoding)
            .filter(|link| Some(*link) != from)
        {
            self.links.keep_packet(link, known.key, track, packet.clone());
        }
    }

    /// Packets of tracks that are published elsewhere.
    pub(crate) fn take_packets(&mut self, from: u8, packets: Vec<(RoomKey, TrackId, PublishedPacket)>) {
        for (key, track, packet) in packets {
            let Some(room) = self.by_key.get(&key).copied() else {
                continue;
            };
            let feed = self.rooms.get(room).and_then(|room| room.feeds.get(&track));
            let through = feed.and_then(|feed| self.members.get(feed.member)?.link);
            if through == Some(from) {
                self.take_packet(room, track, Some(from), packet);
            }
        }
    }
}

/// Which of so many workers a room is at home.
pub(crate) fn home_of(key: RoomKey, workers: usize) -> u8 {
    (key.0 % workers.max(1) as u64) as u8
}
