//! Sounds for tests: something like speech, tones, and how alike or how loud they are.
#![allow(
    dead_code,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "shared by tests that each use a part of it"
)]

use std::f64::consts::TAU;

pub const RATE: f64 = 48_000.0;

/// Syllables with a gliding pitch, three formants, hissing onsets and pauses: what a voice codec is made for.
pub fn speech(seconds: f64, seed: u64) -> Vec<f32> {
    let count = (seconds * RATE) as usize;
    let mut noise = Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut formants = [Resonator::default(); 3];
    let (mut phase, mut out) = (0.0, Vec::with_capacity(count));
    let mut lowpass = 0.0;
    for at in 0..count {
        let time = at as f64 / RATE;
        // A syllable takes 220 ms, a word has five, then comes a pause.
        let (syllable, within) = ((time / 0.22) as u64 + seed, (time / 0.22).fract());
        let pause = syllable % 6 == 5;
        let vowel = [
            [700.0, 1220.0, 2600.0],
            [300.0, 2200.0, 3000.0],
            [500.0, 900.0, 2400.0],
        ][(syllable % 3) as usize];
        let envelope = if pause {
            0.0
        } else {
            (within * 5.0).min(1.0) * ((1.0 - within) * 4.0).min(1.0)
        };
        let pitch = 110.0 + 25.0 * ((syllable * 7 % 5) as f64) / 5.0 + 12.0 * (time * 3.1).sin();
        phase = (phase + pitch / RATE).fract();
        let pulse = if phase < 0.4 {
            (phase / 0.4 * TAU / 2.0).sin().powi(2) - 0.3
        } else {
            -0.3
        };
        let hiss = noise.next() * if within < 0.2 { 0.6 } else { 0.03 };
        lowpass += 0.35 * (pulse + hiss - lowpass);
        let voice: f64 = formants
            .iter_mut()
            .zip(vowel)
            .map(|(formant, hertz)| formant.pass(lowpass, hertz))
            .sum();
        out.push(((voice * 0.35 + hiss * 0.05) * envelope + noise.next() * 1e-4) as f32);
    }
    let peak = out.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    out.iter_mut().for_each(|sample| *sample *= 0.5 / peak);
    out
}

/// Noise between -1 and 1, the same for the same seed.
#[derive(Clone, Copy)]
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

#[derive(Clone, Copy, Default)]
struct Resonator {
    past: [f64; 2],
}

impl Resonator {
    fn pass(&mut self, input: f64, hertz: f64) -> f64 {
        let radius = (-TAU / 2.0 * 90.0 / RATE).exp();
        let out = input * (1.0 - radius) * 4.0 + 2.0 * radius * (TAU * hertz / RATE).cos() * self.past[0]
            - radius * radius * self.past[1];
        self.past = [out, self.past[0]];
        out
    }
}

/// A tone that begins at sample `from` of its own time.
pub fn tone(hertz: f64, level: f64, from: usize, count: usize) -> Vec<f32> {
    (from..from + count)
        .map(|at| (level * (TAU * hertz * at as f64 / RATE).sin()) as f32)
        .collect()
}

/// The level of one frequency in dB below a full-scale tone (Goertzel, with a Hann window against leakage).
pub fn level_at(samples: &[f32], hertz: f64) -> f64 {
    let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * at as f64 / samples.len() as f64).cos();
        let angle = TAU * hertz * at as f64 / RATE;
        re += window * f64::from(*sample) * angle.cos();
        im += window * f64::from(*sample) * angle.sin();
        weight += window;
    }
    20.0 * ((re.hypot(im) * 2.0 / weight).max(1e-12)).log10()
}

/// How far `error` stands below `signal`, in dB.
pub fn snr(signal: &[f32], other: &[f32]) -> f64 {
    let power = |samples: &mut dyn Iterator<Item = f64>| samples.map(|sample| sample * sample).sum::<f64>();
    let own = power(&mut signal.iter().map(|sample| f64::from(*sample)));
    let error = power(
        &mut signal
            .iter()
            .zip(other)
            .map(|(a, b)| f64::from(*a) - f64::from(*b)),
    );
    10.0 * ((own + 1e-20) / (error + 1e-20)).log10()
}

/// The delay of `heard` against `said` at which they are most alike, up to `most`.
pub fn delay(said: &[f32], heard: &[f32], most: usize) -> usize {
    let likeness = |delay: usize| -> f32 {
        let pairs = said.iter().zip(heard.get(delay..).unwrap_or_default()).step_by(3);
        let (mut both, mut power) = (0.0, 1e-9);
        for (a, b) in pairs {
            both += a * b;
            power += b * b;
        }
        both / power.sqrt()
    };
    (0..most)
        .max_by(|a, b| likeness(*a).total_cmp(&likeness(*b)))
        .unwrap_or(0)
}

#[test]
fn a_tone_is_found_at_its_level_and_nowhere_else() {
    let samples = tone(1000.0, 0.1, 0, 9600);
    assert!((level_at(&samples, 1000.0) + 20.0).abs() < 0.1);
    assert!(level_at(&samples, 1500.0) < -100.0);
}
