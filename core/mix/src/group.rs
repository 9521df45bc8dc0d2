//! All who hear the same in the same form: one mix, one limiter, one encoder.
//!
//! A group is silent, mixing or passing. Passing means that only one talker is heard here, unchanged, and that talker's
//! own packets go on to the members; nothing is encoded. Wherever a member's stream goes on with packets of another
//! encoder, the first packet is a seam ([`Encoder::seam`]), and an encoder that did not run hears the frame before first.

use crate::{
    codec::{Codecs, Encoder, FRAME, Quality},
    hearing::{Hearing, ParticipantId, SourceId},
    level,
    limiter::Limiter,
    out::Payload,
    stage::{Sounding, Stage, add},
};

/// Steps of silence that are still sent, so that what codec and limiter hold back is heard: 60 ms.
const FLUSH: u32 = 3;
/// A mix below this is silent: about -84 dB.
const SILENCE: f32 = 6e-5;
/// From a mix to one talker's packets: after so many steps (500 ms), in a frame this quiet.
const ALONE: u32 = 25;
const PAUSE: u8 = 50;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Silent,
    Mixing,
    Passing(SourceId),
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group<E> {
    pub(crate) hearing: Hearing,
    pub(crate) members: Vec<ParticipantId>,
    encoder: Option<E>,
    /// The quality the encoder works with.
    quality: Quality,
    limiter: Limiter,
    /// The factors of all that sounded in the last step.
    factors: Vec<(SourceId, f32)>,
    sound: Vec<f32>,
    last: Vec<f32>,
    pending: Vec<f32>,
    state: State,
    /// Somebody came from another group: the next packet is a seam.
    seam: bool,
    /// The encoder did not hear what the members heard last.
    stale: bool,
    silent: u32,
    /// The only source, and for how many steps.
    alone: (Option<SourceId>, u32),
}

/// What a step of a group gave.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Packets that the members never get, since they never came.
    pub(crate) lost: u16,
    pub(crate) level: u8,
}

impl<E: Encoder> Group<E> {
    pub(crate) fn new(hearing: Hearing) -> Self {
        let channels = hearing.output.channels;
        Self {
            encoder: None,
            quality: hearing.output.quality,
            limiter: Limiter::new(channels),
            factors: Vec::new(),
            sound: Vec::new(),
            last: vec![0.0; FRAME * channels.count()],
            pending: Vec::new(),
            state: State::Silent,
            seam: true,
            stale: true,
            silent: 0,
            alone: (None, 0),
            members: Vec::new(),
            hearing,
        }
    }

    /// A group whose members come from `other`: it goes on where that was, so that nobody hears a step.
    pub(crate) fn after(hearing: Hearing, other: &Self) -> Self {
        let mut group = Self::new(hearing);
        if group.hearing.output.channels == other.hearing.output.channels {
            group.limiter = other.limiter.clone();
            group.factors.clone_from(&other.factors);
            group.last.clone_from(&other.last);
        }
        group.state = other.state;
        group.alone = other.alone;
        group.silent = other.silent;
        group
    }

    /// Others hear this now; their ids ascend.
    pub(crate) fn set_members(&mut self, members: Vec<ParticipantId>) {
        self.seam |= members
            .iter()
            .any(|member| self.members.binary_search(member).is_err());
        self.members = members;
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.state == State::Silent
    }

    /// One step of 20 ms: its packets go to `bytes` and `payloads`.
    pub(crate) fn step<C>(
        &mut self,
        stage: &Stage,
        quality: Quality,
        codecs: &mut C,
        out: &mut Payload,
    ) -> Step
    where
        C: Codecs<Encoder = E>,
    {
        self.mix(stage);
        let peak = self
            .sound
            .iter()
            .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        self.silent = if peak < SILENCE {
            self.silent.saturating_add(1)
        } else {
            0
        };
        let level = if peak < SILENCE {
            level::SILENT
        } else {
            level::of(&self.sound)
        };
        let lone = self.lone(stage);
        let step = if let Some(sounding) = lone.filter(|sounding| self.passes(sounding)) {
            self.state = State::Passing(sounding.id);
            self.stale = true;
            let original = sounding.original.as_ref();
            if let Some(packet) = original.and_then(|original| original.packet.as_deref()) {
                out.push(packet, 0);
            }
            let lost = original.map_or(0, |original| original.lost);
            Step { lost, level }
        } else if self.silent > FLUSH || (self.silent > 0 && self.stale) {
            self.state = State::Silent;
            self.pending.clear();
            Step { lost: 0, level }
        } else {
            self.state = State::Mixing;
            self.encode(quality, codecs, out);
            Step { lost: 0, level }
        };
        std::mem::swap(&mut self.last, &mut self.sound);
        step
    }

