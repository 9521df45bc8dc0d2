//! What was heard, by its spectrum.

use std::f32::consts::TAU;

use trefoil_codec::{AnyDecoder, Builtin};
use trefoil_media::TrackId;
use trefoil_mix::{Codec, Codecs, Decoder};

use super::World;

/// What somebody heard of a track in its last half second, since packet `from`: how loud each frequency is, in decibel.
pub fn heard(world: &World, who: u64, track: TrackId, from: usize, hertz: &[f32]) -> Vec<f32> {
    let mut decoder: AnyDecoder = Builtin.decoder(Codec::Opus);
    let mut samples = Vec::new();
    for packet in world.received(who, track).into_iter().skip(from) {
        decoder.decode(&packet.payload, &mut samples).unwrap();
    }
    // What sounds in the end, after talkers are known and the codec has settled.
    let samples = &samples[samples.len().saturating_sub(24_000)..];
    assert_eq!(samples.len(), 24_000, "there is enough to hear");
    hertz.iter().map(|hertz| loudness(samples, *hertz)).collect()
}

/// Goertzel's algorithm with a Hann window.
pub fn loudness(samples: &[f32], hertz: f32) -> f32 {
    let count = samples.len() as f32;
    let (mut real, mut imaginary) = (0.0_f64, 0.0_f64);
    for (at, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * at as f32 / count).cos();
        let angle = f64::from(hertz) * std::f64::consts::TAU * at as f64 / 48_000.0;
        real += f64::from(sample * window) * angle.cos();
        imaginary += f64::from(sample * window) * angle.sin();
    }
    let amplitude = 4.0 * real.hypot(imaginary) / samples.len() as f64;
    20.0 * (amplitude.max(1e-9) as f32).log10()
}
