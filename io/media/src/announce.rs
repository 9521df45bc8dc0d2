//! Announcements: sound from files, played into a room for everybody in it.
//!
//! The room's home plays. Its mixer is given the samples; for all others they are encoded once and forwarded as a track of the
//! room itself, which is a member of its own while it speaks. So every part of the room knows that track like any other; where
//! one has a mixer, the packets are decoded for it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use trefoil_codec::{AnyDecoder, AnyEncoder, Builtin};
use trefoil_mix::{
    AnnouncementId, Channels, Codec as MixCodec, Codecs, Decoder, Encoder, FRAME, Player, Progress, Quality,
    Report, STEP, Sound,
};
use trefoil_peer::PublishedPacket;
use trefoil_rtp::Codec;
use trefoil_sfu::{MemberId, Source, TrackId, TrackInfo};

use crate::{
    Ask, Notice, RoomKey, Told,
    member::Member,
    mixing::RoomMixer,
    room::Feed,
    timers::{Planned, Timer},
    worker::Worker,
};

/// The number of the room itself, where it speaks; no participant has it.
pub const ROOM_ITSELF: u64 = 0;
/// Announcements of one room at once, whoever asks.
const LIMIT: usize = 16;
/// Sound and music: more than a voice needs.
const QUALITY: Quality = Quality {
    bitrate: 48_000,
    complexity: 5,
    loss_percent: 0,
};
/// A mixer is ahead of what it is given by so many frames, so that none is missing when it comes a little late.
const AHEAD: usize = 3;

/// A sound that is to be played into a room.
#[derive(Clone, Debug)]
pub struct AnnounceAsk {
    /// Which: a number that no other announcement of this room has.
    pub id: u64,
    /// What people are told that it is.
    pub name: Arc<str>,
    /// The sound.
    pub sound: Arc<Sound>,
    /// How loud; 1 as it is, 8 at most.
    pub gain: f32,
    /// How often.
    pub times: u16,
}

/// How far an announcement is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnnouncementView {
    /// Which.
    pub id: u64,
    /// What it is.
    pub name: Arc<str>,
    /// How far.
    pub progress: Progress,
    /// What was heard of it.
    pub played: Duration,
    /// All of it.
    pub length: Duration,
}

/// A room that speaks.
#[derive(Debug)]
pub(crate) struct Announcer {
    player: Player,
    names: BTreeMap<AnnouncementId, Arc<str>>,
    encoder: AnyEncoder,
    /// The room's own place among the worker's members.
    member: u32,
    track: TrackId,
    sequence: u64,
    timestamp: u32,
    planned: Planned,
}

impl Announcer {
    fn view(&self, report: Report) -> Option<AnnouncementView> {
        Some(AnnouncementView {
            id: report.announcement.0,
            name: self.names.get(&report.announcement)?.clone(),
            progress: report.progress,
            played: report.played,
            length: report.length,
        })
    }

    /// The packet for 20 ms.
    fn packet(&mut self, payload: Vec<u8>) -> PublishedPacket {
        self.sequence += 1;
        PublishedPacket {
            media: 0,
            encoding: 0,
            codec: Codec::Opus,
            sequence: self.sequence,
            timestamp: self.timestamp,
            marker: false,
            payload: payload.into(),
            descriptor: Arc::default(),
            // A room that says how loud it is would be one of those who speak.
            level: None,
            orientation: None,
        }
    }
}

/// What a mixer hears of its room's announcements.
#[derive(Debug, Default)]
pub(crate) struct Announced {
    /// When it was last given something.
    fed: Option<Duration>,
    decoder: Option<AnyDecoder>,
}

impl RoomMixer {
    /// The next samples of what is played into the room.
    fn announce(&mut self, samples: &[f32], now: Duration) {
        let goes_on = self
            .announced
            .fed
            .is_some_and(|fed| now.saturating_sub(fed) < STEP * 5);
        if !goes_on {
            self.mixer.feed(&[0.0; AHEAD * FRAME], now);
        }
        self.announced.fed = Some(now);
        self.mixer.feed(samples, now);
    }
}

