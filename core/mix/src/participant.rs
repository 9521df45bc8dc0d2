//! One participant: what comes from them, how they are heard, and what they receive.

use std::collections::BTreeMap;

use crate::{
    codec::{Codec, Decoder, FRAME, Suppressor},
    hearing::{Gain, Output, ParticipantId},
    noise::Quieting,
    overload::Rung,
    playout::Playout,
    voice::Voice,
};

/// One participant.
#[derive(Debug)]
pub(crate) struct Participant<D, S> {
    pub(crate) playout: Playout<D>,
    pub(crate) voice: Voice,
    pub(crate) output: Output,
    /// How loud the room hears them.
    pub(crate) gain: Gain,
    /// Where they stand: -1 is left, 1 is right.
    pub(crate) place: f32,
    /// They want the noise taken out of their voice.
    pub(crate) denoise: bool,
    pub(crate) quieting: Quieting<S>,
    pub(crate) muted: bool,
    pub(crate) deafened: bool,
    /// They left; the last frame fades.
    pub(crate) gone: bool,
    /// Another talker takes over; the last frame fades.
    pub(crate) leaving: bool,
    /// How loud they want to hear others, where not as they are.
    pub(crate) volumes: BTreeMap<ParticipantId, Gain>,
    /// The factor at the end of the last step.
    pub(crate) factor: f32,
    /// Kept between steps, so that none is allocated.
    pub(crate) frame: Vec<f32>,
    /// Bytes of a packet of 20 ms, over about half a second.
    bytes: f32,
    sequence: u16,
    silent: bool,
}

impl<D: Decoder, S: Suppressor> Participant<D, S> {
    pub(crate) fn new(output: Output) -> Self {
        Self {
            playout: Playout::new(),
            voice: Voice::default(),
            output,
            gain: Gain::PLAIN,
            place: 0.0,
            denoise: false,
            quieting: Quieting::default(),
            muted: false,
            deafened: false,
            gone: false,
            leaving: false,
            volumes: BTreeMap::new(),
            factor: 0.0,
            frame: Vec::new(),
            bytes: 0.0,
            sequence: 0,
            silent: true,
        }
    }

    /// Whether the room should hear them.
    pub(crate) fn is_heard(&self) -> bool {
        !(self.muted || self.gone || self.leaving)
    }

    /// Whether the noise is taken out of their voice, as long as there is time for it.
    pub(crate) fn is_denoised(&self, rung: Rung) -> bool {
        self.denoise && rung.suppresses_noise()
    }

    /// The factor that this step ends with.
    pub(crate) fn wanted_factor(&self) -> f32 {
        if self.is_heard() { self.gain.factor() } else { 0.0 }
    }

    pub(crate) fn count(&mut self, codec: Codec, payload: &[u8]) {
        let samples = codec.samples(payload).unwrap_or(FRAME) as f32;
        let bytes = payload.len() as f32 * FRAME as f32 / samples;
        self.bytes += (bytes - self.bytes) / 25.0;
    }

    /// Bits a second that they send.
    pub(crate) fn bitrate(&self) -> u32 {
        (self.bytes * 400.0) as u32
    }

    /// The number of the next packet to them, and whether it is the first after silence.
    pub(crate) fn number(&mut self) -> (u16, bool) {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        (sequence, std::mem::take(&mut self.silent))
    }

    /// Packets for them got lost before they came here.
    pub(crate) fn miss(&mut self, lost: u16) {
        self.sequence = self.sequence.wrapping_add(lost);
    }

    /// Nothing was sent to them in this step.
    pub(crate) fn hush(&mut self) {
        self.silent = true;
    }
}
