//! A look-ahead limiter: many voices at once get quieter for a moment and are never clipped.
//!
//! Sound leaves it 5 ms late, so the gain is down before the peak comes: it falls in a straight line over those 5 ms, holds
//! for 10 ms and comes back within a quarter of a second. What stays below the ceiling passes as it came.

use std::collections::VecDeque;

use crate::codec::Channels;

/// Frames (samples of all channels) that share one step of the gain: 1.25 ms.
const BLOCK: usize = 60;
/// Blocks of look-ahead.
const AHEAD: usize = 4;
/// Blocks for which a gain is held.
const HOLD: u32 = 8;
/// How much of full gain comes back in a block.
const RELEASE: f32 = 1.0 / 200.0;
/// No sample is louder: -1 dB, which leaves a codec room to overshoot.
pub(crate) const CEILING: f32 = 0.891;

/// The limiter of one mix.
#[derive(Clone, Debug)]
pub(crate) struct Limiter {
    channels: usize,
    /// What came and has not left: [`AHEAD`] blocks.
    late: Vec<f32>,
    /// For each of them the gain at which it stays below the ceiling.
    needs: VecDeque<f32>,
    /// The gain where the last block ended, and for how many blocks it still holds.
    gain: f32,
    hold: u32,
}

impl Limiter {
    pub(crate) fn new(channels: Channels) -> Self {
        Self {
            channels: channels.count(),
            late: vec![0.0; AHEAD * BLOCK * channels.count()],
            needs: VecDeque::from([1.0; AHEAD]),
            gain: 1.0,
            hold: 0,
        }
    }

    /// Takes whole blocks and gives as much of what came 5 ms earlier, in the same place.
    pub(crate) fn pass(&mut self, samples: &mut Vec<f32>) {
        let block = BLOCK * self.channels;
        for block in samples.chunks_exact(block) {
            let peak = block.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            self.needs
                .push_back(if peak > CEILING { CEILING / peak } else { 1.0 });
        }
        self.late.append(samples);
        let ready = self.late.len() - AHEAD * block;
        samples.extend(self.late.drain(..ready));
        for block in samples.chunks_exact_mut(block) {
            self.shape(block);
        }
    }

    /// One block, from the gain it begins with to the one it ends with.
    fn shape(&mut self, block: &mut [f32]) {
        let own = self.needs.pop_front().unwrap_or(1.0);
        // At the end of this block nothing may be louder than it or the next allow, and later ones pull in a line.
        let ahead = self.needs.iter().take(AHEAD).enumerate();
        let wanted = ahead
            .map(|(at, need)| need + (1.0 - need) * at as f32 / AHEAD as f32)
            .fold(own, f32::min);
        let begin = self.gain;
        let end = if wanted < self.gain {
            self.hold = HOLD;
            wanted
        } else if self.hold > 0 {
            self.hold -= 1;
            self.gain
        } else {
            (self.gain + RELEASE).min(wanted)
        };
        self.gain = end;
        if begin == 1.0 && end == 1.0 {
            return;
        }
        let frames = block.len() / self.channels;
        for (at, frame) in block.chunks_exact_mut(self.channels).enumerate() {
            let gain = begin + (end - begin) * (at + 1) as f32 / frames as f32;
            for sample in frame {
                *sample = (*sample * gain).clamp(-CEILING, CEILING);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(samples: &[f32], channels: Channels) -> Vec<f32> {
        let mut limiter = Limiter::new(channels);
        let mut out = Vec::new();
        for frame in samples.chunks_exact(960 * channels.count()) {
            let mut frame = frame.to_vec();
            limiter.pass(&mut frame);
            out.extend(frame);
        }
        out
    }

    fn tone(hertz: f32, level: f32) -> Vec<f32> {
        (0..48_000)
            .map(|at| level * (std::f32::consts::TAU * hertz * at as f32 / 48_000.0).sin())
            .collect()
    }

    #[test]
    fn what_is_quiet_enough_passes_as_it_came_5_ms_late() {
        let samples = tone(440.0, 0.8);
        let out = limit(&samples, Channels::Mono);
        assert_eq!(&out[..240], &[0.0; 240]);
        assert_eq!(&out[240..], &samples[..47_760]);
    }

    #[test]
    fn nothing_is_louder_than_the_ceiling_and_the_gain_makes_no_steps() {
        for hertz in [60.0, 440.0, 3000.0] {
            let mut samples = tone(hertz, 0.1);
            let loud = tone(hertz, 15.0);
            samples[9600..19_200].copy_from_slice(&loud[9600..19_200]);
            let out = limit(&samples, Channels::Mono);
            assert!(out.iter().all(|sample| sample.abs() <= CEILING));
            // The first gain falls by a factor of 16 within 5 ms: steps stay within those of the tone at the ceiling.
            let bound = std::f32::consts::TAU * hertz / 48_000.0 * CEILING * 2.5 + 0.02;
            let step = out
                .windows(2)
                .fold(0.0_f32, |most, pair| most.max((pair[1] - pair[0]).abs()));
            assert!(step < bound, "{hertz} Hz: a step of {step}, not below {bound}");
            let end = &out[40_000..];
            let peak = end.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            assert!(peak > 0.099, "the gain came back: {peak}");
        }
    }

    #[test]
    fn both_channels_share_one_gain() {
        let samples: Vec<f32> = tone(440.0, 4.0)
            .into_iter()
            .flat_map(|sample| [sample, sample / 8.0])
            .collect();
        let out = limit(&samples, Channels::Stereo);
        for pair in out.chunks_exact(2).skip(4800) {
            assert!((pair[0] / 8.0 - pair[1]).abs() < 1e-5);
        }
    }
}
