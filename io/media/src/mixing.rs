//! Mixing on a worker: voices of a room go into its mixer, and those who want one stream get its packets.
//!
//! A room has a mixer while somebody in it hears the mix. The mixer counts people by their place among the worker's members;
//! further sounds of the same person, such as a screen's, take part under numbers of their own.

use std::{collections::BTreeMap, time::Duration};

use trefoil_codec::Builtin;
use trefoil_mix::{
    Channels, Codec as MixCodec, Event, Mixer, Output, Packet, PacketTime, ParticipantId, Sent, Settings,
    SourceId,
};
use trefoil_peer::{Picture, PublishedPacket};
use trefoil_rtp::{Codec, red};
use trefoil_sfu::{MemberId, Source, TrackId};

use crate::{
    Told,
    announce::Announced,
    command::{HearWish, VoiceWish},
    forward::micros,
    member::Member,
    room::Room,
    timers::Planned,
    worker::Worker,
};

/// Sounds that are not somebody's voice are numbered from here on, by their track.
const FURTHER: u64 = 1 << 32;
/// From this share of lost packets on, each packet repeats the one before it in short.
const LOSSY: f32 = 0.02;
/// The share that the encoder is told then, in percent.
const LOSSY_PERCENT: u8 = 10;

/// How somebody wants to hear.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hearing {
    /// The mix, or each voice by itself; as the room does where nothing was asked.
    pub(crate) mixed: Option<bool>,
    /// As the room does.
    pub(crate) usual: bool,
    /// Nothing at all.
    pub(crate) deafened: bool,
    /// Where others stand, in two channels.
    pub(crate) stereo: bool,
    pub(crate) bits_per_second: Option<u32>,
    pub(crate) complexity: Option<u8>,
    /// By participant, how loud; 1 as they are.
    pub(crate) volumes: BTreeMap<u64, f32>,
    /// Their path loses packets.
    pub(crate) lossy: bool,
    /// How the room hears them.
    pub(crate) voice: VoiceWish,
}

impl Hearing {
    pub(crate) fn is_mixed(&self) -> bool {
        self.mixed.unwrap_or(self.usual)
    }
}

/// A room's mixer.
#[derive(Debug)]
pub(crate) struct RoomMixer {
    pub(crate) mixer: Mixer<Builtin>,
    /// Which of the worker's mixers this is.
    number: u64,
    pub(crate) planned: Planned,
    /// By track, as whom it takes part and whether it is muted.
    sounds: BTreeMap<TrackId, (ParticipantId, bool)>,
    /// The same the other way round.
    tracks: BTreeMap<ParticipantId, TrackId>,
    pub(crate) announced: Announced,
}

impl RoomMixer {
    fn new(number: u64, talkers: usize) -> Self {
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

fn mixable(codec: Codec) -> Option<MixCodec> {
    match codec {
        Codec::Opus | Codec::Red => Some(MixCodec::Opus),
        Codec::Pcmu => Some(MixCodec::Pcmu),
        Codec::Pcma => Some(MixCodec::Pcma),
        Codec::G722 | Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::H264 => None,
    }
}

impl Worker {
    /// Somebody wants to hear otherwise.
    pub(crate) fn hear_as(&mut self, member: u32, wish: HearWish) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let hearing = &mut known.hearing;
        hearing.mixed = wish.mixed.or(hearing.mixed);
        hearing.deafened = wish.deafened.unwrap_or(hearing.deafened);
        hearing.stereo = wish.stereo.unwrap_or(hearing.stereo);
        hearing.bits_per_second = wish.bits_per_second.or(hearing.bits_per_second);
        hearing.complexity = wish.complexity.or(hearing.complexity);
        for (who, volume) in wish.volumes {
            if hearing.volumes.len() < HearWish::VOLUMES || hearing.volumes.contains_key(&who) {
                hearing.volumes.insert(who, volume);
            }
        }
        self.settle_hearing(member);
    }

    /// Somebody should be heard otherwise.
    pub(crate) fn sound_as(&mut self, member: u32, wish: VoiceWish) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let voice = &mut known.hearing.voice;
        voice.gain = wish.gain.or(voice.gain);
        voice.place = wish.place.or(voice.place);
        let (room, voice) = (known.room, *voice);
        if let Some(mixing) = self.rooms.get_mut(room).and_then(|room| room.mixing.as_mut()) {
            let who = ParticipantId(member.into());
            mixing.mixer.set_gain(who, voice.gain.unwrap_or(1.0));
            mixing.mixer.set_place(who, voice.place.unwrap_or(0.0));
        }
    }

    /// Makes true what a member wants to hear, as far as they receive.
    pub(crate) fn settle_hearing(&mut self, member: u32) {
        let Some(known) = self.members.get(member) else {
            return;
        };
        let (index, mixed) = (known.room, known.hearing.is_mixed() || known.is_in_call());
        let leg = known.subscribe.as_ref().filter(|leg| leg.route.is_some());
        let connected = leg.is_some_and(|leg| leg.out.codecs().iter().any(|codec| mixable(*codec).is_some()));
        let receives = (connected && known.rights.subscribe) || known.plain.is_some();
        let (deaf, heard_it) = (mixed || known.hearing.deafened, known.hears_mix);
        let Some(room) = self.rooms.get_mut(index) else {
            return;
        };
        room.router.set_deaf(MemberId(member.into()), deaf);
        self.unsettled.push(index);
        if mixed && receives {
            self.join_mix(index, member);
        } else {
            self.leave_mix(index, member);
        }
        if self
            .members
            .get(member)
            .is_some_and(|known| known.hears_mix != heard_it)
        {
            self.tell_slots(index, MemberId(member.into()));
        }
    }

