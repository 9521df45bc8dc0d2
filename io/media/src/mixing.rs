//! Mixing on a worker: voices of a room go into its mixer, and those who want one stream get its packets.
//!
//! A room has a mixer while somebody in it hears the mix. The mixer counts people by their place among the worker's members;
//! further sounds of the same person, such as a screen's, take part under numbers of their own.

use std::{collections::BTreeMap, time::Duration};

use trefoil_codec::Builtin;
use trefoil_mix::{Codec as MixCodec, Event, Mixer, Output, Packet, ParticipantId, Sent, Settings, SourceId};
use trefoil_peer::{Picture, PublishedPacket};
use trefoil_rtp::{Codec, red};
use trefoil_sfu::{MemberId, Source, TrackId};

use crate::{
    Told, announce::Announced, command::VoiceWish, forward::micros, room::Room, timers::Planned,
    worker::Worker,
};

/// Sounds that are not somebody's voice are numbered from here on, by their track.
const FURTHER: u64 = 1 << 32;

/// A room's mixer.
#[derive(Debug)]
pub(crate) struct RoomMixer {
    pub(crate) mixer: Mixer<Builtin>,
    /// Which of the worker's mixers this is.
    number: u64,
    pub(crate) planned: Planned,
    /// By track, as whom it takes part and whether it is muted.
    pub(crate) sounds: BTreeMap<TrackId, (ParticipantId, bool)>,
    /// The same the other way round.
    tracks: BTreeMap<ParticipantId, TrackId>,
    pub(crate) announced: Announced,
}

impl RoomMixer {
    pub(crate) fn new(number: u64, talkers: usize) -> Self {
        let settings = Settings {
            talkers,
            ..Settings::default()
        };
        Self {
            mixer: Mixer::new(settings, Builtin),
            number,
            planned: None,
            sounds: BTreeMap::new(),
            tracks: BTreeMap::new(),
            announced: Announced::default(),
        }
    }

    /// Somebody is heard like this.
    pub(crate) fn sound_as(&mut self, who: ParticipantId, voice: VoiceWish) {
        self.mixer.set_gain(who, voice.gain.unwrap_or(1.0));
        self.mixer.set_place(who, voice.place.unwrap_or(0.0));
        // What is not speech is not for a suppressor of noise.
        let denoise = voice.denoise.unwrap_or(false) && who.0 < FURTHER;
        self.mixer.set_denoise(who, denoise);
    }

    /// A track is gone.
    pub(crate) fn forget(&mut self, track: TrackId) {
        if let Some((who, _)) = self.sounds.remove(&track) {
            self.tracks.remove(&who);
            if who.0 >= FURTHER {
                self.mixer.leave(who);
            } else {
                // They may still hear; what they said last fades.
                self.mixer.set_muted(who, true);
            }
        }
    }
}

impl Room {
    /// A track is gone, wherever it was known.
    pub(crate) fn drop_track(&mut self, track: TrackId) {
        self.router.unpublish(track);
        self.feeds.remove(&track);
        if let Some(mixing) = &mut self.mixing {
            mixing.forget(track);
        }
    }
}

/// As whom a track takes part in the mix.
fn sound_of(publisher: MemberId, source: Source, track: TrackId) -> ParticipantId {
    if source == Source::Microphone {
        ParticipantId(publisher.0)
    } else {
        ParticipantId(FURTHER | u64::from(track.0))
    }
}

pub(crate) fn mixable(codec: Codec) -> Option<MixCodec> {
    match codec {
        Codec::Opus | Codec::Red => Some(MixCodec::Opus),
        Codec::Pcmu => Some(MixCodec::Pcmu),
        Codec::Pcma => Some(MixCodec::Pcma),
        Codec::G722 | Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::H264 => None,
    }
}

impl Worker {
    /// A packet of sound goes into the mix, if there is one.
    #[inline]
    pub(crate) fn mix_packet(&mut self, index: u32, track: TrackId, packet: &PublishedPacket) {
        if self.rooms.get(index).is_some_and(|room| room.mixing.is_some()) && !packet.codec.is_video() {
            self.mix_sound(index, track, packet);
        }
    }

