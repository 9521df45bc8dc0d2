//! Noise suppression for one voice: RNNoise, as `nnnoiseless` has it.
//!
//! Its inverse transform (`easyfft`) takes for granted that the first and the last frequency are real numbers, without looking: so
//! they are, whatever voice goes in, but not where a sample is no number. No such sample is let in; and with samples of at most
//! [`LOUDEST`] no energy in it is beyond what `f32` holds, and every gain stays between nothing and one.

use nnnoiseless::DenoiseState;
use trefoil_mix::Suppressor;
use trefoil_net::guarded;

/// RNNoise counts in 16 bits.
const FULL: f32 = 32_768.0;
/// Louder than anything a decoder gives.
const LOUDEST: f32 = 4.0;
/// 10 ms: what is taken at once, and by how much later it comes out.
const UNIT: usize = DenoiseState::FRAME_SIZE;

/// Takes what is not speech out of one voice, and gives the rest 10 ms later.
pub struct NoiseSuppressor {
    state: Box<DenoiseState<'static>>,
}

impl std::fmt::Debug for NoiseSuppressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NoiseSuppressor")
    }
}

impl NoiseSuppressor {
    pub(crate) fn new() -> Self {
        Self {
            state: DenoiseState::new(),
        }
    }
}

impl Suppressor for NoiseSuppressor {
    fn suppress(&mut self, frame: &mut [f32]) {
        let (mut input, mut output) = ([0.0; UNIT], [0.0; UNIT]);
        for unit in frame.chunks_exact_mut(UNIT) {
            let scaled = input.iter_mut().zip(&*unit);
            scaled.for_each(|(scaled, sample)| *scaled = bounded(*sample) * FULL);
            let state = &mut self.state;
            if guarded(|| state.process_frame(&mut output, &input)).is_none() {
                // What came is heard as it is, and what follows begins anew.
                *self = Self::new();
                unit.iter_mut().for_each(|sample| *sample = bounded(*sample));
                continue;
            }
            for (sample, quiet) in unit.iter_mut().zip(&output) {
                *sample = bounded(quiet / FULL);
            }
        }
    }
}

fn bounded(sample: f32) -> f32 {
    if sample.is_finite() {
        sample.clamp(-LOUDEST, LOUDEST)
    } else {
        0.0
    }
}