    fn join_mix(&mut self, index: u32, member: u32) {
        let talkers = self.config.mixed_talkers;
        let Some(room) = self.rooms.get_mut(index) else {
            return;
        };
        let mixing = room.mixing.get_or_insert_with(|| {
            self.mixers += 1;
            Box::new(RoomMixer::new(self.mixers, talkers))
        });
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        let who = ParticipantId(member.into());
        let output = output_of(known);
        if mixing.mixer.join(who, output).is_err() {
            // They were known as somebody who speaks.
            mixing.mixer.set_output(who, output);
        }
        mixing.mixer.set_deafened(who, known.hearing.deafened);
        known.hears_mix = true;
        self.settle_volumes(index);
    }

    /// Somebody hears the mix no longer; with the last one the mixer is gone.
    pub(crate) fn leave_mix(&mut self, index: u32, member: u32) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        if !std::mem::take(&mut known.hears_mix) {
            return;
        }
        let Some(room) = self.rooms.get_mut(index) else {
            return;
        };
        if let Some(mixing) = &mut room.mixing {
            // They may still be heard.
            mixing.mixer.set_deafened(ParticipantId(member.into()), true);
        }
        let hears = |member: &u32| self.members.get(*member).is_some_and(|member| member.hears_mix);
        if !room.members.iter().any(hears) {
            room.mixing = None;
        }
    }

    /// Somebody is gone, and what they were saying fades.
    pub(crate) fn quit_mix(&mut self, index: u32, member: u32) {
        self.leave_mix(index, member);
        if let Some(mixing) = self.rooms.get_mut(index).and_then(|room| room.mixing.as_mut()) {
            mixing.mixer.leave(ParticipantId(member.into()));
        }
    }

    /// Who hears whom how loud; what is not for somebody is silent for them, and so is what they sent themselves.
    pub(crate) fn settle_volumes(&mut self, index: u32) {
        let Some(room) = self.rooms.get_mut(index) else {
            return;
        };
        let (Some(mixing), router) = (&mut room.mixing, &room.router) else {
            return;
        };
        for listener in &room.members {
            let Some(known) = self.members.get(*listener).filter(|known| known.hears_mix) else {
                continue;
            };
            let id = MemberId((*listener).into());
            for (track, (who, _)) in &mixing.sounds {
                let Some(track) = router.track(*track) else {
                    continue;
                };
                let publisher = track.info().publisher;
                let may = track.allowed().is_none_or(|allowed| allowed.contains(&id));
                let talker = self.members.get(publisher.0 as u32);
                let wanted = talker.and_then(|talker| known.hearing.volumes.get(&talker.participant));
                let volume = match (may && publisher != id, wanted) {
                    (false, _) => 0.0,
                    (true, wanted) => wanted.copied().unwrap_or(1.0),
                };
                mixing.mixer.set_volume(ParticipantId(id.0), *who, volume);
            }
        }
    }

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
                mixing.mixer.set_gain(who, voice.gain.unwrap_or(1.0));
                mixing.mixer.set_place(who, voice.place.unwrap_or(0.0));
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

    /// Who loses packets is sent each of them twice, the second time in short.
    pub(crate) fn follow_loss(&mut self, member: u32, loss: f32) {
        let Some(known) = self.members.get_mut(member).filter(|known| known.hears_mix) else {
            return;
        };
        let lossy = loss > LOSSY;
        if std::mem::replace(&mut known.hearing.lossy, lossy) != lossy {
            let (index, output) = (known.room, output_of(known));
            if let Some(mixing) = self.rooms.get_mut(index).and_then(|room| room.mixing.as_mut()) {
                mixing.mixer.set_output(ParticipantId(member.into()), output);
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

/// In which form somebody gets the mix.
fn output_of(member: &Member) -> Output {
    let (hearing, mut output) = (&member.hearing, Output::default());
    let packet_time = if let Some(leg) = &member.plain {
        output.codec = mixable(leg.codec).unwrap_or(MixCodec::Opus);
        Some(leg.packet_time)
    } else if let Some(leg) = &member.subscribe {
        let codecs = leg.out.codecs().iter();
        output.codec = codecs.copied().find_map(mixable).unwrap_or(MixCodec::Opus);
        leg.out.packet_time()
    } else {
        return output;
    };
    output.packet_time = match packet_time {
        Some(0..=10) => PacketTime::Ten,
        Some(30..=50) => PacketTime::Forty,
        Some(51..) => PacketTime::Sixty,
        Some(11..=29) | None => PacketTime::Twenty,
    };
    if hearing.stereo {
        output.channels = Channels::Stereo;
        output.quality.bitrate = 64_000;
    }
    if let Some(bits) = hearing.bits_per_second {
        output.quality.bitrate = bits.clamp(6_000, 256_000);
    }
    if let Some(complexity) = hearing.complexity {
        output.quality.complexity = complexity.min(10);
    }
    if hearing.lossy {
        output.quality.loss_percent = LOSSY_PERCENT;
    }
    output
}