    fn mix_sound(&mut self, index: u32, id: TrackId, packet: &PublishedPacket) {
        let Some(room) = self.rooms.get_mut(index) else {
            return;
        };
        let (Some(mixing), Some(track), Some(codec)) =
            (&mut room.mixing, room.router.track(id), mixable(packet.codec))
        else {
            return;
        };
        let (info, muted) = (*track.info(), track.is_muted());
        if info.source == Source::Announcement {
            return self.hear_announcement(index, packet);
        }
        let new = !mixing.sounds.contains_key(&id);
        let (who, was) = *mixing
            .sounds
            .entry(id)
            .or_insert((sound_of(info.publisher, info.source, id), !muted));
        if new {
            mixing.tracks.insert(who, id);
            // Who only speaks hears nothing; who is known already hears on.
            let deafened = mixing.mixer.join(who, Output::default()).is_ok();
            let voice = self
                .members
                .get(info.publisher.0 as u32)
                .map(|known| known.hearing.voice);
            if let (true, Some(voice)) = (deafened, voice) {
                mixing.mixer.set_deafened(who, true);
                mixing.sound_as(who, voice);
            }
        }
        if was != muted {
            mixing.mixer.set_muted(who, muted);
            mixing.sounds.insert(id, (who, muted));
        }
        let payload = match packet.codec {
            Codec::Red => red::primary(&packet.payload).map_or(&[][..], |(_, payload)| payload),
            _ => &packet.payload,
        };
        let packet = Packet {
            // A new stream of the same sound comes with a new track.
            ssrc: id.0,
            sequence: packet.sequence as u16,
            timestamp: packet.timestamp,
            codec,
            level: packet.level.map(|level| level & 0x7F),
            payload,
        };
        mixing.mixer.packet_in(who, &packet, self.now);
        if packet.level.is_none() {
            room.router.level(id, mixing.mixer.level(who), self.now);
        }
        self.timers.plan_mixer(mixing, index);
        if new {
            self.settle_volumes(index);
        }
    }

    /// The next 20 ms of a room's mix.
    pub(crate) fn mix_due(&mut self, index: u32, at: Duration) {
        let now = self.now;
        let Some(mixing) = self.rooms.get_mut(index).and_then(|room| room.mixing.as_mut()) else {
            return;
        };
        if mixing.planned != Some(at) {
            return;
        }
        mixing.planned = None;
        let began = self.clock.elapsed();
        for sent in mixing.mixer.tick(now).packets() {
            let Some(member) = self.members.get_mut(sent.to.0 as u32) else {
                continue;
            };
            let mut picture = picture_of(&sent);
            if let Some(leg) = &mut member.plain {
                (picture.sequence, picture.timestamp) = leg.mix.place_in_stream(mixing.number, &sent);
                leg.send(&picture, &mut self.outbox);
            } else if let Some(leg) = &mut member.subscribe {
                let (Some(route), Some(plane)) = (leg.route, leg.out.plane()) else {
                    continue;
                };
                let mut voices = [(0, 0); 15];
                let count = name(&mixing.tracks, sent.voices, &mut voices);
                picture.voices = voices.get(..count).unwrap_or_default();
                (picture.sequence, picture.timestamp) = leg.mix.place_in_stream(mixing.number, &sent);
                let place = leg.mix.place;
                self.outbox
                    .compose(route, |out| plane.write(place, &picture, micros(now), out));
            }
            self.meters.mixed_packets += 1;
        }
        let elapsed = self.clock.elapsed().saturating_sub(began);
        self.meters.mixed_microseconds += elapsed.as_micros() as u64;
        mixing.mixer.report_load(self.gather.share(), now);
        self.timers.plan_mixer(mixing, index);
        self.hear_mixer(index);
    }

    /// What the mixer tells.
    fn hear_mixer(&mut self, index: u32) {
        loop {
            let room = self.rooms.get_mut(index);
            let Some(event) = room.and_then(|room| room.mixing.as_mut()?.mixer.poll_event()) else {
                return;
            };
            match event {
                Event::TalksMuted(who) => self.tell(who.0 as u32, Told::TalksMuted),
                Event::Overload(rung) => {
                    tracing::warn!(worker = self.number, ?rung, "the mixer gives something up");
                }
                // The router tells who speaks, from the same levels.
                Event::Speakers => {}
            }
        }
    }
}

/// A packet of the mix, without its numbers.
fn picture_of<'a>(sent: &Sent<'a>) -> Picture<'a> {
    Picture {
        codec: match sent.codec {
            MixCodec::Opus => Codec::Opus,
            MixCodec::Pcmu => Codec::Pcmu,
            MixCodec::Pcma => Codec::Pcma,
        },
        sequence: 0,
        timestamp: 0,
        marker: sent.marker,
        payload: sent.payload,
        renumber: None,
        descriptor: &[],
        level: Some(sent.level),
        orientation: None,
        voices: &[],
    }
}

/// Whose tracks are in a packet, as CSRCs with levels; how many.
fn name(
    tracks: &BTreeMap<ParticipantId, TrackId>,
    voices: &[(SourceId, u8)],
    named: &mut [(u32, u8); 15],
) -> usize {
    let known = voices.iter().filter_map(|(source, level)| match source {
        SourceId::Participant(who) => Some((tracks.get(who)?.0, *level)),
        SourceId::Announcement => None,
    });
    let mut count = 0;
    for (into, voice) in named.iter_mut().zip(known) {
        *into = voice;
        count += 1;
    }
    count
}
