//! How people want to hear and to be heard, and what follows for their room's mixer.

use std::collections::BTreeMap;

use trefoil_mix::{Channels, Codec as MixCodec, Output, PacketTime, ParticipantId};
use trefoil_sfu::MemberId;

use crate::{
    command::{HearWish, VoiceWish},
    member::Member,
    mixing::{RoomMixer, mixable},
    worker::Worker,
};

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
        voice.denoise = wish.denoise.or(voice.denoise);
        let (room, voice) = (known.room, *voice);
        if let Some(mixing) = self.rooms.get_mut(room).and_then(|room| room.mixing.as_mut()) {
            mixing.sound_as(ParticipantId(member.into()), voice);
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
        mixing.sound_as(who, known.hearing.voice);
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