impl Worker {
    /// Does what is asked of a room rather than of somebody in it; gives back everything else.
    pub(crate) fn obey_for_room(&mut self, key: RoomKey, ask: Ask) -> Option<Ask> {
        match ask {
            Ask::Announce(ask) => self.announce(key, &ask),
            Ask::Silence(id) => {
                let room = self.by_key.get(&key).and_then(|room| self.rooms.get_mut(*room));
                if let Some(announcer) = room.and_then(|room| room.announcer.as_mut()) {
                    announcer.player.stop(AnnouncementId(id));
                }
            }
            other => return Some(other),
        }
        None
    }

    fn announce(&mut self, key: RoomKey, ask: &AnnounceAsk) {
        let (id, now) = (AnnouncementId(ask.id), self.now);
        let started = self.by_key.get(&key).copied().is_some_and(|index| {
            self.begin_to_speak(index);
            let announcer = self.announcer(index);
            announcer.is_some_and(|announcer| {
                let how = (ask.gain, ask.times);
                let plays = announcer.player.play(id, ask.sound.clone(), how, now).is_ok();
                if plays {
                    announcer.names.insert(id, ask.name.clone());
                }
                plays
            })
        });
        if !started {
            let ended = AnnouncementView {
                id: ask.id,
                name: ask.name.clone(),
                progress: Progress::Ended,
                played: Duration::ZERO,
                length: ask.sound.length() * u32::from(ask.times.max(1)),
            };
            return self.tell_room(key, None, Told::Announcement(ended));
        }
        self.meters.announcements += 1;
        self.meters.announcements_playing += 1;
        if let Some(index) = self.by_key.get(&key).copied() {
            self.tell_progress(index);
            self.plan_announcer(index);
        }
    }

    fn announcer(&mut self, index: u32) -> Option<&mut Announcer> {
        self.rooms.get_mut(index)?.announcer.as_deref_mut()
    }

    fn plan_announcer(&mut self, index: u32) {
        let announcer = self.rooms.get_mut(index).and_then(|room| room.announcer.as_mut());
        if let Some(announcer) = announcer
            && let Some(due) = announcer.player.poll_timeout()
        {
            self.timers
                .plan(&mut announcer.planned, Timer::Announce(index), due);
        }
    }

    /// The room becomes a member of itself that publishes one track.
    fn begin_to_speak(&mut self, index: u32) {
        let Some(room) = self.rooms.get_mut(index).filter(|room| room.announcer.is_none()) else {
            return;
        };
        let member = self.members.insert(Member {
            room: index,
            participant: ROOM_ITSELF,
            name: "room".into(),
            ..Member::default()
        });
        let track = room.router.publish(TrackInfo {
            publisher: MemberId(member.into()),
            codec: Codec::Opus,
            source: Source::Announcement,
            encodings: 1,
        });
        let Some(track) = track else {
            self.members.remove(member);
            return;
        };
        room.feeds.insert(track, Feed::new(member, 0, Codec::Opus, &[]));
        for link in &room.links {
            room.router.set_linked(track, *link, u8::MAX);
        }
        room.members.push(member);
        room.announcer = Some(Box::new(Announcer {
            player: Player::new(LIMIT),
            names: BTreeMap::new(),
            encoder: Builtin.encoder(MixCodec::Opus, Channels::Mono, QUALITY),
            member,
            track,
            sequence: 0,
            timestamp: 0,
            planned: None,
        }));
        self.by_participant.insert((room.key, ROOM_ITSELF), member);
        self.far_members += 1;
        self.unsettled.push(index);
        self.spread_enter(index, member);
        self.tell_tracks(member);
    }

    /// Nothing is played any more.
    fn fall_silent(&mut self, index: u32) {
        let announcer = self.rooms.get_mut(index).and_then(|room| room.announcer.take());
        let Some(announcer) = announcer else { return };
        if let Some(room) = self.rooms.get_mut(index) {
            room.drop_track(announcer.track);
        }
        self.unsettled.push(index);
        self.tell_tracks(announcer.member);
        let gone = crate::spread::RoomWord::Left {
            participant: ROOM_ITSELF,
        };
        self.say_all(index, None, &gone);
        self.remove_far(announcer.member);
    }