    /// The sum, without what is not heard here, below full scale.
    fn mix(&mut self, stage: &Stage) {
        let channels = self.hearing.output.channels;
        self.sound.clear();
        self.sound.extend_from_slice(stage.total(channels));
        let mut factors = Vec::new();
        for sounding in &stage.soundings {
            let factor = self.hearing.factor(sounding.id);
            let own = self.hearing.own.map(SourceId::Participant) == Some(sounding.id);
            let before = self.factors.iter().find(|(id, _)| *id == sounding.id);
            // A talker's own voice is not faded out of their mix: it was never in.
            // And whoever did not sound before was not heard: what is not for these members never is, not even for a moment.
            let before = if own {
                0.0
            } else {
                before.map_or(factor, |(_, before)| *before)
            };
            if factor != 1.0 || before != 1.0 {
                add(&mut self.sound, sounding, channels, before - 1.0, factor - 1.0);
            }
            factors.push((sounding.id, factor));
        }
        self.factors = factors;
        self.limiter.pass(&mut self.sound);
    }

    /// The one source that is heard here, if it is one.
    fn lone<'a>(&mut self, stage: &'a Stage) -> Option<&'a Sounding> {
        let mut heard = stage
            .soundings
            .iter()
            .filter(|sounding| self.hearing.factor(sounding.id) != 0.0);
        let lone = heard.next().filter(|_| heard.next().is_none());
        let id = lone.map(|sounding| sounding.id);
        self.alone = match self.alone {
            (before, steps) if before == id => (id, steps.saturating_add(1)),
            _ => (id, 0),
        };
        lone
    }

    /// Whether the members may get this talker's own packets.
    fn passes(&self, sounding: &Sounding) -> bool {
        let output = &self.hearing.output;
        let Some(original) = &sounding.original else {
            return false;
        };
        let fits = original.codec == output.codec
            && output.packet_time.samples() == FRAME
            && original.bitrate <= output.quality.bitrate.saturating_mul(2)
            && self.hearing.factor(sounding.id) == 1.0
            && (output.channels.count() == 1 || sounding.place == 0.0);
        let now = match self.state {
            State::Passing(before) if before == sounding.id => true,
            State::Silent => original.packet.is_some(),
            State::Mixing | State::Passing(_) => {
                original.packet.is_some() && self.alone.1 >= ALONE && sounding.level > PAUSE
            }
        };
        fits && now
    }

    fn encode<C>(&mut self, quality: Quality, codecs: &mut C, out: &mut Payload)
    where
        C: Codecs<Encoder = E>,
    {
        let output = &self.hearing.output;
        let stale = std::mem::take(&mut self.stale);
        let encoder = self
            .encoder
            .get_or_insert_with(|| codecs.encoder(output.codec, output.channels, quality));
        if quality != self.quality {
            encoder.set_quality(quality);
            self.quality = quality;
        }
        if stale {
            // What the encoder looks back at is what the members heard; its packet is for nobody.
            encoder.encode(&self.last, &mut out.scratch);
            out.scratch.clear();
            self.pending.clear();
        }
        if stale || self.seam {
            encoder.seam();
            self.seam = false;
        }
        let length = output.packet_time.samples() * output.channels.count();
        let held = self.pending.len() / output.channels.count();
        self.pending.extend_from_slice(&self.sound);
        for (at, frame) in self.pending.chunks_exact(length).enumerate() {
            let start = out.open();
            encoder.encode(frame, &mut out.bytes);
            let offset = (at * output.packet_time.samples()) as i32 - held as i32;
            out.close(start, offset);
        }
        let rest = self.pending.len() % length;
        self.pending.drain(..self.pending.len() - rest);
    }
}
