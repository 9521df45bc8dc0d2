//! All that sounds in one step, before anybody's own part is taken out.

use crate::{
    codec::{Channels, Codec, FRAME},
    hearing::SourceId,
};

/// Samples over which a gain goes from one value to the next: 5 ms.
pub(crate) const RAMP: usize = 240;

/// A talker's packets as they came, for those who hear nobody else.
#[derive(Debug)]
pub(crate) struct Original {
    pub(crate) codec: Codec,
    /// What arrived in this step, if it is one packet of 20 ms.
    pub(crate) packet: Option<Box<[u8]>>,
    /// Packets that are missing before it.
    pub(crate) lost: u16,
    /// Bits a second.
    pub(crate) bitrate: u32,
}

/// One source in one step.
#[derive(Debug)]
pub(crate) struct Sounding {
    pub(crate) id: SourceId,
    /// 20 ms of one channel, with the room's gain applied.
    pub(crate) frame: Vec<f32>,
    pub(crate) level: u8,
    /// -1 is left, 1 is right.
    pub(crate) place: f32,
    /// Nothing where it sounds otherwise than it came.
    pub(crate) original: Option<Original>,
}

impl Sounding {
    /// How loud it is left and right.
    pub(crate) fn sides(&self) -> [f32; 2] {
        [(1.0 - self.place).min(1.0), (1.0 + self.place).min(1.0)]
    }
}

/// What sounds in one step, and its sums.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    pub(crate) soundings: Vec<Sounding>,
    mono: Vec<f32>,
    stereo: Vec<f32>,
    /// Who sounds and how loud, the loudest first.
    pub(crate) voices: Vec<(SourceId, u8)>,
}

impl Stage {
    /// Sums what sounds; in stereo only if somebody hears that.
    pub(crate) fn sum(&mut self, stereo: bool) {
        self.voices.clear();
        let voices = self
            .soundings
            .iter()
            .map(|sounding| (sounding.id, sounding.level));
        self.voices.extend(voices);
        self.voices.sort_unstable_by_key(|(id, level)| (*level, *id));
        self.mono.clear();
        self.mono.resize(FRAME, 0.0);
        for sounding in &self.soundings {
            let samples = self.mono.iter_mut().zip(&sounding.frame);
            samples.for_each(|(sum, sample)| *sum += sample);
        }
        self.stereo.clear();
        if !stereo {
            return;
        }
        self.stereo.resize(2 * FRAME, 0.0);
        for sounding in &self.soundings {
            add(&mut self.stereo, sounding, Channels::Stereo, 1.0, 1.0);
        }
    }

    /// The sum in this form.
    pub(crate) fn total(&self, channels: Channels) -> &[f32] {
        match channels {
            Channels::Mono => &self.mono,
            Channels::Stereo => &self.stereo,
        }
    }
}

/// Adds a source, by a factor that goes from one value to another within the first 5 ms.
pub(crate) fn add(sum: &mut [f32], sounding: &Sounding, channels: Channels, from: f32, to: f32) {
    let factor = |at: usize| {
        if at < RAMP {
            from + (to - from) * at as f32 / RAMP as f32
        } else {
            to
        }
    };
    match channels {
        Channels::Mono if from == to => {
            let samples = sum.iter_mut().zip(&sounding.frame);
            samples.for_each(|(sum, sample)| *sum += sample * to);
        }
        Channels::Mono => {
            let samples = sum.iter_mut().zip(&sounding.frame).enumerate();
            samples.for_each(|(at, (sum, sample))| *sum += sample * factor(at));
        }
        Channels::Stereo => {
            let [left, right] = sounding.sides();
            let samples = sum.chunks_exact_mut(2).zip(&sounding.frame).enumerate();
            for (at, (sum, sample)) in samples {
                let sample = sample * factor(at);
                if let [to_left, to_right] = sum {
                    *to_left += sample * left;
                    *to_right += sample * right;
                }
            }
        }
    }
}

/// Multiplies samples by a gain that goes from one value to another within the first 5 ms.
pub(crate) fn ramp(samples: &mut [f32], from: f32, to: f32) {
    if from == 1.0 && to == 1.0 {
        return;
    }
    for (at, sample) in samples.iter_mut().enumerate() {
        let share = (at as f32 / RAMP as f32).min(1.0);
        *sample *= from + (to - from) * share;
    }
}