    /// A room is over, and with it what is played there.
    pub(crate) fn end_announcements(&mut self, index: u32) {
        let Some(announcer) = self.announcer(index) else {
            return;
        };
        let playing: Vec<_> = announcer.player.playing().collect();
        for report in playing {
            self.tell_report(
                index,
                Report {
                    progress: Progress::Ended,
                    ..report
                },
            );
        }
        self.fall_silent(index);
    }

    /// The next 20 ms of what is played into a room.
    pub(crate) fn announce_due(&mut self, index: u32, at: Duration) {
        let now = self.now;
        let Some(announcer) = self.announcer(index).filter(|known| known.planned == Some(at)) else {
            return;
        };
        announcer.planned = None;
        while let Some(packet) = self.announce_step(index, now) {
            if let (track, Some(packet)) = packet {
                self.take_packet(index, track, None, packet);
            }
        }
        self.tell_progress(index);
        if self
            .announcer(index)
            .is_some_and(|announcer| announcer.player.poll_timeout().is_none())
        {
            self.fall_silent(index);
        }
        self.plan_announcer(index);
    }

    /// Gives the mixer what is due; the packet for all others, if anybody receives it.
    fn announce_step(&mut self, index: u32, now: Duration) -> Option<(TrackId, Option<PublishedPacket>)> {
        let room = self.rooms.get_mut(index)?;
        let announcer = room.announcer.as_deref_mut()?;
        let track = announcer.track;
        let linked = room.router.track(track)?.links(0).next().is_some();
        let received = !room.router.subscriptions(track)?.0.is_empty();
        let samples = announcer.player.step(now)?;
        if let Some(mixing) = &mut room.mixing {
            mixing.announce(samples, now);
            self.timers.plan_mixer(mixing, index);
        }
        announcer.timestamp = announcer.timestamp.wrapping_add(FRAME as u32);
        if !(linked || received) {
            return Some((track, None));
        }
        let mut payload = Vec::new();
        announcer.encoder.encode(samples, &mut payload);
        Some((track, Some(announcer.packet(payload))))
    }

    /// A packet of what is played at the room's home, for the mixer here.
    pub(crate) fn hear_announcement(&mut self, index: u32, packet: &PublishedPacket) {
        let Some(room) = self.rooms.get_mut(index).filter(|room| room.announcer.is_none()) else {
            return;
        };
        let Some(mixing) = &mut room.mixing else { return };
        let decoder = mixing
            .announced
            .decoder
            .get_or_insert_with(|| Builtin.decoder(MixCodec::Opus));
        let mut samples = Vec::new();
        if decoder.decode(&packet.payload, &mut samples).is_ok() {
            mixing.announce(&samples, self.now);
            self.timers.plan_mixer(mixing, index);
        }
    }

    /// Tells what the player has to tell.
    fn tell_progress(&mut self, index: u32) {
        while let Some(report) = self
            .announcer(index)
            .and_then(|announcer| announcer.player.poll_report())
        {
            self.tell_report(index, report);
        }
    }

    fn tell_report(&mut self, index: u32, report: Report) {
        let Some(room) = self.rooms.get_mut(index) else {
            return;
        };
        let (key, announcer) = (room.key, room.announcer.as_deref_mut());
        let Some(announcer) = announcer else { return };
        let view = announcer.view(report);
        if report.progress == Progress::Ended && announcer.names.remove(&report.announcement).is_some() {
            self.meters.announcements_playing -= 1;
        }
        if let Some(view) = view {
            self.tell_room(key, None, Told::Announcement(view));
        }
    }

    /// Tells a newcomer what is being played.
    pub(crate) fn tell_announcements(&mut self, index: u32, participant: u64) {
        let Some(room) = self.rooms.get(index) else { return };
        let (key, Some(announcer)) = (room.key, &room.announcer) else {
            return;
        };
        let playing = announcer.player.playing();
        let views: Vec<_> = playing.filter_map(|report| announcer.view(report)).collect();
        for view in views {
            self.tell_room(key, Some(participant), Told::Announcement(view));
        }
    }

    /// Tells everybody in a room, on whatever worker they are, or one of them.
    fn tell_room(&mut self, room: RoomKey, to: Option<u64>, told: Told) {
        let notice = Notice { room, to, told };
        self.meters.untold += u64::from(!(self.notices)(notice));
    }
}
